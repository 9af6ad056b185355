package deliveries

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source"
)

var old = start.Add(-time.Hour) // time of a file whose upload has ended

const sampleDay = "202611280000-TeleMessage_1_20261128050012"

func TestSampleDay(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(sampleDay+".zip", sample(t, sampleDay), old)
		w.shelf.put("notes.txt", []byte("x"), old)
		res := w.run()
		if res.Read != 1 || res.Received != 7 || res.Records != 7 || res.Open != 0 || res.Listed.Others != 1 {
			t.Errorf("%+v", res)
		}
		ids := map[string]bool{}
		for _, e := range w.entries() {
			r, err := source.Parse(e)
			if err != nil {
				t.Fatal(err)
			}
			ids[r.ID] = true
			if e.Source != "" || !e.Until.Equal(start) || !strings.HasPrefix(e.RawBlob, "2026/11/28/") {
				t.Errorf("source %q, until %v, message in %s", e.Source, e.Until, e.RawBlob)
			}
		}
		if len(ids) != 7 {
			t.Errorf("%d identities, want 7", len(ids))
		}
		for name := range w.batches() {
			folder := archive.RunOf(name)
			m, err := w.Store.Batches().ReadManifest(t.Context(), folder, nil)
			if err != nil || m.Kind != "delivery" || m.Received != 7 || m.Staged != 7 || m.SourceTotal == nil ||
				*m.SourceTotal != 7 {
				t.Errorf("manifest %+v, %v", m, err)
			}
			if r := w.report(folder); r.Outcome != Complete || r.Messages != 7 || r.Listed != 7 {
				t.Errorf("report %+v", r)
			}
		}
		if res := w.run(); res.Read+res.Listed.Planned != 0 || len(w.shelf.opens) != 1 {
			t.Errorf("read again: %+v, opened %d times", res, len(w.shelf.opens))
		}
	})
}

// Of each sample, whatever is wrong with it, the messages that are there are in batches.
func TestBrokenSamples(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		received, quarantined int
		counted               int64  // by the manifest; -1: not
		reason                string // of an incomplete ZIP
	}{
		"case-differs":         {7, 0, 7, "1 message is listed and not there"},
		"count-too-high":       {7, 0, 8, "the manifest counts"},
		"empty-file":           {7, 1, 7, "1 file is listed and empty"},
		"listed-but-missing":   {6, 0, 7, "1 message is listed and not there"},
		"no-manifest":          {7, 0, -1, "there is no manifest"},
		"password":             {2, 2, -1, "it is protected with a password"},
		"same-name-twice":      {8, 0, 7, "the name of an earlier one"},
		"there-but-not-listed": {8, 0, 7, "1 message is there and not listed"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), sample(t, name), old)
				w.run()
				faults := 0
				for _, e := range w.entries() {
					if e.Fault != "" {
						faults++
					}
				}
				var report Report
				for name := range w.batches() {
					report = w.report(archive.RunOf(name))
				}
				reasons, counted := strings.Join(report.Reasons, "; "), int64(-1)
				if report.Counted != nil {
					counted = *report.Counted
				}
				if report.Messages != want.received || faults != want.quarantined || counted != want.counted ||
					w.outcomes() != Incomplete || report.Outcome != Incomplete ||
					!strings.Contains(reasons, want.reason) || w.events("fetch.deliveryIncomplete") != 1 {
					t.Errorf("%s with %d faults, counted %d: %+v", w.outcomes(), faults, counted, report)
				}
			})
		})
	}
}

// An upload that was cut short does not open. It is left for an hour, and then kept and reported.
func TestCutShort(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), sample(t, "cut-short"), old)
		w.shelf.put(nameOf(2), sample(t, sampleDay), old)
		if res := w.run(); res.Read != 1 || res.Open != 1 || w.events("fetch.deliveryBroken") != 0 {
			t.Errorf("%+v", res)
		}
		w.clock.Add(30 * time.Minute)
		w.run()
		w.clock.Add(31 * time.Minute)
		if res := w.run(); res.Open != 0 || w.outcomes() != "complete broken" || w.events("fetch.deliveryBroken") != 1 {
			t.Errorf("%+v, %s", res, w.outcomes())
		}
	})
}

// A file that does not open is replaced by the whole one.
func TestCutShortThenWhole(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), sample(t, "cut-short"), old)
		w.run()
		w.shelf.put(nameOf(1), sample(t, sampleDay), old.Add(time.Minute))
		if res := w.run(); res.Read != 1 || res.Open != 0 || w.outcomes() != "replaced complete" ||
			w.events("fetch.deliveryBroken") != 0 {
			t.Errorf("%+v, %s", res, w.outcomes())
		}
	})
}

