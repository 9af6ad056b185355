package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/appbuild"
	"o2archiver/shared/archivetest"
)

// line is what the toy writes for each invocation.
type line struct {
	Function, ID, Input, URI, Name string
	PID                            int
}

// toy is a staged toy app.
type toy struct {
	dir string
	env []string
	log string // where it writes its lines
}

// staged is the folder that has the toy, built by the first test that asks.
var staged = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("toy-%d", os.Getpid()))
	app := appbuild.App{Name: "toy", Package: "./local/host/testdata/toy",
		Triggers: "local/host/testdata/toy/functions", Functions: []string{"tick", "take"}}
	return dir, appbuild.Build(context.Background(), appbuild.Options{Root: "../..", Out: dir, Local: true}, app)
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(filepath.Join(os.TempDir(), fmt.Sprintf("toy-%d", os.Getpid())))
	os.Exit(code)
}

func newToy(t testing.TB, storage string) *toy {
	t.Helper()
	dir, err := staged()
	if err != nil {
		t.Fatal(err)
	}
	y := &toy{dir: filepath.Join(dir, "toy"), log: filepath.Join(t.TempDir(), "lines")}
	y.env = []string{"TOY_LOG=" + y.log, "TOY_SCHEDULE=0 0 0 1 1 *", "ARCHIVE_STORAGE=" + storage,
		"AzureWebJobsStorage=" + storage}
	return y
}

