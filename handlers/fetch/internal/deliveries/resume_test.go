package deliveries

import (
	"archive/zip"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/arrival"
	"o2archiver/shared/source/delivery/deliverytest"
)

const mebibyte = 1 << 20

// storedZIP returns a ZIP with a message, and a file of size bytes that is not compressed.
func storedZIP(size int) []byte {
	return deliverytest.ZIP(zip.Store, [2]string{"a.eml", emlHead + "\r\nconfidential text"},
		[2]string{"a.bin", strings.Repeat("x", size)}, [2]string{"list.mf", "Count: 1\r\na.eml\r\na.bin\r\n"})
}

// slowly lets the store send 64 KiB in each pause.
func (s *shelf) slowly(pause time.Duration) {
	s.during = func(string, int64) { time.Sleep(pause) }
}

// A ZIP that is too large for one run is copied over several, each of which continues where the last one ended.
func TestCopyOverSeveralRuns(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), storedZIP(40*mebibyte), old)
		w.shelf.slowly(4 * time.Second) // 16 KiB a second: 16 MiB of whole blocks in the 24 minutes of a run
		runs := 0
		for ; (runs == 0 || w.outcomes() == "") && runs < 5; runs++ {
			if _, err := w.try(t.Context(), w.intake(w.Store)); err != nil && runs > 1 {
				t.Errorf("run %d: %v", runs, err)
			}
			w.clock.Add(time.Hour)
		}
		if runs != 3 || w.outcomes() != Complete || w.events("fetch.deliveryFailed") != 0 {
			t.Errorf("%d runs: %s", runs, w.outcomes())
		}
		if w.shelf.sent > 55*mebibyte { // each turn may repeat a part of a block, and 30 seconds
			t.Errorf("%d MiB were read of a ZIP of 40", w.shelf.sent/mebibyte)
		}
		if len(w.entries()) != 1 {
			t.Errorf("%d entries", len(w.entries()))
		}
	})
}

// While others wait, the copy of a large ZIP continues in its second turn.
func TestCopyInTurns(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), storedZIP(9*mebibyte), old)
		w.shelf.put(nameOf(2), makeZIP("b", 3), old)
		w.shelf.slowly(7 * time.Second / 4)
		if res := w.run(); res.Read != 2 || w.state().Done[0].Number != 2 {
			t.Errorf("%+v", res)
		}
		if w.shelf.sent > 12*mebibyte {
			t.Errorf("%d MiB were read", w.shelf.sent/mebibyte)
		}
	})
}

// A source that is too slow for a block of 4 MiB in the time of a small ZIP is read in smaller blocks, until they are
// small enough for it.
func TestCopyFromASlowSource(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{4 * time.Second, 10 * time.Second} { // 16 and 6 KiB a second
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.shelf.put(nameOf(1), storedZIP(5*mebibyte), old)
			w.shelf.slowly(pause)
			runs := 0
			for ; (runs == 0 || w.outcomes() == "") && runs < 8; runs++ {
				_, _ = w.try(t.Context(), w.intake(w.Store))
				w.clock.Add(time.Hour)
			}
			if w.outcomes() != Complete || len(w.entries()) != 1 {
				t.Errorf("%s after %d runs: %s, %+v", pause, runs, w.outcomes(), w.state().Open)
			}
			if w.shelf.sent > 12*mebibyte { // each turn repeats a part of a block
				t.Errorf("%s: %d MiB were read of a ZIP of 5", pause, w.shelf.sent/mebibyte)
			}
		})
	}
}

// A connection that breaks off costs the part of a block.
func TestCopyBreaksOff(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), storedZIP(11*mebibyte), old)
		for _, end := range []int64{3, 7, 10} {
			w.shelf.broken = func(at int64) error {
				if at >= end*mebibyte {
					return errors.New("the connection broke off")
				}
				return nil
			}
			if _, err := w.try(t.Context(), w.intake(w.Store)); err == nil {
				t.Errorf("cut off after %d MiB: no error", end)
			}
			if z := w.state().Open[0]; z.partSize() != end/4*4*mebibyte {
				t.Errorf("cut off after %d MiB: %d bytes are kept", end, z.partSize())
			}
		}
		w.shelf.broken = nil
		if res := w.run(); res.Read != 1 || w.shelf.sent > 20*mebibyte {
			t.Errorf("%+v, %d MiB were read", res, w.shelf.sent/mebibyte)
		}
	})
}