func TestSameBytesAndOtherBytes(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 3), old)
		w.shelf.put(nameOf(2), makeZIP("a", 3), old)
		if res := w.run(); res.Read != 1 || res.Same != 1 {
			t.Errorf("twice: %+v", res)
		}
		w.shelf.put(nameOf(3), makeZIP("a", 3), old)
		if res := w.run(); res.Read != 0 || res.Same != 1 {
			t.Errorf("renamed: %+v", res)
		}
		w.shelf.put(nameOf(1), makeZIP("b", 4), old)
		if res := w.run(); res.Read != 1 || res.Received != 4 {
			t.Errorf("other bytes under the same name: %+v", res)
		}
	})
}

// A file that is written while it is listed and read is not taken for whole.
func TestGrowingFile(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		whole := makeZIP("a", 50)
		w.shelf.put(nameOf(1), whole[:len(whole)/2], start)
		if res := w.run(); res.Listed.Waiting != 1 || len(w.shelf.opens) != 0 {
			t.Errorf("at its first listing: %+v", res)
		}
		w.clock.Add(2 * time.Minute)
		w.shelf.during = func(path string, at int64) {
			if at > 0 {
				w.shelf.during = nil
				w.shelf.put(path, whole, start.Add(2*time.Minute)) // the upload goes on
			}
		}
		if res := w.run(); res.Read != 0 || res.Open != 1 || w.shelf.during != nil {
			t.Errorf("while it grows: %+v", res)
		}
		w.clock.Add(2 * time.Minute)
		w.run()
		w.clock.Add(2 * time.Minute)
		w.run()
		if w.outcomes() != "replaced complete" || len(w.entries()) != 50 {
			t.Errorf("%s, %d entries", w.outcomes(), len(w.entries()))
		}
	})
}

// A server whose listing states another size than the file has is tried in each run, and reported.
func TestListedSizeIsALie(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 5), old)
		w.shelf.files[nameOf(1)] = shelved{data: w.shelf.files[nameOf(1)].data, size: 100, at: old}
		w.shelf.put(nameOf(2), makeZIP("b", 5), old)
		for n := range failuresTold {
			if res, err := w.try(t.Context(), w.intake(w.Store)); err == nil || res.Open != 1 {
				t.Errorf("run %d: %+v, %v", n, res, err)
			}
			w.clock.Add(time.Hour)
		}
		if w.outcomes() != Complete || w.events("fetch.deliveryFailed") != 1 {
			t.Errorf("%s, %d reports", w.outcomes(), w.events("fetch.deliveryFailed"))
		}
	})
}

// After a listing that failed half way nothing is planned or called missing, and what was copied is read.
func TestListingFails(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 3), old)
		w.shelf.put(nameOf(2), makeZIP("b", 3), old)
		w.shelf.listed = errors.New("the connection was lost")
		for range 2 {
			res, err := w.try(t.Context(), w.intake(w.Store))
			if err == nil || res.Listed.Planned != 0 || len(w.state().Open) != 0 {
				t.Errorf("%+v, %v", res, err)
			}
			w.clock.Add(2 * time.Hour)
		}
		if n := w.events("fetch.deliveryGap") + w.events("fetch.deliveryGone"); n != 0 {
			t.Errorf("%d reports that something is missing", n)
		}
		w.shelf.listed = nil
		if res := w.run(); res.Read != 2 {
			t.Errorf("%+v", res)
		}
	})
}

// A ZIP that hangs does not keep the others, and comes after those that were tried less often.
func TestHangingStore(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 4 {
			w.shelf.put(nameOf(i+1), makeZIP(fmt.Sprint("m", i), 3), old)
		}
		w.shelf.hangs = func(path string) bool { return path == nameOf(1) }
		began := time.Now()
		res, err := w.try(t.Context(), w.intake(w.Store))
		if res.Read != 3 || res.Open != 1 || !errors.Is(err, funchost.ErrUnavailable) {
			t.Errorf("%+v, %v", res, err)
		}
		if took := time.Since(began); took > 6*time.Minute {
			t.Errorf("it took %v", took)
		}
		w.shelf.put(nameOf(5), makeZIP("later", 3), old)
		w.shelf.opens = nil
		if res, _ := w.try(t.Context(), w.intake(w.Store)); res.Read != 1 || w.shelf.opens[0] != nameOf(5) {
			t.Errorf("%+v, order %v", res, w.shelf.opens)
		}
		w.shelf.hangs = func(string) bool { return true }
		w.clock.Add(time.Hour)
		for i := range 9 {
			w.shelf.put(nameOf(i+10), makeZIP(fmt.Sprint("n", i), 3), old)
		}
		w.shelf.opens = nil
		if _, err := w.try(t.Context(), w.intake(w.Store)); err == nil || len(w.shelf.opens) != maxAway {
			t.Errorf("all of it hangs: %d ZIPs tried, %v", len(w.shelf.opens), err)
		}
	})
}

