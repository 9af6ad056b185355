package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// desk is an archive in memory with a Writer, in a bubble of testing/synctest.
type desk struct {
	t      *testing.T
	store  *archive.Store // without faults
	writer *Writer
	reader *Reader
	log    *archivetest.Lines

	mu     sync.Mutex
	away   bool        // the container status does not answer
	writes []time.Time // of the progress
}

func inBubble(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		d := &desk{t: t, log: &archivetest.Lines{}}
		storage := archivetest.ForTest(t, nil)
		d.store = open(t, storage, storage)
		if err := d.store.CreateContainers(t.Context()); err != nil {
			t.Fatal(err)
		}
		way := open(t, storage, storage.Through(d.rule))
		d.writer = NewWriter(Options{Documents: way.Status(), Batches: way.Batches(), Source: "delivery", Now: time.Now,
			Next: func(now time.Time) time.Time { return now.Truncate(time.Hour).Add(time.Hour) }})
		d.reader = NewReader(d.store.Status())
		test(t, d)
	})
}

func open(t *testing.T, storage *archivetest.Storage, way http.RoundTripper) *archive.Store {
	t.Helper()
	store, err := archive.Open(archive.Config{ConnectionString: storage.ConnectionString(),
		HTTP: &http.Client{Transport: way}})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func (d *desk) rule(r *http.Request) archivetest.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !strings.Contains(r.URL.Path, "/status/") {
		return archivetest.Pass
	}
	if strings.HasSuffix(r.URL.Path, "/"+progressName) && archivetest.IsWrite(r) {
		d.writes = append(d.writes, time.Now())
	}
	if d.away {
		return archivetest.Reset
	}
	return archivetest.Pass
}

func (d *desk) setAway(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

// takeWrites returns the times of the writes since the last call, in seconds after since.
func (d *desk) takeWrites(since time.Time) (seconds []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range d.writes {
		seconds = append(seconds, int(at.Sub(since).Seconds()))
	}
	d.writes = nil
	return seconds
}

func (d *desk) reporter() *Reporter {
	return d.writer.Reporter("0b1c", slog.New(slog.NewJSONHandler(d.log, nil)))
}

func (d *desk) progress() Progress {
	d.t.Helper()
	p, err := d.reader.Progress(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// closed writes a batch and the manifest of a run, and returns its folder.
func (d *desk) closed(day, name string, m archive.Manifest) string {
	d.t.Helper()
	folder := day + "/" + name
	_, err := d.store.Batches().Write(d.t.Context(), folder, 1, []byte("{}\n"), 1)
	if err == nil {
		_, _, err = d.store.Batches().WriteManifest(d.t.Context(), folder, m)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return folder
}

func state(received int64) State {
	return State{Windows: []Window{{Run: "2026/11/29/a", Kind: "daily", Received: received}}}
}

func TestProgressIsWrittenEveryTenSecondsAtMost(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		r, began := d.reporter(), time.Now()
		r.Report("", state(0))
		r.End(t.Context(), nil) // without Begin
		if n := d.takeWrites(began); n != nil {
			t.Errorf("written before it began: %v", n)
		}
		r.Begin(t.Context())
		r.Begin(t.Context())
		for n := range 250 { // five in a second
			r.Report("", state(int64(n)))
			time.Sleep(200 * time.Millisecond)
		}
		synctest.Wait()
		if diff := cmp.Diff([]int{0, 10, 20, 30, 40, 50}, d.takeWrites(began)); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		moved := d.progress().Moved
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]int{110, 170, 230}, d.takeWrites(began)); diff != "" {
			t.Errorf("writes while nothing changes (-want +got):\n%s", diff)
		}
		if p := d.progress(); !p.Moved.Equal(moved) || p.IsStale(time.Now()) || !p.IsStale(p.At.Add(4*time.Minute)) ||
			!p.Next.Equal(noon.Add(time.Hour)) {
			t.Errorf("moved %v, before %v: %+v", p.Moved, moved, p)
		}
		r.End(t.Context(), errors.New("the site is\nunavailable"))
		want := Progress{Version: 1, Invocation: "0b1c", Source: "delivery", Began: began, Moved: moved,
			At: time.Now(), Ended: time.Now(), Failed: "the site is unavailable", Next: noon.Add(time.Hour),
			State: state(249)}
		if diff := cmp.Diff(want, d.progress()); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
		if d.progress().IsStale(time.Now().Add(time.Hour)) {
			t.Error("what has ended is not stale")
		}
		if n := d.takeWrites(began); len(n) != 1 {
			t.Errorf("writes at the end: %v", n)
		}
	})
}

