package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
)

// close writes the manifest of a run: no batch will be added.
func (w *world) close(folder string) {
	w.t.Helper()
	if _, _, err := w.store.Batches().WriteManifest(context.Background(), folder,
		archive.Manifest{Version: 1}); err != nil {
		w.t.Fatal(err)
	}
}

// run is the folder of a run that was planned so many days ago.
func runOf(daysAgo int, name string) string {
	return time.Now().UTC().AddDate(0, 0, -daysAgo).Format("2006/01/02/") + name
}

// seen notes which blobs an importer asks for.
type seen struct {
	mu    sync.Mutex
	paths []string
}

func (s *seen) rule(r *http.Request) archivetest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	return archivetest.Pass
}

// count is how many requests had the text; then it begins anew.
func (s *seen) count(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.paths {
		if strings.Contains(p, text) {
			n++
		}
	}
	s.paths = nil
	return n
}

func (w *world) sweeps() (s sweeper.State) {
	w.t.Helper()
	if _, err := w.store.Sweeps().Get(context.Background(), sweeper.StateBlob, &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestSweepFinishesWhatWasLost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var visits seen
		a := w.start(func(s *start) { s.rule = visits.rule })
		var batches, runs []string
		for i, days := range []int{3, 2, 2, 0} {
			runs = append(runs, runOf(days, fmt.Sprintf("run-%d", i)))
			for seq := 1; seq <= 2; seq++ {
				id := fmt.Sprintf("m%d%d", i, seq)
				batches = append(batches, w.putIn(runs[i], seq, w.line(sms(id, "its event was lost", jane, ali))))
			}
		}
		a.deliver(batches[0]) // this one's was not
		for _, run := range runs[:3] {
			w.close(run)
		}
		if res := a.swept(""); res != (sweeper.Result{Batches: 7, Finished: 7}) {
			t.Errorf("sweep %+v", res)
		}
		for _, b := range batches {
			w.became(b, "archived: ali imported, jane imported")
		}
		if diff := cmp.Diff(runs[:3], w.sweeps().Closed); diff != "" {
			t.Errorf("closed runs (-want +got):\n%s", diff)
		}
		// The alert unfinished believes this line even if that of a batch got lost.
		for i, run := range runs {
			want := 1
			if i == 3 { // still open
				want = 0
			}
			if said := w.log.Count(`"event":"import.runFinished"`, `"run":"`+run+`","batches":2`); said != want {
				t.Errorf("%d lines say that run %d is finished, want %d", said, i, want)
			}
		}
		// What is closed is not looked at again; the run that is open is.
		visits.count("")
		if res := a.swept(""); res != (sweeper.Result{}) {
			t.Errorf("the next sweep %+v", res)
		}
		again := slices.Clone(visits.paths)
		for _, run := range runs[:3] {
			if n := visits.count(run); n != 0 {
				t.Errorf("%d requests about a closed run", n)
			}
			visits.paths = again
		}
		if visits.count(runs[3]) == 0 || len(again) > 25 { // five are for its totals
			t.Errorf("%d requests, none about the open run", len(again))
		}
		// Another sweep, of another process, knows it too.
		late := w.putIn(runs[3], 3, w.line(sms("late", "came after the first sweeps", jane, ali)))
		w.close(runs[3])
		if res := w.start().swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("the last sweep %+v", res)
		}
		w.became(late, "archived: ali imported, jane imported")
		if n := len(w.sweeps().Closed); n != 4 {
			t.Errorf("%d runs are closed", n)
		}
	})
}

// fetch names a run after the day on which it was planned; its first batch may come much later.
func TestSweepSeesRunsOfEarlierDays(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		done := runOf(0, "run")
		w.putIn(done, 1, w.texts("m", 1)...)
		w.close(done)
		old := runOf(200, "run")
		w.putIn(old, 1, w.texts("o", 1)...)
		w.close(old)
		a.swept("")
		late := w.putIn(runOf(20, "backfill"), 1, w.texts("n", 1)...)
		time.Sleep(time.Hour) // the next sweep looks at all days
		if res := a.swept(""); res.Finished != 1 {
			t.Errorf("sweep %+v", res)
		}
		w.balanced(late)
		if diff := cmp.Diff([]string{done}, w.sweeps().Closed); diff != "" {
			t.Errorf("closed runs (-want +got):\n%s", diff)
		}
	})
}

