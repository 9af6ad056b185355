package collector

import (
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archivetest"
)

// storageCalls counts a run's requests to the storage, by what they are for.
type storageCalls struct {
	mu sync.Mutex
	n  map[string]int
}

func (s *storageCalls) rule(r *http.Request) archivetest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "other"
	if prefix := r.URL.Query().Get("prefix"); strings.HasPrefix(prefix, "waiting/") {
		kind = "list"
	} else if strings.Contains(r.URL.Path, "/waiting/") {
		kind = r.Method
	}
	s.n[kind]++
	return archivetest.Pass
}

// take returns the counts, and begins anew.
func (s *storageCalls) take() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := maps.Clone(s.n)
	clear(s.n)
	return n
}

// deferCopies stores n copies of each deferred item, each as that of another message.
func (w *world) deferCopies(n int) {
	w.t.Helper()
	for _, key := range w.waiting() {
		var item deferred
		if err := w.Store.Deferred().Get(w.t.Context(), key, &item); err != nil {
			w.t.Fatal(err)
		}
		for i := range n {
			if item.Part != nil {
				item.Part.Group, item.Part.ID = fmt.Sprintf("group-%d", i), fmt.Sprintf("id-%d", i)
			}
			another := fmt.Sprintf("%s-%07d", key, i)
			if err := w.Store.Deferred().Put(w.t.Context(), another, item, factsOf(&item).encodeFacts()); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// However many items are deferred, a run lists them once for all its windows, reads those few whose attachments it
// requests, and holds no more of the others than their facts.
func TestManyDeferredItems(t *testing.T) {
	const n = 600 // of each reason: a listing has 1,000 items in an answer
	w := newWorld(t)
	text := strings.Repeat("a long text ", 1000)
	w.add(w.long("p", "segment-of-two", "alpha-text beta-text", time.Hour)[0].with("textContent", text),
		w.mms("m", time.Hour, item{"contentUrl": "/later"}).with("textContent", text))
	w.unreachable()
	w.run()
	w.deferCopies(n)
	calls := &storageCalls{n: map[string]int{}}
	w.collector = w.faulty(calls.rule)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var during uint64
	f := w.hostile(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/count") { // a window's last request
			during = max(during, heap())
		}
		return false
	})
	w.nextDay()
	w.nextDay()
	before := heap()
	if res, err := w.try(f, ""); err != nil || res.Slices != 2 || res.Records != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	// Each window looks for what an earlier attempt at it has deferred.
	if got := calls.take(); got["list"] > 2*n/1000+1+2*2 || got[http.MethodGet] > 2*contentTries ||
		got["other"] > 50 {
		t.Errorf("requests to the storage: %v", got)
	}
	if during == 0 || during > before+uint64(n*len(text)) { // half of the items
		t.Errorf("the heap grew from %d to %d bytes with %d deferred items", before, during, 2*n)
	}
}

// However many deferred items could be taken, a run selects a bounded number of them, and reads none for it.
func TestSelectionIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.clock.Now()
	long := now.Add(-2 * deferralTime)
	facts := map[string]deferredFacts{
		waitsForMedia: {Ready: true}, waitsForParts: {Number: 1, Total: 2, Sent: long.UnixNano()},
	}
	for _, tt := range []struct {
		name    string
		reasons []string
		n       int // deferred items of each reason
		others  int // keys that another window has selected
		want    int
	}{
		{"attachments that have arrived", []string{waitsForMedia}, 6000, 0, maxSelected},
		{"overdue parts", []string{waitsForParts}, 6000, 0, maxSelected},
		{"both", []string{waitsForMedia, waitsForParts}, 15_000, 0, maxSelected},
		{"another window has selected some", []string{waitsForMedia, waitsForParts}, 1000, maxReserved - 100, 100},
	} {
		calls := &storageCalls{n: map[string]int{}}
		f := w.faulty(calls.rule)
		r := &deferredItems{items: map[string]deferredFacts{}}
		for _, reason := range tt.reasons {
			x := facts[reason]
			x.Run, x.Since, x.DeferredAt = "2001/02/01/run", long.Unix(), now.Unix()
			for i := range tt.n {
				if reason == waitsForParts {
					x.Group, x.ID = fmt.Sprintf("group-%d", i), fmt.Sprintf("id-%d", i)
				}
				r.items[fmt.Sprintf("%s-20010201T053000Z-%08d-0", reason, i)] = x
			}
		}
		state := &savedState{Checkpoint: schedule.Checkpoint{Open: []schedule.Window{
			{Folder: "2001/03/01/one", From: now.Add(-schedule.WindowLength), To: now},
			{Folder: "2001/03/01/other", From: now.Add(-schedule.WindowLength), To: now},
		}}}
		for i := range tt.others {
			key := fmt.Sprintf("media-20010131T053000Z-%08d-0", i)
			state.Open[1].Progress.Selected = append(state.Open[1].Progress.Selected, []string{key})
		}
		win := &activeWindow{Window: &state.Open[0], inv: newInvocation(workLimits{})}
		chosen, err := f.selectDeferred(t.Context(), state, win, r)
		if got := len(slices.Concat(chosen...)); err != nil || got != tt.want {
			t.Errorf("%s: %d of %d selected, want %d; %v", tt.name, got, tt.n*len(tt.reasons), tt.want, err)
		}
		if got := calls.take(); len(got) > 0 {
			t.Errorf("%s: requests to the storage: %v", tt.name, got)
		}
	}
}