func TestWhatItWaitsForUntilItMoves(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		r := d.reporter()
		r.Begin(t.Context())
		defer r.End(t.Context(), nil)
		r.Report("", state(1))
		r.Report("imports", State{Finished: 2, Windows: []Window{{Run: "2026/11/29/b", Kind: "import"}}})
		r.Wait(errors.New("storage is unavailable"))
		time.Sleep(11 * time.Second)
		r.Report("", state(1)) // as before
		synctest.Wait()
		if p := d.progress(); p.Waits != "storage is unavailable" || len(p.Windows) != 2 || p.Finished != 2 {
			t.Errorf("%+v", p)
		}
		r.Report("", state(2))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if p := d.progress(); p.Waits != "" || p.Windows[0].Received != 2 || p.Windows[1].Kind != "import" {
			t.Errorf("%+v", p)
		}
	})
}

// A container that cannot be written is told once, and delays nothing but the end, by one write.
func TestFailuresDelayNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.setAway(true)
		folder := d.closed("2026/11/29", "a", archive.Manifest{Version: 1, Received: 1, Records: 1})
		r, began := d.reporter(), time.Now()
		r.Begin(t.Context())
		for n := range 100 {
			r.Report("", state(int64(n)))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("reports took %v", took)
		}
		time.Sleep(7 * time.Second)
		for range 100 {
			r.CloseRun(t.Context(), folder, Detail{})
		}
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("closing runs took %v", took-7*time.Second)
		}
		time.Sleep(4 * time.Minute)
		began = time.Now()
		r.End(t.Context(), nil)
		if took := time.Since(began); took > 2*writeTime {
			t.Errorf("the end took %v", took)
		}
		if n := strings.Count(d.log.String(), "fetch.statusLate"); n != 1 || strings.Contains(d.log.String(), "ERROR") {
			t.Errorf("told %d times:\n%s", n, d.log)
		}
		d.setAway(false)
		clear(d.writer.repaired)
		next := d.reporter()
		next.Repair(t.Context(), Source{IsOpen: func(string) bool { return false }})
		if _, err := d.reader.Run(t.Context(), folder); err != nil {
			t.Errorf("the next invocation: %v", err)
		}
	})
}

func TestRunIsThatOfItsManifest(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		five := int64(5)
		m := archive.Manifest{Version: 1, Kind: "delivery", From: noon.Add(-24 * time.Hour), To: noon, Started: noon,
			Finished: noon.Add(time.Minute), Received: 3, SourceTotal: &five, Deferred: 1, Records: 2, Derived: 1,
			Incomplete: 4, Restarts: 1}
		folder := d.closed("2026/11/29", "delivery-a", m)
		d.closed("2026/11/29", "delivery-a", archive.Manifest{Version: 1, Received: 99}) // the first one stays
		want := Run{Version: 1, Run: folder, Kind: "delivery", From: m.From, To: m.To, Started: noon,
			Closed: m.Finished, Received: 3, SourceTotal: &five, Deferred: 1, Records: 2, Derived: 1, Incomplete: 4,
			Restarts: 1, Batches: 1, Staged: 1, Outcome: "incomplete",
			Issues: []Issue{{SourceCount, 2}, {Staged, 1}, {Gone, 4}, {Missing, 7}}}
		r := d.reporter()
		for range 2 {
			r.CloseRun(t.Context(), folder, Detail{Outcome: "incomplete", Issues: []Issue{{Missing, 7}, {Empty, 0}}})
			got, err := d.reader.Run(t.Context(), folder)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v, document (-want +got):\n%s", err, diff)
			}
		}
		r.CloseRun(t.Context(), d.closed("2026/11/29", "other", archive.Manifest{Version: 1, Received: 1}), Detail{})
		for limit, want := range map[int]string{9: "incomplete, ; false", 1: "incomplete; true"} {
			runs, more, err := d.reader.Runs(t.Context(), "2026/11", limit)
			var outcomes []string
			for _, run := range runs {
				outcomes = append(outcomes, run.Outcome)
			}
			if got := fmt.Sprintf("%s; %v", strings.Join(outcomes, ", "), more); got != want || err != nil {
				t.Errorf("at most %d runs: %s, %v, want %s", limit, got, err, want)
			}
		}
		if _, err := d.store.Status().Put(t.Context(), nameOf("2026/11/28/damaged"), "x", "*", nil); err != nil {
			t.Fatal(err)
		}
		runs, _, err := d.reader.Runs(t.Context(), "2026/11", 9)
		if err != nil || len(runs) != 3 || runs[0].Run != "2026/11/28/damaged" || runs[0].Version != 0 {
			t.Errorf("with a damaged document: %+v, %v", runs, err)
		}
		if d.log.String() != "" {
			t.Errorf("log:\n%s", d.log)
		}
	})
}

