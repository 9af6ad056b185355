package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/client"
)

// hostile returns a Collector with handler in front of the world's site. handler reports whether it has answered.
func (w *world) hostile(handler func(http.ResponseWriter, *http.Request) bool,
	edit ...func(*client.Options)) *Collector {
	w.t.Helper()
	c := *w.collector
	c.site = w.client(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !handler(rw, r) {
			w.site.ServeHTTP(rw, r)
		}
	}), fetchtest.Password, edit...)
	return &c
}

// asksFor reports whether the request is for a page of the window that begins at from.
func asksFor(r *http.Request, from time.Time) bool {
	return strings.HasSuffix(r.URL.Path, "/items") && r.URL.Query().Get("from") == from.UTC().Format(time.RFC3339)
}

// A site that leads in a circle fails the window, soon, and no other; when it is mended everything is there once.
func TestCursorsInACircle(t *testing.T) {
	t.Parallel()
	for name, next := range map[string][]string{
		"at once":       {"a", "a"},
		"two":           {"a", "b", "a"},
		"late":          {"a", "b", "c", "d", "e", "c"},
		"to the start":  {"a", "b", "c", "d", "a"},
		"and new items": {"a", "b", "a", "b", "a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ids := w.daysBack(3)
			first := w.collector.from
			var asked atomic.Int64
			var mended atomic.Bool
			f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
				if !asksFor(r, first) || mended.Load() {
					return false
				}
				n := int(asked.Add(1)) - 1
				fmt.Fprintf(rw, `{"items":[{"messageId":"x%d","messageTime":%q}],"next":%q}`, n,
					first.Format(time.RFC3339), next[n%len(next)])
				return true
			})
			res, err := w.try(f, "")
			if !errors.Is(err, errEndless) || res.Slices != 2 || res.Open != 1 || asked.Load() > int64(len(next)) {
				t.Errorf("%+v, %v after %d requests; want the other two days fetched", res, err, asked.Load())
			}
			if !w.Log.Has(slog.LevelError, "would never end") {
				t.Error("the log does not tell")
			}
			mended.Store(true)
			if res, err := w.try(f, ""); err != nil || res.Slices != 1 || res.Received != 1 {
				t.Errorf("mended: %+v, %v", res, err)
			}
			counts := map[string]int{}
			for _, id := range w.ids() {
				counts[id]++
			}
			for _, id := range ids {
				if counts[id] != 1 {
					t.Errorf("%s is there %d times", id, counts[id])
				}
			}
		})
	}
}

// Fresh cursors for ever: the window has its turn and the others theirs, and what it has had is kept from run to run.
func TestPagesWithoutAnEnd(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.daysBack(3)
		first := w.collector.from
		var pages atomic.Int64
		f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
			if !asksFor(r, first) {
				return false
			}
			pauseAnswer(r, 20*time.Second)
			fmt.Fprintf(rw, `{"items":[],"next":"c%d"}`, pages.Add(1))
			return true
		})
		for run := range 2 {
			res, err := w.try(f, "")
			if !errors.Is(err, funchost.ErrDeadline) || res.Open != 1 || run == 0 && res.Slices != 2 {
				t.Errorf("run %d: %+v, %v; want the other days fetched", run, res, err)
			}
		}
		if p := w.checkpoint().Open[0].Progress; p.Pages < 130 || p.Empty != p.Pages {
			t.Errorf("%d pages, %d empty ones; want those of both runs", p.Pages, p.Empty)
		}
	})
}

// watching returns a Collector whose requests to the storage see is called with first.
func (w *world) watching(c *Collector, see func(*http.Request)) *Collector {
	w.t.Helper()
	other := *c
	other.use(w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
		see(r)
		return archivetest.Pass
	})))
	return &other
}

