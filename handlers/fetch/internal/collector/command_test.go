package collector

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// backfill works on a command's backfill of a range before the end of the window that fetch reads now.
func (w *world) backfill(ctx context.Context, f *Collector, command string, r schedule.Range) (Result, error) {
	w.days[w.clock.Now().Format("2006/01/02")], w.found = true, nil
	ctx, cancel := context.WithTimeoutCause(ctx, funchost.Deadline, funchost.ErrDeadline)
	defer cancel()
	res, err := f.Backfill(ctx, command, r, slog.New(slog.NewJSONHandler(w.Log, nil)))
	if err != nil {
		w.NoteError(err)
	}
	return res, err
}

func (w *world) rangeOf(from, to time.Duration) schedule.Range {
	return schedule.Range{From: w.ago(from), To: w.ago(to)}
}

// A command's backfill is planned once, however often it is asked for, and works on its own windows only.
func TestBackfillOfACommand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		w.add(w.sms("b1", "of the first day", 59*day+time.Hour), w.sms("b2", "of the second", 58*day+time.Hour))
		w.nextDay()
		w.add(w.sms("d1", "of today", time.Hour))
		wanted := w.rangeOf(61*day, 58*day)
		for range 3 {
			if res, err := w.backfill(t.Context(), w.collector, "c1", wanted); err != nil || res.Open != 0 {
				t.Fatalf("%+v, %v", res, err)
			}
		}
		w.holds("after the command", "of the first day", "of the second")
		w.clock.Add(time.Second)
		if res, err := w.backfill(t.Context(), w.collector, "c2", w.rangeOf(61*day, 60*day)); err != nil ||
			res.Open != 0 {
			t.Fatalf("%+v, %v", res, err)
		}
		w.holds("after another command", "of the first day", "of the first day", "of the second")
		w.run()
		w.holds("after the daily run", "of the first day", "of the first day", "of the second", "of today")
		w.balanced()
	})
}

// The process dies after the n-th write of a command's backfill, for every n, and the next one goes on: every item is
// fetched once.
func TestBackfillOfACommandKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for n, more := 0, true; more; n++ {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, pagesOf(2))
			w.run()
			for i, d := range []time.Duration{59*day + time.Hour, 59*day + time.Minute, 58*day + time.Hour} {
				w.add(w.sms(string(rune('a'+i)), string(rune('a'+i))+" text of a day", d))
			}
			wanted := w.rangeOf(60*day, 58*day)
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
			_, _ = w.backfill(ctx, w.faulty(death.Rule), "c1", wanted)
			more = death.Dead()
			w.clock.Add(5 * time.Minute)
			if res, err := w.backfill(t.Context(), w.collector, "c1", wanted); err != nil || res.Open != 0 {
				t.Fatalf("%+v, %v", res, err)
			}
			w.holds("after it was killed", "a text of a day", "b text of a day", "c text of a day")
			w.balanced()
		})
		if t.Failed() {
			t.Fatalf("killed after write %d", n)
		}
		if !more && n < 6 {
			t.Errorf("only %d writes: the test does not reach what it should", n)
		}
	}
}

// A run that a command asks for plans the time up to now, once. Beside another run it returns at once.
func TestRunOfACommand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		w.clock.Add(2 * time.Hour)
		w.add(w.sms("m1", "of the morning", time.Hour))
		log := slog.New(slog.NewJSONHandler(w.Log, nil))
		for range 2 {
			if res, err := w.collector.RunDue(t.Context(), "c1", log); err != nil || res.Open != 0 {
				t.Fatalf("%+v, %v", res, err)
			}
			w.clock.Add(time.Hour)
		}
		w.days[w.today()], w.found = true, nil
		if runs := len(w.runs()); runs != 2 {
			t.Errorf("%d runs, want those of the morning and of the command", runs)
		}
		lease, err := w.Store.Checkpoints().Lease(t.Context(), schedule.CheckpointName)
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		w.collector.leaseWait = leaseWait
		began := time.Now()
		if _, err := w.collector.RunDue(t.Context(), "c2", log); !errors.Is(err, funchost.ErrBusy) ||
			time.Since(began) > 10*time.Second {
			t.Errorf("beside another run: %v after %v", err, time.Since(began))
		}
	})
}

