package collector

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archivetest"
)

// failDays lets fetch run for two days with a wrong password; the first run begins at from. The site has a message of
// each of the ten days before.
func (w *world) failDays(from time.Time) {
	w.t.Helper()
	w.daysBack(10)
	c := w.newCollector(w.Store, "wrong-password")
	c.from = from
	for range 2 {
		if res, err := w.try(c, ""); err != nil || !res.Refused {
			w.t.Fatalf("%+v, %v", res, err)
		}
		w.nextDay()
	}
}

// Runs that could not sign in have planned, but fetched nothing: the start that is chosen then takes precedence,
// whether it lies before or after the first plan. Without one nothing of the first plan is given up.
func TestStartIsChosenAfterRunsThatFailed(t *testing.T) {
	at := func(w *world, days int) time.Time { return w.ago(time.Duration(days) * schedule.WindowLength) }
	for name, tt := range map[string]struct{ planned, chosen, items int }{
		"an earlier start": {0, 7, 5}, // in days before the first run, and before the first that signs in
		"a later start":    {9, 4, 2},
		"the same start":   {3, 5, 3},
		"no start":         {3, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var first time.Time
			if tt.planned > 0 {
				first = at(w, tt.planned)
			}
			w.failDays(first)
			w.collector.from = time.Time{}
			if tt.chosen > 0 {
				w.collector.from = at(w, tt.chosen)
			}
			res := w.run()
			if res.Received != tt.items || res.Open != 0 || !res.Watermark.Equal(w.ago(0)) {
				t.Errorf("%+v, want %d items", res, tt.items)
			}
			moved := tt.chosen > 0 && tt.chosen != tt.planned+2
			if w.Log.Has(slog.LevelWarn, `"event":"fetch.startMoved"`) != moved {
				t.Errorf("moved is not %v:\n%s", moved, w.Log)
			}
			w.balanced()
		})
	}
}

// What was once fetched is not planned again, whatever becomes of the start; nor is a window of which a process that
// died has written a batch, although the checkpoint does not say so.
func TestStartStaysAfterTheFirstItem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.failDays(time.Time{})
	open := w.checkpoint().Open
	if _, err := w.Store.Batches().Write(t.Context(), open[0].Folder, 1, []byte("{}\n"), 1); err != nil {
		t.Fatal(err)
	}
	w.collector.from = w.ago(5 * schedule.WindowLength)
	if res, err := w.try(w.newCollector(w.Store, "wrong-password"), ""); err != nil || !res.Refused {
		t.Fatalf("%+v, %v", res, err)
	}
	if diff := cmp.Diff(open[0].From, w.checkpoint().Open[0].From); diff != "" {
		t.Errorf("the first window (-want +got):\n%s", diff)
	}

	w = newWorld(t)
	w.daysBack(3)
	w.run()
	w.nextDay()
	w.collector.from = w.ago(9 * schedule.WindowLength)
	if res := w.run(); res.Slices != 1 || w.Log.Has(slog.LevelWarn, "fetch.startMoved") {
		t.Errorf("after the first run: %+v", res)
	}
}

// A process that dies before the new plan is saved leaves the former one, and the next run moves the start.
func TestStartIsMovedAfterACrash(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.failDays(time.Time{})
		before := w.checkpoint()
		c := w.faulty(func(r *http.Request) archivetest.Fault {
			if r.Method == http.MethodPut && r.URL.RawQuery == "" &&
				strings.HasSuffix(r.URL.Path, "/"+schedule.CheckpointName) {
				return archivetest.Reset
			}
			return archivetest.Pass
		})
		c.from = w.ago(7 * schedule.WindowLength)
		if _, err := w.try(c, ""); err == nil {
			t.Fatal("a run without a checkpoint succeeds")
		}
		if diff := cmp.Diff(before, w.checkpoint()); diff != "" {
			t.Fatalf("checkpoint (-want +got):\n%s", diff)
		}
		w.collector.from = c.from
		if res := w.run(); res.Received != 5 {
			t.Errorf("%+v", res)
		}
	})
}