// A window in which the invocation ends counts as tried, and the next one begins with another.
func TestWindowThatTakesTheWholeInvocation(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		ids := w.daysBack(3)
		first := w.collector.from
		var stop context.CancelCauseFunc
		f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
			if asksFor(r, first) {
				stop(funchost.ErrDeadline)
				<-r.Context().Done()
				return true
			}
			return false
		})
		for run := range 2 {
			ctx, cancel := context.WithCancelCause(t.Context())
			stop = cancel
			res, err := w.invoke(ctx, f, "", "")
			cancel(nil)
			if !errors.Is(err, funchost.ErrDeadline) || res.Slices != 2*run {
				t.Errorf("run %d: %+v, %v", run, res, err)
			}
			if open := w.checkpoint().Open; open[0].Tries != run+1 || open[0].Slow != run+1 {
				t.Errorf("run %d: %d tries, %d slow ones", run, open[0].Tries, open[0].Slow)
			}
		}
		if diff := cmp.Diff(ids[1:], w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
	})
}

// A window in which one run after the other ends says nothing of itself: the run after three of them that brought it no
// further tells.
func TestWindowThatComesNoFurther(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		pages int  // that each run reads before its time is up
		again bool // the cursor has expired in each run, so that it reads the same page
		told  int  // run, from 1; 0: none
	}{
		{"no page", 0, false, 4},
		{"a page a run", 1, false, 0},
		{"the same page in each run", 1, true, 5},
	} {
		t.Run(tt.name, virtually(func(t *testing.T) {
			w := newWorld(t)
			w.collector.from = w.ago(schedule.WindowLength)
			first := w.collector.from
			var stop context.CancelCauseFunc
			var read, next int
			f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
				switch {
				case !asksFor(r, first):
					return false
				case tt.again && read == 0 && r.URL.Query().Get("cursor") != "":
					rw.WriteHeader(http.StatusGone)
				case read == tt.pages:
					stop(funchost.ErrDeadline)
					<-r.Context().Done()
				default:
					read++
					next++
					at := first.Format(time.RFC3339)
					fmt.Fprintf(rw, `{"items":[{"messageId":"x","messageTime":%q}],"next":"c%d"}`, at, next)
				}
				return true
			})
			told := 0
			for run := range 6 {
				ctx, cancel := context.WithCancelCause(t.Context())
				stop, read, w.Log = cancel, 0, &archivetest.Lines{}
				_, err := w.invoke(ctx, f, "", "")
				cancel(nil)
				if !errors.Is(err, funchost.ErrDeadline) {
					t.Fatalf("run %d: %v", run+1, err)
				}
				if told == 0 && w.Log.Has(slog.LevelError, `"event":"fetch.windowStalled"`) {
					told = run + 1
				}
			}
			if told != tt.told {
				t.Errorf("told by run %d, want %d", told, tt.told)
			}
		}))
	}
}

// A page that trickles for ever ends its window's turn, and is asked for with fewer items the next time.
func TestPageThatTrickles(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		ids := w.daysBack(3)
		first := w.collector.from
		f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
			if !asksFor(r, first) || r.URL.Query().Get("limit") != "1000" {
				return false
			}
			_, _ = io.WriteString(rw, `{"items":[{"textContent":"`)
			trickle(rw, r, 8<<10, time.Second)
			return true
		})
		res, err := w.try(f, "")
		if !errors.Is(err, client.ErrTooLong) || res.Slices != 2 || res.Open != 1 {
			t.Errorf("%+v, %v; want the other two days fetched", res, err)
		}
		if res, err := w.try(f, ""); err != nil || res.Slices != 1 {
			t.Errorf("with a smaller page: %+v, %v", res, err)
		}
		if diff := cmp.Diff(ids, w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
	})
}

