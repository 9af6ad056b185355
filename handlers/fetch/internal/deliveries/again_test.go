package deliveries

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/arrival"
	"o2archiver/shared/source/delivery/sftpstore"
)

// cut lets a run end after a minute in which the store gave nothing.
func (w *world) cut() {
	w.t.Helper()
	w.shelf.hangs = func(string) bool { return true }
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if _, err := w.try(ctx, w.intake(w.Store)); err == nil {
		w.t.Error("a store that hangs was read")
	}
	w.shelf.hangs = nil
}

// goneZIP is a world whose only ZIP was taken away before it was copied, and reported so.
func goneZIP(t *testing.T) *world {
	w := newWorld(t)
	w.shelf.put(nameOf(1), makeZIP("a", 3), old)
	w.cut()
	delete(w.shelf.files, nameOf(1))
	w.run()
	w.clock.Add(2 * time.Hour)
	w.run()
	if w.outcomes() != Gone {
		t.Fatal(w.outcomes())
	}
	return w
}

// A ZIP that was taken away and comes again unchanged is read; while it can't be, it is planned once, not by each run.
func TestGoneComesAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := goneZIP(t)
		w.shelf.put(nameOf(1), makeZIP("a", 3), old)
		for range 3 {
			w.cut()
		}
		if n := len(w.state().Open); n != 1 {
			t.Errorf("it is open %d times", n)
		}
		if w.run(); w.outcomes() != "gone complete" || len(w.entries()) != 3 {
			t.Errorf("%s, %d entries", w.outcomes(), len(w.entries()))
		}
	})
}

// A file whose place another one has taken before it was copied is read when it comes back.
func TestReplacedComesAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := makeZIP("a", 3), makeZIP("b", 4)
		for _, content := range [][]byte{one, two, one} {
			w.shelf.put(nameOf(1), content, old)
			w.cut()
		}
		if w.run(); w.outcomes() != "replaced replaced complete" || len(w.entries()) != 3 {
			t.Errorf("%s, %d entries", w.outcomes(), len(w.entries()))
		}
	})
}

// A ZIP that was copied to its end is read, although another file has its name before a listing agrees.
func TestCopiedThenReplaced(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 3), old)
		w.shelf.during = func(path string, at int64) {
			w.shelf.during = nil
			defer w.shelf.put(path, makeZIP("b", 4), old.Add(time.Hour))
		}
		for range 2 {
			w.run()
			w.clock.Add(time.Hour)
		}
		if w.outcomes() != "complete complete" || len(w.entries()) != 7 {
			t.Errorf("%s, %d entries", w.outcomes(), len(w.entries()))
		}
	})
}

// On a server that hands each file out once, a ZIP that was copied is read in the same run, and also if the process
// died after the copy and before it was noted.
func TestHandedOutOnce(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 3), old)
		w.shelf.during = func(path string, at int64) { delete(w.shelf.files, path) }
		if res := w.run(); res.Read != 1 || w.outcomes() != Complete {
			t.Errorf("%+v, %s", res, w.outcomes())
		}
		w = newWorld(t)
		data := makeZIP("a", 3)
		w.shelf.put(nameOf(1), data, old)
		w.cut()
		z := w.state().Open[0]
		if _, _, err := w.Store.Deliveries().Put(t.Context(), z.CopyName(), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		delete(w.shelf.files, nameOf(1))
		if res := w.run(); res.Read != 1 || w.outcomes() != Complete || w.events("fetch.deliveryGone") != 0 {
			t.Errorf("after a death: %+v, %s", res, w.outcomes())
		}
	})
}

// What a ZIP states about files that are not read does not keep its messages from being read.
func TestStatedSizeOfAnotherFile(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		film, err := z.CreateRaw(&zip.FileHeader{Name: "film.mp4", Method: zip.Store, UncompressedSize64: 5 << 30,
			CompressedSize64: 4})
		if err == nil {
			_, err = io.WriteString(film, "film")
		}
		for n := range 2 {
			if err == nil {
				var f io.Writer
				if f, err = z.Create(fmt.Sprintf("%d.eml", n)); err == nil {
					_, err = fmt.Fprintf(f, "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFrom: jane@contoso.com\r\n\r\n%d",
						n)
				}
			}
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		w.shelf.put(nameOf(1), out.Bytes(), old)
		w.run()
		all := w.entries()
		for _, e := range all {
			if e.Fault != "" || e.RawBlob == "" {
				t.Errorf("a message was not read: %s", e.Fault)
			}
		}
		if len(all) != 2 {
			t.Errorf("%d entries", len(all))
		}
	})
}

// Files that may not be read do not count as a store that is away: the others are read in the same run.
func TestDeniedFiles(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 2 * maxAway {
			w.shelf.put(nameOf(i+1), makeZIP(fmt.Sprint("m", i), 3), old)
		}
		w.store = denying{w.shelf, func(path string) bool {
			return strings.Contains(path, "_1_") ||
				strings.Contains(path, "_2_") || strings.Contains(path, "_3_")
		}}
		res, err := w.try(t.Context(), w.intake(w.Store))
		if err == nil || res.Read != maxAway || res.Open != maxAway {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// denying is a shelf of which some files cannot be opened.
type denying struct {
	*shelf
	denied func(path string) bool
}

func (d denying) Open(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	if d.denied(path) {
		return nil, sftpstore.ErrDenied
	}
	return d.shelf.Open(ctx, path, offset)
}

// A ZIP during which the process dies again and again is reported, although no failure of it is ever noted.
func TestProcessDiesAgainAndAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 3), old)
		for n := range failuresTold + 1 {
			if got := w.events("fetch.deliveryFailed"); got != 0 {
				t.Errorf("reported after %d deaths", n)
			}
			w.cut() // nothing is noted after the end of the context, as after a death
		}
		if got := w.events("fetch.deliveryFailed"); got != 1 {
			t.Errorf("%d reports", got)
		}
		if w.run(); w.outcomes() != Complete || w.events("fetch.deliveryFailed") != 2 {
			t.Errorf("%s, %d reports", w.outcomes(), w.events("fetch.deliveryFailed"))
		}
	})
}

var _ Store = denying{}

// A file whose number has no end, or whose day was long ago, says nothing about gaps.
func TestNumbersThatSayNothing(t *testing.T) {
	t.Parallel()
	var s State
	file := func(name string) arrival.File { return arrival.File{Path: name, ModTime: old} }
	s.Plan(listing(file("202611270000-TeleMessage_9223372036854775807_x.zip"),
		file("200001010000-TeleMessage_0_x.zip"), file("209911010000-TeleMessage_0_x.zip"),
		file(nameOf(5))), Rules{}, start)
	if s.Lowest != 6 {
		t.Errorf("the lowest number is %d, want 5", s.Lowest-1)
	}
}
