package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/local/soak"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/record"
)

// mixed writes a batch with a bit of everything that goes through storage, and says what has to become of it.
func (w *world) mixed() (batch string, check func(t *testing.T)) {
	w.t.Helper()
	picture := noise(1000, 1)
	batch = w.put(
		w.line(sms("m1", "the first of the mixed ones", jane, ali)),
		w.line(w.file(sms("m2", "the second, with a picture", otto, ali), "picture.png", picture)),
		w.line(piece3("p1", 1, "in "), piece3("p2", 2, "three "), piece3("p3", 3, "pieces")),
		w.line(sms("m1", "the first of the mixed ones", jane, ali).with("msisdn", ali.number)),
		w.line(item{"messageId": "hb", "messageType": "SYSTEM"}),
	)
	return batch, func(t *testing.T) {
		w.holds(jane, "m1", "p1")
		w.holds(ali, "m1", "p1", with("m2", picture))
		totals := w.balanced(batch)
		if r, c := totals.Records, totals.Copies; r.Archived != 6 || r.Excluded != 1 || c.Imported != 5 ||
			c.Duplicate != 2 {
			t.Errorf("totals %+v", totals)
		}
		for _, id := range []string{"p2", "p3"} { // so that they are duplicates if they come once more
			row, err := w.ledger.Look(context.Background(), record.Key("", id, ali.id()))
			if err != nil || row == nil || row.State != ledger.Done {
				t.Errorf("the later piece %s is %+v in the ledger, %v", id, row, err)
			}
		}
	}
}

// The answer to any request to the storage is lost, and the storage fails for a while from any request on: in the short
// form from every third one, in which each kind of fault comes twice.
func TestStorageFails(t *testing.T) {
	t.Parallel()
	type storageFault struct {
		fault   archivetest.Fault
		n, many int // which request is the first, and how many in a row
	}
	cases := map[string]storageFault{}
	const calls = 26
	long := soak.ForTest(t).Long
	for n := 1; n <= calls; n++ {
		cases[fmt.Sprintf("answer %d is lost", n)] = storageFault{archivetest.Lose, n, 1}
		if !long && n%3 != 1 {
			continue
		}
		many := []archivetest.Fault{archivetest.Lose, archivetest.Refuse, archivetest.Busy, archivetest.Reset}[n%4]
		cases[fmt.Sprintf("fault %d from %d on", many, n)] = storageFault{many, n, 6} // more than the SDK's own tries
	}
	var least atomic.Int64
	least.Store(1000)
	t.Cleanup(func() {
		if n := least.Load(); n < calls {
			t.Errorf("some of the faults were met by none of %d requests", n)
		}
	})
	together(t, cases, func(t *testing.T, c storageFault) {
		w := newWorld(t)
		batch, check := w.mixed()
		var calls atomic.Int64
		a := w.start(doubt(inDoubtTest), func(s *start) {
			s.rule = func(*http.Request) archivetest.Fault {
				if n := int(calls.Add(1)); n >= c.n && n < c.n+c.many {
					return c.fault
				}
				return archivetest.Pass
			}
		})
		a.deliver(batch)
		check(t)
		if c.many == 1 {
			for n, seen := least.Load(), calls.Load(); n > seen && !least.CompareAndSwap(n, seen); n = least.Load() {
			}
		}
	})
}

func TestStorageIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	type away struct {
		path  string // of what is away
		fault archivetest.Fault
	}
	together(t, map[string]away{
		"all of it": {"", archivetest.Busy}, "connections": {"", archivetest.Reset},
		"the ledger": {"ledger", archivetest.Refuse}, "media": {"/media/", archivetest.Cut},
	}, func(t *testing.T, c away) {
		w := newWorld(t)
		batch, check := w.mixed()
		began := time.Now()
		a := w.start(doubt(inDoubtTest), func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				if time.Since(began) < 5*time.Second && strings.Contains(r.URL.Path, c.path) {
					return c.fault
				}
				return archivetest.Pass
			}
		})
		a.deliver(batch)
		check(t)
	})
}

// The storage is away for so long that the lease of the journal ends: another delivery may have taken it.
func TestLeaseIsLost(t *testing.T) {
	t.Parallel()
	type away struct {
		fault archivetest.Fault
		span  time.Duration
	}
	together(t, map[string]away{
		"refused": {archivetest.Busy, 14 * time.Second}, "no answer": {archivetest.Stall, 11 * time.Second},
	}, func(t *testing.T, c away) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Latency = 250 * time.Millisecond })
		batch := w.put(w.texts("m", 30)...)
		var mu sync.Mutex
		var began time.Time // when the journal goes away: once copies are under way
		a := w.start(doubt(2*time.Second), set("IMPORT_CONCURRENCY", "1"), func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if began.IsZero() && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "ledger") {
					began = time.Now()
				}
				if !began.IsZero() && time.Since(began) < c.span && strings.Contains(r.URL.Path, "/journal/") {
					return c.fault
				}
				return archivetest.Pass
			}
		})
		b := w.start(doubt(2 * time.Second)) // with a way of its own, that is well
		var group sync.WaitGroup
		group.Go(func() { a.deliver(batch) })
		group.Go(func() {
			within(t, "copies are under way", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return !began.IsZero()
			})
			b.deliver(batch)
		})
		group.Wait()
		if said := strings.Join(w.logged("WARN"), "\n"); !strings.Contains(said, journal.ErrLost.Error()) {
			t.Errorf("nobody lost the lease; warnings:\n%s", said)
		}
		if n := len(w.copies(ali)); n != 30 || len(w.copies(jane)) != 30 {
			t.Errorf("%d and %d messages, want 30 each", n, len(w.copies(jane)))
		}
		if totals := w.balanced(batch); totals.Copies.Imported != 60 || totals.Records.Archived != 30 {
			t.Errorf("totals %+v", totals)
		}
	})
}

// While one importer waits for the file, the claim gets old, and another takes the copy over. The first must find that
// out before it writes.
func TestClaimThatGotOldIsNotWrittenWith(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		picture := noise(1000, 1)
		it := func() raw {
			return w.line(w.file(sms("m1", "the same in two batches", otto, ali), "picture.png", picture))
		}
		one, two := w.put(it()), w.put(it())
		var ended, asked atomic.Bool
		slow := w.start(doubt(time.Second), func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				if strings.Contains(r.URL.Path, "/media/") {
					asked.Store(true)
					within(t, "the other one ends", ended.Load)
				}
				return archivetest.Pass
			}
		})
		var group sync.WaitGroup
		group.Go(func() { slow.deliver(one) })
		within(t, "the file is asked for", asked.Load)
		w.start(doubt(time.Second)).deliver(two)
		ended.Store(true)
		group.Wait()
		w.became(two, "archived: ali imported")
		w.became(one, "archived: ali duplicate")
		w.holds(ali, with("m1", picture))
	})
}

func TestDeniedStorageIsNoFaultOfARecord(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch, check := w.mixed()
		a := w.start(denies("/media/"))
		got := a.event(t.Context(), batch)
		if got.status != http.StatusInternalServerError || w.state(batch).Done {
			t.Errorf("status %d, done %v", got.status, w.state(batch).Done)
		}
		for _, n := range w.state(batch).Lines() {
			for _, c := range w.state(batch).Copies(n) {
				if c.Outcome == "failed" {
					t.Errorf("line %d has a copy that failed: %s", n, c.Reason)
				}
			}
		}
		w.start(doubt(time.Second)).deliver(batch)
		check(t)
	})
}