// A daily run waits longer for the lease than a command's turn takes, so commands cannot keep a day from being planned.
func TestDailyRunWaitsForACommand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.collector.leaseWait = leaseWait
		lease, err := w.Store.Checkpoints().Lease(t.Context(), schedule.CheckpointName)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(4*time.Minute, lease.Release)
		w.run()
	})
}

// pauseAfter is a pause that begins after some pages.
type pauseAfter struct{ pages int }

func (p *pauseAfter) Paused(context.Context) (bool, error) {
	p.pages--
	return p.pages < 0, nil
}

// A pause ends the run before its next page, and is no failure. The next run continues there.
func TestPause(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, pagesOf(2))
		w.collector.from = w.ago(2 * day)
		w.add(w.sms("a", "first", 30*time.Hour), w.sms("b", "second", 29*time.Hour), w.sms("c", "third", 28*time.Hour),
			w.sms("d", "fourth", time.Hour))
		for _, step := range []struct {
			name   string
			pause  Pause
			paused bool
			open   bool
			want   []string
		}{
			{"paused before the first run", &pauseAfter{0}, true, false, nil}, // it plans nothing
			{"paused before the first page", &pauseAfter{1}, true, true, nil},
			{"paused after it", &pauseAfter{1}, true, true, []string{"first", "second"}},
			{"started again", &pauseAfter{100}, false, false, []string{"first", "second", "third", "fourth"}},
		} {
			w.collector.paused = step.pause
			if res := w.run(); res.Paused != step.paused || res.Open > 0 != step.open {
				t.Errorf("%s: %+v", step.name, res)
			}
			w.holds(step.name, step.want...)
			w.clock.Add(time.Minute)
		}
		w.balanced()
		if n := w.Log.Count(`"event":"fetch.paused"`); n != 3 {
			t.Errorf("the pause is in the log %d times, want 3", n)
		}
	})
}

// A command's backfill is refused as any other one, before anything is planned.
func TestBackfillOfACommandIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(*telemessagetest.Options) {})
		w.run()
		if _, err := w.backfill(t.Context(), w.collector, "c1", w.rangeOf(0, day)); !errors.Is(err, funchost.ErrInput) {
			t.Errorf("error %v, want %v", err, funchost.ErrInput)
		}
		if c := w.checkpoint(); len(c.Commands) != 0 || len(c.Open) != 0 {
			t.Errorf("checkpoint %+v", c)
		}
	})
}

// The site's own count of each window of a range is asked for, beginning where the last turn ended, and nothing is
// written.
func TestCountRange(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(w.sms("a", "first", 70*time.Hour), w.sms("b", "second", 69*time.Hour), w.sms("c", "third", 20*time.Hour))
		silent := w.faulty(func(r *http.Request) archivetest.Fault {
			t.Errorf("a request to storage: %s %s", r.Method, r.URL.Path)
			return archivetest.Reset
		})
		var counts []int64
		note := func(items int64, known bool) error {
			counts = append(counts, items)
			if !known {
				t.Error("the site states no count")
			}
			return nil
		}
		wanted := w.rangeOf(3*day, time.Hour)
		err := silent.CountRange(t.Context(), wanted, 0, note)
		if err != nil || !slices.Equal(counts, []int64{2, 0, 1}) {
			t.Errorf("counts %v, %v", counts, err)
		}
		counts = nil
		if err := silent.CountRange(t.Context(), wanted, 2, note); err != nil || !slices.Equal(counts, []int64{1}) {
			t.Errorf("from the third window: counts %v, %v", counts, err)
		}
		for name, r := range map[string]schedule.Range{"empty": {}, "backwards": w.rangeOf(time.Hour, day),
			"of the present": w.rangeOf(day, -time.Hour)} {
			if err := silent.CountRange(t.Context(), r, 0, note); !errors.Is(err, funchost.ErrInput) {
				t.Errorf("a range that is %s: %v", name, err)
			}
		}
	})
}
