package host

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/shared/archivetest"
)

// The stand-in's requests have the members of the real host's, with the same types.
func TestShapes(t *testing.T) {
	now := time.Now()
	timer := func(input string, try, tries int) []byte {
		raw, err := timerBody("tick", "timer", input, now, try, tries)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	blob, err := blobBody("blob", "item", "http://127.0.0.1:10000/devstoreaccount1/inbox/2026/11/22/r1/00001.ndjson",
		"2026/11/22/r1/00001.ndjson",
		Properties{Length: 7, ContentType: "application/x-ndjson", ContentMD5: "u2y1xo30ZSlByvZSo2by2A==",
			ETag: `"0x228E0EDE9EB3540"`}, now)
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{
		"blob-deferred.json":      blob,
		"timer-admin-manual.json": timer("", 0, 1),
		"timer-retry1.json":       timer("", 1, 3),
	} {
		raw, err := os.ReadFile(filepath.Join("../../shared/funchost/testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var want, have any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &have); err != nil {
			t.Fatal(err)
		}
		sameShape(t, file, "", want, have)
	}
}

func sameShape(t *testing.T, file, path string, want, have any) {
	t.Helper()
	// Only the texts that are the same in every capture are compared.
	if path == ".Metadata.Uri" || path == ".Metadata.name" || path == ".Data.item.Source" ||
		strings.HasPrefix(path, ".Metadata.Properties.Content") {
		if want != have {
			t.Errorf("%s: %s is %v, captured was %v", file, path, have, want)
		}
	}
	w, isMap := want.(map[string]any)
	if !isMap {
		if reflect.TypeOf(want) != reflect.TypeOf(have) && path != ".Data.timer.ScheduleStatus" {
			t.Errorf("%s: %s is a %T, captured was a %T", file, path, have, want)
		}
		return
	}
	h, ok := have.(map[string]any)
	if !ok {
		t.Errorf("%s: %s is a %T, captured was an object", file, path, have)
		return
	}
	for name := range h {
		if _, ok := w[name]; !ok && path+"."+name != ".Metadata.timer" { // there with every run by hand
			t.Errorf("%s: the host does not send %s.%s", file, path, name)
		}
	}
	for name, value := range w {
		if _, ok := h[name]; !ok {
			if path != ".Metadata.RetryContext.Exception" { // .NET's innards are left out
				t.Errorf("%s: %s.%s is missing", file, path, name)
			}
			continue
		}
		sameShape(t, file, path+"."+name, value, h[name])
	}
}

// What the handler's exits lead to.
func TestExits(t *testing.T) {
	t.Parallel()
	y := newToy(t, "none")
	for _, test := range []struct{ input, want string }{
		{"exit0", "never started again"}, {"exit1", "third exit"},
	} {
		h, err := Start(soon(t), Options{App: y.dir, Env: y.env, Pause: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if status, err := h.Run(soon(t), "tick", test.input); status != 0 || !errors.Is(err, ErrFailed) {
			t.Errorf("%s: %d, %v", test.input, status, err)
		}
		<-h.process.stopped
		if err := h.Ready(soon(t)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.input, err)
		}
		if _, err := h.Run(soon(t), "tick", ""); !errors.Is(err, ErrFailed) {
			t.Errorf("a run without a handler: %v", err)
		}
		if err := errors.Join(h.Stop(), h.Stop()); err != nil {
			t.Error(err)
		}
	}
}

// The third non-zero exit stops the host only within half an hour of the first.
func TestExitsLongAgo(t *testing.T) {
	t.Parallel()
	y := newToy(t, "none")
	var mu sync.Mutex
	now := time.Now()
	h, err := Start(soon(t), Options{App: y.dir, Env: y.env, Pause: 200 * time.Millisecond, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(10 * time.Minute) // with each exit, and with each body
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	for range 2 {
		_, _ = h.Run(soon(t), "tick", "exit1")
	}
	if err := h.Ready(soon(t)); err != nil {
		t.Error(err)
	}
}

// An empty answer or null hangs the invocation; then the handler is killed, and others in it die too.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"empty", "null"} {
		y := newToy(t, "none")
		log := &archivetest.Lines{}
		h, err := Start(soon(t),
			Options{App: y.dir, Env: append(y.env, "TOY_ANSWER="+answer), Log: log, Timeout: 300 * time.Millisecond,
				Pause: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if status, err := h.Run(soon(t), "tick", ""); status != 0 || !errors.Is(err, ErrFailed) {
			t.Errorf("%s: %d, %v", answer, status, err)
		}
		pids := map[int]bool{}
		for _, l := range y.lines(t) {
			pids[l.PID] = true
		}
		if len(pids) != 3 {
			t.Errorf("%s: three tries met %d handlers", answer, len(pids))
		}
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// What is no object fails at once.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for answer, ok := range map[string]bool{`{}`: true, `{"Logs":["a"]}`: true, `[]`: false, `"x"`: false, `5`: false,
		`no JSON`: false, `{"Logs":"a"}`: false} {
		y := newToy(t, "none")
		h, err := Start(soon(t), Options{App: y.dir, Env: append(y.env, "TOY_ANSWER="+answer), Pause: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Run(soon(t), "tick", ""); ok != (err == nil) {
			t.Errorf("answer %s: %v", answer, err)
		}
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// A kill does not count as an exit, and no more blobs than the host takes are in flight.
func TestKillAndPlaces(t *testing.T) {
	t.Parallel()
	y := newToy(t, "none")
	h, err := Start(soon(t), Options{App: y.dir, Env: y.env})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	for range 4 {
		h.Kill()
		if err := h.Ready(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	if cap(h.places) != 16 {
		t.Errorf("%d places", cap(h.places))
	}
	h.places = make(chan struct{}, 1)
	start := time.Now()
	var all sync.WaitGroup
	for _, name := range []string{"sleep1", "sleep2", "sleep3"} {
		all.Go(func() {
			if _, err := h.Deliver(soon(t), "https://a.blob.core.windows.net/batches/"+name+".ndjson",
				Properties{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(start); took < 900*time.Millisecond {
		t.Errorf("three blobs of 300 ms in one place took %v", took)
	}
}

// The host does not start without what it resolves then.
func TestMissing(t *testing.T) {
	t.Parallel()
	y := newToy(t, "")
	if _, err := Start(soon(t), Options{App: y.dir, Env: y.env}); err == nil ||
		!strings.Contains(err.Error(), "ARCHIVE_STORAGE") {
		t.Errorf("without its connection: %v", err)
	}
	if _, err := Start(soon(t),
		Options{App: y.dir, Env: append(y.env, "ARCHIVE_STORAGE__blobServiceUri=https://x",
			"TOY_SCHEDULE=")}); err == nil || !strings.Contains(err.Error(), "TOY_SCHEDULE") {
		t.Errorf("without its schedule: %v", err)
	}
	if _, err := Start(soon(t), Options{App: t.TempDir()}); err == nil {
		t.Error("an empty folder starts")
	}
}