// A process that dies loses 30 seconds of a copy and a part of a block.
func TestCopyIsKilled(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), storedZIP(14*mebibyte), old)
		w.shelf.slowly(2 * time.Second)
		for range 3 {
			ctx, kill := context.WithTimeout(t.Context(), 150*time.Second) // 4.7 MiB
			if _, err := w.try(ctx, w.intake(w.Store)); err == nil {
				t.Error("killed: no error")
			}
			kill()
		}
		before := w.shelf.sent
		if res := w.run(); res.Read != 1 || w.shelf.sent-before > 7*mebibyte {
			t.Errorf("%+v, %d MiB were left", res, (w.shelf.sent-before)/mebibyte)
		}
	})
}

// What was copied of a file that changes afterwards is discarded, and so is what storage does not keep.
func TestPartIsDiscarded(t *testing.T) {
	virtual(t, func(t *testing.T) {
		breakAt := func(w *world, end int64) {
			w.shelf.broken = func(at int64) error {
				if at >= end {
					return errors.New("the connection broke off")
				}
				return nil
			}
			if _, err := w.try(t.Context(), w.intake(w.Store)); err == nil || w.state().Open[0].partSize() == 0 {
				t.Errorf("%v, %d bytes are kept", err, w.state().Open[0].partSize())
			}
			w.shelf.broken = nil
		}
		first, second := storedZIP(6*mebibyte), storedZIP(7*mebibyte)
		want := newWorld(t)
		want.shelf.put(nameOf(1), second, old.Add(time.Minute))
		want.run()

		w := newWorld(t)
		w.shelf.put(nameOf(1), first, old)
		breakAt(w, 5*mebibyte)
		w.shelf.put(nameOf(1), second, old.Add(time.Minute))
		if res := w.run(); res.Read != 1 || w.outcomes() != "replaced complete" {
			t.Errorf("%+v, %s", res, w.outcomes())
		}
		if diff := cmp.Diff(want.batches(), w.batches()); diff != "" {
			t.Error("the batches differ from those of the second file")
		}

		for _, pause := range []time.Duration{5, 8} {
			w = newWorld(t)
			w.shelf.put(nameOf(1), second, old.Add(time.Minute))
			breakAt(w, 5*mebibyte)
			time.Sleep(pause * 24 * time.Hour) // of the storage
			w.clock.Add(pause * 24 * time.Hour)
			w.shelf.sent = 0
			w.run()
			if anew := w.shelf.sent > 5*mebibyte; anew != (pause == 8) || w.outcomes() != Complete {
				t.Errorf("after %d days: %s, %d bytes were read", pause, w.outcomes(), w.shelf.sent)
			}
		}

		w = newWorld(t) // a clock that stands still does not see the week pass
		w.shelf.put(nameOf(1), second, old.Add(time.Minute))
		breakAt(w, 5*mebibyte)
		time.Sleep(8 * 24 * time.Hour)
		if _, err := w.try(t.Context(), w.intake(w.Store)); !errors.Is(err, errPartLost) {
			t.Errorf("%v", err)
		}
		w.run()
		if w.outcomes() != Complete {
			t.Errorf("%s", w.outcomes())
		}
	})
}

// A file that has other bytes than were listed is copied anew, also if a part of it is there.
func TestPartOfAFileThatIsNoneIsDiscarded(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		whole := storedZIP(6 * mebibyte)
		w.shelf.files[nameOf(1)] = shelved{data: whole[:5*mebibyte], size: int64(len(whole)), at: old}
		if _, err := w.try(t.Context(), w.intake(w.Store)); !errors.Is(err, arrival.ErrChanged) {
			t.Errorf("%v", err)
		}
		if z := w.state().Open[0]; z.Part != nil {
			t.Errorf("%d bytes are kept", z.partSize())
		}
		w.shelf.files[nameOf(1)] = shelved{data: whole, size: int64(len(whole)), at: old}
		if res := w.run(); res.Read != 1 {
			t.Errorf("%+v", res)
		}
	})
}