// Repair writes what is missing of the last days, but for what is open or has no manifest, at most fifty at a time.
func TestRepair(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		m := archive.Manifest{Version: 1, Kind: "daily", Received: 1, Records: 1}
		for n := range maxRepaired + 5 {
			d.closed("2026/11/28", fmt.Sprintf("r%03d", n), m)
		}
		old, late := d.closed("2026/11/20", "old", m), d.closed("2026/11/29", "late", m)
		opened := d.closed("2026/11/29", "open", m)
		if _, err := d.store.Batches().Write(t.Context(), "2026/11/29/dead", 1, []byte("{}\n"), 1); err != nil {
			t.Fatal(err)
		}
		s := Source{IsOpen: func(folder string) bool { return folder == opened }}
		for try, want := range []int{maxRepaired - 2 + 1, maxRepaired - 2 + 1, maxRepaired + 6} {
			if try == 2 {
				time.Sleep(repairEvery)
			}
			d.reporter().Repair(t.Context(), s)
			runs, _, err := d.reader.Runs(t.Context(), "", 1000)
			if err != nil || len(runs) != want {
				t.Errorf("after repair %d there are %d documents, want %d (%v)", try, len(runs), want, err)
			}
		}
		for folder, want := range map[string]bool{old: false, opened: false, late: true} {
			if _, err := d.reader.Run(t.Context(), folder); (err == nil) != want {
				t.Errorf("%s: %v", folder, err)
			}
		}
		if d.log.String() != "" {
			t.Errorf("log:\n%s", d.log)
		}
	})
}

// What a source counts is bounded by nothing; the documents are.
func TestHostileCounts(t *testing.T) {
	minus, most := int64(-1), int64(math.MaxInt64)
	long := strings.Repeat("é\xff\n", 10_000)
	p := Progress{Failed: long, Waits: long, Invocation: long,
		State: State{Finished: -1, Waiting: math.MinInt, More: -5}}
	for range 100_000 {
		p.Windows = append(p.Windows, Window{Received: math.MinInt64, Of: &minus, Deferred: -1, Batches: most,
			Tries: -1, Copied: -1, Size: most, Failed: long})
		p.Gaps = append(p.Gaps, Gap{Missing: most})
	}
	p.Windows[0].Of = &most
	got := p.clean()
	raw, err := json.Marshal(got)
	if err != nil || len(raw) > maxSize/2 || bytes.ContainsRune(raw, '\n') {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	if w := got.Windows[0]; got.More != 100_000-maxWindows || w.Received != 0 || *w.Of != most || w.Tries != 0 ||
		got.Windows[1].Of != nil || got.Finished != 0 || len(got.Gaps) != maxGaps || len(w.Failed) > maxText+3 {
		t.Errorf("%+v", w)
	}
	if *p.Windows[1].Of != -1 || p.Windows[0].Received != math.MinInt64 {
		t.Error("the engine's own state was changed")
	}
	for _, total := range []*int64{nil, &minus, &most} {
		r := RunOf("2026/11/29/a", archive.Manifest{Received: math.MaxInt, Staged: math.MaxInt, Deferred: math.MaxInt,
			SourceTotal: total}, math.MaxInt, Detail{Issues: make([]Issue, 1000)})
		facts, err := factsOf(r)
		if err != nil || len(r.Issues) > maxIssues || len(facts) > maxFacts {
			t.Errorf("%d bytes, %v: %+v", len(facts), err, r)
		}
	}
	if _, err := factsOf(Run{Kind: "é"}); !errors.Is(err, errFacts) {
		t.Errorf("facts that are not ASCII: %v", err)
	}
}

func TestReaderOfWhatIsNotThere(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		if _, err := d.reader.Progress(t.Context()); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("no progress: %v", err)
		}
		if _, err := d.reader.Run(t.Context(), "2026/11/29/a"); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("no run: %v", err)
		}
		for _, content := range []any{"x", map[string]any{"began": "yesterday"}} {
			if _, err := d.store.Status().Put(t.Context(), progressName, content, "*", nil); err != nil {
				t.Fatal(err)
			}
			if _, err := d.reader.Progress(t.Context()); !errors.Is(err, archive.ErrContent) {
				t.Errorf("another document: %v", err)
			}
		}
	})
}

func TestNilReporter(t *testing.T) {
	var w *Writer
	r := w.Reporter("x", slog.New(slog.NewJSONHandler(io.Discard, nil)))
	r.Begin(t.Context())
	r.Report("", State{})
	r.Wait(errors.New("x"))
	r.CloseRun(t.Context(), "x", Detail{})
	r.Repair(t.Context(), Source{})
	r.End(t.Context(), nil)
	if ctx := r.Observe(t.Context()); ctx != t.Context() {
		t.Error("another context")
	}
}
