package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/client"
)

// A FETCH_FROM in the future is an error and is not kept: once it is mended fetching begins.
func TestStartInTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.collector.from = w.clock.Now().AddDate(10, 0, 0)
	for range 2 {
		if _, err := w.try(w.collector, ""); !errors.Is(err, funchost.ErrSettings) {
			t.Errorf("error %v, want bad settings", err)
		}
	}
	if c := w.checkpoint(); !c.Planned.IsZero() || len(c.Open) > 0 {
		t.Errorf("the checkpoint is %+v", c)
	}
	if !w.Log.Has(slog.LevelError, "fetch.startAhead") {
		t.Error("the log does not tell")
	}
	w.collector.from = w.ago(2 * schedule.WindowLength)
	w.add(w.sms("m", "a text", 26*time.Hour))
	if res := w.run(); res.Received != 1 || !res.Watermark.Equal(w.ago(0)) {
		t.Errorf("mended: %+v", res)
	}
}

// A checkpoint that an earlier version saved with a watermark in the future goes on from where fetching stopped.
func TestWatermarkInTheFuture(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		runs bool // there were some before
		from time.Duration
		want []string
	}{
		"nothing was ever fetched":             {false, 0, []string{"late"}},
		"nothing was ever fetched, FETCH_FROM": {false, 3 * schedule.WindowLength, []string{"early", "late"}},
		"after a run":                          {true, 0, []string{"first", "early", "late"}},
		"after a run, FETCH_FROM":              {true, 20 * schedule.WindowLength, []string{"first", "early", "late"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var c schedule.Checkpoint
			if tt.runs {
				w.add(w.sms("first", "of the first day", time.Hour))
				w.run()
				c = w.checkpoint()
			}
			c.Planned = w.clock.Now().AddDate(10, 0, 0)
			if _, err := w.Store.Checkpoints().Put(t.Context(), schedule.CheckpointName, c, "*", nil); err != nil {
				t.Fatal(err)
			}
			w.nextDay()
			w.nextDay()
			w.add(w.sms("early", "of the second day", 30*time.Hour), w.sms("late", "of the third", time.Hour))
			if tt.from > 0 {
				w.collector.from = w.ago(tt.from)
			}
			w.run()
			if !w.Log.Has(slog.LevelError, "fetch.watermarkAhead") {
				t.Error("the log does not tell")
			}
			if diff := cmp.Diff(tt.want, w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			if c := w.checkpoint(); !c.Watermark().Equal(w.ago(0)) {
				t.Errorf("watermark %v, want %v", c.Watermark(), w.ago(0))
			}
		})
	}
}

// A clock that was set back by more than a run is behind: nothing is thrown away, and it is said.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	mark := w.checkpoint().Planned
	w.clock.Add(-72 * time.Hour)
	if _, err := w.try(w.collector, ""); !errors.Is(err, errAhead) {
		t.Errorf("error %v, want that the clock is behind", err)
	}
	if got := w.checkpoint().Planned; !got.Equal(mark) {
		t.Errorf("planned up to %v, want %v", got, mark)
	}
}

// A host whose clock is ahead plans no further than the storage's time. What it asked for too early by the site's clock
// stays owed.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	t.Run("of the storage's", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.clock.Set(time.Now().Add(72 * time.Hour))
		w.collector.from = time.Now().Add(-26 * time.Hour)
		if _, err := w.try(w.collector, ""); err != nil {
			t.Fatal(err)
		}
		if got := w.checkpoint().Planned; got.After(time.Now().Add(-schedule.Margin)) {
			t.Errorf("planned up to %v", got)
		}
		if !w.Log.Has(slog.LevelError, "fetch.clockAhead") {
			t.Error("the log does not tell")
		}
		to := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		if _, err := w.try(w.collector,
			fmt.Sprintf(`{"from":%q,"to":%q}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339),
				to)); !errors.Is(err, funchost.ErrInput) {
			t.Errorf("a backfill of the future: %v", err)
		}
	})
	t.Run("of the site's", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.run()
		right := w.clock.Now()
		site := right
		f := w.hostile(func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Date", site.UTC().Format(http.TimeFormat))
			return false
		})
		w.clock.Add(96 * time.Hour) // one run too early
		if res, err := w.try(f, ""); !errors.Is(err, errAhead) || res.Slices != 0 {
			t.Errorf("%+v, %v; want all windows refused", res, err)
		}
		var want []string
		for day := range 4 {
			w.clock.Set(right.Add(time.Duration(day+1) * schedule.WindowLength))
			id := fmt.Sprintf("day%d", day)
			w.add(w.sms(id, "a text of "+id, time.Hour))
			want = append(want, id)
			site = w.clock.Now()
			_, _ = w.try(f, "")
		}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(w.ids()))); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
	})
}

// A site whose clock can't be read is believed.
func TestSiteWithoutDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many("m", 2)
	f := w.hostile(func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header()["Date"] = nil
		return false
	}, func(*client.Options) {})
	if res, err := w.invoke(context.WithoutCancel(t.Context()), f, "", ""); err != nil || res.Received != 2 {
		t.Errorf("%+v, %v", res, err)
	}
}