func TestSweepLeavesYoungAndHeld(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.put(w.texts("m", 1)...)
		if res := w.start(set("SWEEP_AFTER", "1h")).swept(""); res != (sweeper.Result{Batches: 1, Young: 1}) {
			t.Errorf("a young batch: %+v", res)
		}
		logs := w.store.Logs()
		lease, _, err := logs.Acquire(t.Context(), strings.Replace(w.batches[0], ".ndjson", ".jsonl", 1))
		if err != nil || lease == nil {
			t.Fatal(lease, err)
		}
		defer lease.Release()
		if res := w.start().swept(""); res != (sweeper.Result{Batches: 1, Held: 1}) {
			t.Errorf("a held batch: %+v", res)
		}
		w.close(w.folder)
		if n := len(w.sweeps().Closed); n != 0 {
			t.Errorf("%d runs are closed", n)
		}
	})
}

func TestSweepByHand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(set("SWEEP_AFTER", "1h"))
		batch := w.put(w.texts("m", 1)...)
		for _, input := range []string{`{"after":"soon"}`, `{"after":"-1s"}`, `{"replay":"`, `{"before":"1s"}`, `0s`,
			`{"after":"0s"}{"after":"0s"}`,
			`{"replay":"2026/01/01/none"}`, `{"replay":"` + w.folder +
				`/00009.ndjson"}`, `{"replay":"../media/x"}`, `{"replay":"` + w.folder + `/%2e"}`} {
			if got := a.sweep(input); got.status != http.StatusBadRequest {
				t.Errorf("%s: status %d, %s", input, got.status, got.value)
			}
		}
		if res := a.swept(`{"after":"0s"}`); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("sweep %+v", res)
		}
		w.balanced(batch)
	})
}

func TestOneSweepAtATime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Latency = 200 * time.Millisecond })
		w.put(w.texts("m", 5)...)
		one, two := w.start(), w.start()
		results := make([]sweeper.Result, 2)
		var group sync.WaitGroup
		for i, a := range []*app{one, two} {
			group.Go(func() { results[i] = a.swept("") })
		}
		group.Wait()
		if results[0].Finished+results[1].Finished != 1 || len(w.copies(ali)) != 5 {
			t.Errorf("%+v, %d messages", results, len(w.copies(ali)))
		}
	})
}

func TestFailingRunBlocksNoOther(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.putIn(runOf(2, "run"), 1, w.texts("m", 1)...)
		second := w.putIn(runOf(1, "run"), 1, w.texts("n", 1)...)
		w.close(runOf(2, "run"))
		w.close(runOf(1, "run"))
		a := w.start(denies("/journal/" + strings.TrimSuffix(first, ".ndjson")))
		if got := a.sweep(""); got.status == http.StatusOK || !strings.Contains(got.value, "denied") {
			t.Errorf("status %d: %s", got.status, got.value)
		}
		w.balanced(second)
		if s := w.sweeps(); len(s.Closed) != 1 || s.Day > runOf(2, "") {
			t.Errorf("state %+v", s)
		}
		if res := w.start().swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("the next sweep %+v", res)
		}
		w.balanced(first)
	})
}

// A batch whose bytes are not those that fetch wrote: it is unknown which of its lines are. It stays pending, is
// named, stops no other, and is finished once its earlier version has been restored.
func TestBatchThatWasChanged(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		changed := w.put(w.texts("m", 2)...)
		other := w.put(w.texts("n", 2)...)
		way := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := w.way().RoundTrip(r)
			if err == nil && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/batches/"+changed) {
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					return nil, err
				}
				body = bytes.Replace(body, []byte("Delivered"), []byte("Unhandled"), 1)
				sum := md5.Sum(body) // it was changed where it is stored: its MD5 is that of the changed content
				resp.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
				resp.Body = io.NopCloser(bytes.NewReader(body))
			}
			return resp, err
		})
		a := w.start(through(way))
		if got := a.event(t.Context(), changed); got.status == http.StatusOK ||
			!strings.Contains(got.value, "not as fetch wrote it") {
			t.Errorf("status %d: %s", got.status, got.value)
		}
		if got := a.sweep(""); got.status == http.StatusOK || !strings.Contains(got.value, "not as fetch wrote it") {
			t.Errorf("sweep: status %d: %s", got.status, got.value)
		}
		w.balanced(other)
		w.holds(ali, "n000", "n001")
		if res := w.start().swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("once it is restored: %+v", res)
		}
		w.balanced(changed)
		w.holds(ali, "m000", "m001", "n000", "n001")
	})
}