// lines is what the toy wrote so far.
func (y *toy) lines(t testing.TB) []line {
	t.Helper()
	raw, err := os.ReadFile(y.log)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	for scanner := bufio.NewScanner(bytes.NewReader(raw)); scanner.Scan(); {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// conform is what both hosts do alike. Each case is a run by hand with its input.
func conform(t *testing.T, h Host, y *toy) {
	tests := []struct {
		input  string
		status []int // of one of the hosts: the real one does not tell the handler's
		ok     bool
		tries  int
	}{
		{"", []int{200}, true, 1},
		{`{"from":"2026-11-01T00:00:00Z","note":"\"quoted\" ü \\ <&>"}`, []int{200}, true, 1},
		{"null", []int{200}, true, 1},
		{"once", []int{200}, true, 2},
		{"fail", []int{503, 500}, false, 3},
		{"exit200", []int{0, 500}, false, 3}, // restarted without limit
		{"exit200 again", []int{0, 500}, false, 3},
		{"and well again", []int{200}, true, 1},
	}
	for _, test := range tests {
		before := len(y.lines(t))
		status, err := h.Run(soon(t), "tick", test.input)
		if test.ok != (err == nil) || test.ok == errors.Is(err, ErrFailed) {
			t.Errorf("input %q: %v", test.input, err)
		}
		found := false
		for _, s := range test.status {
			found = found || s == status
		}
		if !found {
			t.Errorf("input %q: status %d", test.input, status)
		}
		got := y.lines(t)[before:]
		// A try that comes before the handler is up again is lost.
		if lost := test.tries - len(got); lost != 0 &&
			!(strings.HasPrefix(test.input, "exit") && lost > 0 && len(got) > 0) {
			t.Errorf("input %q was tried %d times, want %d", test.input, len(got), test.tries)
		}
		ids := map[string]bool{}
		for _, l := range got {
			ids[l.ID] = true
			if l.Input != test.input || l.Function != "tick" {
				t.Errorf("input %q arrived as %q in %s", test.input, l.Input, l.Function)
			}
		}
		if len(ids) != len(got) {
			t.Errorf("input %q: %d tries had %d ids", test.input, len(got), len(ids))
		}
	}
	if status, err := h.Run(soon(t), "absent", ""); status != 404 || err == nil {
		t.Errorf("a function that is not there: %d, %v", status, err)
	}
	// Two at the same time are two invocations.
	before := len(y.lines(t))
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := h.Run(soon(t), "tick", "sleep"); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := len(y.lines(t)) - before; got != 2 {
		t.Errorf("two runs gave %d invocations", got)
	}
}

// blobs is what both hosts do with blobs: want tells what the toy must have seen once deliver has brought them.
func checkBlobs(t *testing.T, got []line, uri, name string, tries int) {
	t.Helper()
	var mine []line
	ids := map[string]bool{}
	for _, l := range got {
		if l.Function == "take" && l.Name == name {
			mine, ids[l.ID] = append(mine, l), true
		}
	}
	if len(mine) != tries || len(ids) != tries {
		t.Errorf("blob %s: %d tries with %d ids, want %d", name, len(mine), len(ids), tries)
	}
	for _, l := range mine {
		if l.URI != uri || l.Input != "" {
			t.Errorf("blob %s came as %q, input %q", name, l.URI, l.Input)
		}
	}
}

func TestStandIn(t *testing.T) {
	t.Parallel()
	y := newToy(t, "none")
	log := &archivetest.Lines{}
	h, err := Start(soon(t), Options{App: y.dir, Env: y.env, Log: log, Pause: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	conform(t, h, y)

	const account = "http://127.0.0.1:10000/devstoreaccount1/"
	uri := account + "batches/2026/11/23/r1/00001.ndjson"
	if status, err := h.Deliver(soon(t), uri, Properties{}); status != 200 || err != nil {
		t.Errorf("deliver: %d, %v", status, err)
	}
	checkBlobs(t, y.lines(t), uri, "2026/11/23/r1/00001", 1)

	uri = account + "batches/2026/11/23/fail/00001.ndjson"
	start := time.Now()
	if _, err := h.Deliver(soon(t), uri, Properties{ETag: `"0x1"`}); !errors.Is(err, ErrFailed) {
		t.Errorf("deliver what always fails: %v", err)
	}
	if took := time.Since(start); took < 4*blobPause {
		t.Errorf("five tries took %v", took)
	}
	checkBlobs(t, y.lines(t), uri, "2026/11/23/fail/00001", 5)
	want := Poison{"BlobTrigger", "Host.Functions.take", "BlockBlob", "batches", "2026/11/23/fail/00001.ndjson",
		`"0x1"`}
	if got := h.Poisoned(); len(got) != 1 || got[0] != want {
		t.Errorf("poison queue: %+v", got)
	}

	for _, uri := range []string{account + "media/x.ndjson", account + "batches/x.json", account + "batches/.ndjson",
		"https://a.blob.core.windows.net/", ":"} {
		if _, err := h.Deliver(soon(t), uri, Properties{}); err == nil || errors.Is(err, ErrFailed) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if !strings.Contains(log.String(), `"msg":"at work"`) {
		t.Error("the handler's lines are not in the log")
	}
}

// The triggers that are deployed, in both hosts: each accepts all of them.
func TestDeployedTriggers(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	// The real host takes seconds of a processor to start: it gets the triggers of both apps at once. TestWebRealHost
	// has the portal's.
	all := appbuild.App{Name: "all"}
	for _, app := range appbuild.Apps() {
		all.Functions = append(all.Functions, app.Functions...)
	}
	for _, app := range append(appbuild.Apps(), appbuild.Portal()) {
		stageToy(t, out, app)
		o := Options{App: filepath.Join(out, app.Name),
			Env: []string{"FETCH_SCHEDULE=0 30 5 * * *", "ARCHIVE_STORAGE=none"}}
		h, err := Start(soon(t), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}
	NeedFunc(t)
	stageToy(t, out, all)
	storage, _ := realStorage(t)
	log := &archivetest.Lines{}
	h, err := StartFunc(soon(t), Options{App: filepath.Join(out, all.Name), Log: log, Env: []string{
		"FETCH_SCHEDULE=0 30 5 * * *", "ARCHIVE_STORAGE=" + storage, "AzureWebJobsStorage=" + storage,
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	for ctx := soon(t); !strings.Contains(log.String(), "Job host started") && ctx.Err() == nil; {
		time.Sleep(50 * time.Millisecond)
	}
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
	text := log.String()
	if strings.Contains(text, "is in error") || !strings.Contains(text, "Job host started") {
		t.Errorf("the host does not like it:\n%s", text)
	}
}

// stageToy builds an app with the toy as its handler: its triggers count, not what they start.
func stageToy(t *testing.T, out string, app appbuild.App) {
	t.Helper()
	app.Package = "./local/host/testdata/toy"
	if err := appbuild.Build(soon(t), appbuild.Options{Root: "../..", Out: out, Local: true}, app); err != nil {
		t.Fatal(err)
	}
}

func TestRealHost(t *testing.T) {
	NeedFunc(t)
	t.Parallel()
	storage, put := realStorage(t)
	y := newToy(t, storage)
	log := &archivetest.Lines{}
	h, err := StartFunc(soon(t), Options{App: y.dir, Env: y.env, Log: log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the host's log:\n%s", log)
		}
	})
	defer func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
		if err := h.Stop(); err != nil {
			t.Errorf("a second time: %v", err)
		}
	}()
	conform(t, h, y)

	fine := put("2026/11/23/r1", 1)
	bad := put("2026/11/23/fail", 1)
	// The five tries, and then the queue. New blobs are found within 2 s.
	for ctx := soon(t); !strings.Contains(log.String(), "webjobs-blobtrigger-poison") && ctx.Err() == nil; {
		time.Sleep(100 * time.Millisecond)
	}
	if !strings.Contains(log.String(), "Moving message to queue 'webjobs-blobtrigger-poison'") {
		t.Error("nothing went to the poison queue")
	}
	checkBlobs(t, y.lines(t), fine, "2026/11/23/r1/00001", 1)
	checkBlobs(t, y.lines(t), bad, "2026/11/23/fail/00001", 5)
}