// turnPages has a window turn n pages, each with the items and the cursor that page returns, and returns at which one
// it fails. A new invocation begins after every so many pages.
func turnPages(n, every int, page func(i int) (items []string, next string)) (failed int, err error) {
	var p schedule.Progress
	w := newCycleDetector(&p)
	for i := range n {
		if i%every == every-1 {
			w = newCycleDetector(&p)
		}
		items, next := page(i)
		w.page = w.page[:0]
		for _, it := range items {
			if it != "" {
				it = hash([]byte(it))
			}
			w.noteItem(it)
		}
		p.Received += len(items)
		if err := w.checkPage(&p, next); err != nil {
			return i, err
		}
		p.Cursor = next
	}
	return -1, nil
}

func TestWatch(t *testing.T) {
	fresh := func(i int) string { return fmt.Sprint("cursor ", i) }
	one := func(i int) []string { return []string{fmt.Sprint("item ", i)} }
	for _, tt := range []struct {
		name   string
		pages  int
		every  int
		page   func(i int) ([]string, string)
		within int // pages; -1: it must not fail
		want   error
	}{
		{"an honest day of single items", 50_000, 10_000, func(i int) ([]string, string) { return one(i), fresh(i) },
			-1, nil},
		{"a quiet day with a page for each minute", 1440, 100, func(i int) ([]string, string) { return nil, fresh(i) },
			-1, nil},
		{"the same item on some pages in a row", 90, 1000,
			func(i int) ([]string, string) { return []string{"a"}, fresh(i) }, -1, nil},
		{"items that are only kept", 5000, 1000, func(i int) ([]string, string) { return []string{""}, fresh(i) }, -1,
			nil},
		{"a circle of 3", 100, 1000, func(i int) ([]string, string) { return one(i), fresh(i % 3) }, 4, errEndless},
		{"a circle of 700, longer than an invocation", 10_000, 300,
			func(i int) ([]string, string) { return one(i), fresh(i % 700) }, 3 * 1024, errEndless},
		{"a circle after a way", 10_000, 300,
			func(i int) ([]string, string) { return one(i), fresh(max(min(i, 500), 500+i%400)) }, 3 * 1024, errEndless},
		{"the same items for ever", 1000, 10_000,
			func(i int) ([]string, string) { return []string{"a", "b"}, fresh(i) }, maxRepeated + 1, errEndless},
		{"the same items in other pages", 2000, 10_000,
			func(i int) ([]string, string) {
				return []string{fmt.Sprint(i % 300), fmt.Sprint(i % 7)}, fresh(i)
			}, 500, errEndless},
		{"empty pages for ever", 10_000, 700, func(i int) ([]string, string) { return nil, fresh(i) }, maxEmpty,
			errEndless},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failed, err := turnPages(tt.pages, tt.every, func(i int) ([]string, string) {
				items, next := tt.page(i)
				return items, next
			})
			if !errors.Is(err, tt.want) || failed > tt.within || failed >= 0 && tt.within < 0 {
				t.Errorf("page %d: %v; want %v within %d pages", failed, err, tt.want, tt.within)
			}
		})
	}
	p := schedule.Progress{Pages: maxPages - 2}
	for i, want := range []error{nil, errTooLarge} {
		if err := newCycleDetector(&p).checkPage(&p, fresh(i)); !errors.Is(err, want) {
			t.Errorf("page %d: %v, want %v", p.Pages, err, want)
		}
	}
}

// Many times what the site itself counts is a window without an end.
func TestMoreThanTheSiteCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many("m", 3)
	win := schedule.NewWindow(schedule.Daily, w.ago(schedule.WindowLength), w.ago(0), w.clock.Now())
	for _, tt := range []struct {
		before, after int
		want          error
	}{
		{0, 99_999, nil}, {99_999, 100_050, errEndless}, {100_050, 200_000, nil}, {900_000, 1_000_000, errEndless}, {0,
			1000, nil},
	} {
		if err := w.collector.checkCount(t.Context(), &win, tt.before, tt.after); !errors.Is(err, tt.want) {
			t.Errorf("%d to %d items: %v, want %v", tt.before, tt.after, err, tt.want)
		}
	}
}