func TestPause(t *testing.T) {
	virtual(t, func(t *testing.T) {
		want := newWorld(t)
		want.shelf.put(nameOf(1), makeZIP("a", 350), old)
		want.run()
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 350), old)
		asked := 0
		w.paused = func() bool { asked++; return asked == 3 } // after the second batch
		if res := w.run(); !res.Paused || len(w.batches()) != 2 {
			t.Errorf("%+v, %d batches", res, len(w.batches()))
		}
		if res := w.run(); res.Read != 1 || res.Received != 350 {
			t.Errorf("%+v", res)
		}
		if diff := cmp.Diff(want.batches(), w.batches()); diff != "" {
			t.Error("the batches differ from those of one run")
		}
	})
}

// The turn of a large ZIP ends while others wait, and its batches are those of one turn.
func TestTurnsOfALargeZIP(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 350), old)
		w.shelf.put(nameOf(2), makeZIP("b", 3), old)
		asked := 0
		w.paused = func() bool { // the first batch takes long
			if asked++; asked < 3 {
				time.Sleep(5 * time.Minute)
			}
			return false
		}
		if res := w.run(); res.Read != 2 || w.outcomes() != "complete complete" || w.state().Done[0].Number != 2 {
			t.Errorf("%+v, %s", res, w.outcomes())
		}
		if n := len(w.entries()); n != 353 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestOneAtATime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		lease, err := w.Store.Checkpoints().Lease(t.Context(), StateName)
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		if _, err := w.try(t.Context(), w.intake(w.Store)); !errors.Is(err, funchost.ErrBusy) {
			t.Errorf("%v", err)
		}
	})
}

// What is reported when nothing comes, or when something is taken away.
func TestQuietAndGone(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		w.clock.Add(25 * time.Hour)
		w.run()
		if n := w.events("fetch.noDelivery"); n != 0 {
			t.Errorf("%d reports after 25 hours", n)
		}
		w.clock.Add(2 * time.Hour)
		w.run()
		w.run()
		if n := w.events("fetch.noDelivery"); n != 1 {
			t.Errorf("%d reports after 27 hours", n)
		}
		w.shelf.put(nameOf(1), makeZIP("a", 1), old)
		w.shelf.hangs = func(string) bool { return true }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := w.try(ctx, w.intake(w.Store)); err == nil {
			t.Error("a store that hangs was read")
		}
		delete(w.shelf.files, nameOf(1))
		w.run()
		w.clock.Add(2 * time.Hour)
		w.run()
		if w.outcomes() != Gone || w.events("fetch.deliveryGone") != 1 {
			t.Errorf("%s, %d reports", w.outcomes(), w.events("fetch.deliveryGone"))
		}
	})
}

// A file that has more than was listed when it is read is left to the next run, and nothing of it is stored.
func TestFileGrowsWhileItIsRead(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		whole := makeZIP("a", 50)
		w.shelf.files[nameOf(1)] = shelved{data: whole, size: 1000, at: old}
		w.shelf.during = func(path string, _ int64) {
			w.shelf.during = nil
			w.shelf.put(path, whole, old.Add(time.Minute))
		}
		if res := w.run(); res.Read != 0 || res.Open != 1 || w.state().Open[0].SHA256 != "" {
			t.Errorf("while it grows: %+v", res)
		}
		if res := w.run(); res.Read != 1 || w.outcomes() != "replaced complete" || len(w.entries()) != 50 {
			t.Errorf("%+v, %s", res, w.outcomes())
		}
	})
}

// A ZIP that trickles is given up in this run, and the others are read.
func TestTricklingFile(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 350), old)
		w.shelf.put(nameOf(2), makeZIP("b", 3), old)
		w.shelf.during = func(path string, _ int64) {
			if path == nameOf(1) {
				time.Sleep(50 * time.Second)
			}
		}
		began := time.Now()
		res, err := w.try(t.Context(), w.intake(w.Store))
		if took := time.Since(began); res.Read != 1 || res.Open != 1 || err == nil || took > 4*time.Minute {
			t.Errorf("after %v: %+v, %v", took, res, err)
		}
		w.shelf.during = nil
		if res := w.run(); res.Read != 1 || res.Received != 350 {
			t.Errorf("%+v", res)
		}
	})
}
