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
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
)

const day = schedule.WindowLength

// ask returns the input of a backfill of a time before the end of the window that fetch reads now.
func (w *world) ask(from, to time.Duration) string {
	return fmt.Sprintf(`{"from":%q,"to":%q}`, w.ago(from).Format(time.RFC3339), w.ago(to).Format(time.RFC3339))
}

// cut lets fetch run until it asks for the n-th page, from 1, of the window that begins at from. Then its time is up.
func (w *world) cut(from time.Time, n int, input string) {
	w.t.Helper()
	ctx, stop := context.WithCancelCause(w.t.Context())
	defer stop(nil)
	f := w.hostile(func(_ http.ResponseWriter, r *http.Request) bool {
		if !asksFor(r, from) {
			return false
		}
		if n--; n > 0 {
			return false
		}
		stop(funchost.ErrDeadline)
		<-r.Context().Done()
		return true
	})
	if _, err := w.invoke(ctx, f, "", input); !errors.Is(err, funchost.ErrDeadline) {
		w.t.Fatalf("the run that is to be cut: %v", err)
	}
}

// holds checks the texts of all messages, each as often as it is there.
func (w *world) holds(when string, want ...string) {
	w.t.Helper()
	got := w.texts()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s: texts (-want +got):\n%s", when, diff)
	}
}

// A backfill of which the time is up in its second day is finished by the next day's run, after that day's window.
// Nothing comes twice, and nothing is missed; a long SMS on both sides of the border between two windows, or between
// the two runs, is one message; and one that the end of the backfill cuts does not wait for ever.
func TestBackfillInTwoRuns(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, pagesOf(3))
		w.collector.from = w.ago(day)
		at := func(it item, d time.Duration) item { return it.with("archivedTime", w.ago(d).Format(time.RFC3339)) }
		long := func(name string, first, second time.Duration) []item {
			p := w.long(name, "segment-of-"+name, name+"-one "+name+"-two", first)
			return []item{at(p[0], first), at(p[1], second)}
		}
		w.add(w.sms("d0", "today", time.Hour), w.sms("b1", "of the first day", 59*day+time.Hour))
		w.add(long("border", 59*day+time.Minute, 59*day-time.Minute)...) // between two windows
		// ends the first page of the second window
		w.add(w.sms("b2", "before the cut", 59*day-2*time.Minute))
		w.add(long("cut", 59*day-time.Minute-time.Second, 58*day+time.Hour)...) // between two runs
		w.add(w.sms("b3", "after the cut", 58*day+time.Minute), w.sms("b4", "of the last day", 57*day+time.Hour))
		w.add(long("end", 57*day+time.Minute, 57*day-time.Minute)[0])
		w.add(long("begin", 60*day+time.Minute, 60*day-time.Minute)[1])
		w.run()
		w.cut(w.ago(59*day), 2, w.ask(60*day, 57*day))
		w.holds("cut", "today", "of the first day", "before the cut")

		w.nextDay()
		w.add(w.sms("d1", "the next day", time.Hour))
		if res := w.run(); res.Slices != 3 || res.Open != 0 {
			t.Errorf("the next day: %+v; want its window and two of the backfill", res)
		}
		all := []string{"today", "the next day", "of the first day", "before the cut", "after the cut",
			"of the last day",
			"border-oneborder-two", "cut-onecut-two"}
		w.holds("done", all...)
		w.balanced()

		for range 13 {
			w.nextDay()
			w.run()
		}
		w.holds("before 14 days", all...)
		for range 2 {
			w.nextDay()
			w.run()
		}
		w.holds("after 14 days",
			append(all, "end-one⟦part 2 of 2 is missing⟧", "⟦part 1 of 2 is missing⟧begin-two")...)
		if n := len(w.waiting()); n > 0 {
			t.Errorf("%d items wait for ever", n)
		}
		w.balanced()
	})
}

// A long SMS on both sides of the border between a backfill and the days is one message, whichever is fetched first.
func TestBackfillBesideTheDays(t *testing.T) {
	t.Parallel()
	for _, first := range []string{schedule.Daily, schedule.Backfill} {
		t.Run(first+" first", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.collector.from = w.ago(day)
			p := w.long("a", "segment-0815-4711", "alpha-text beta-text", day+time.Minute)
			w.add(p[0], p[1].with("archivedTime", w.ago(day-time.Minute).Format(time.RFC3339)))
			inputs := []string{"", w.ask(3*day, day)}
			if first == schedule.Backfill {
				slices.Reverse(inputs)
			}
			for _, input := range inputs {
				if _, err := w.try(w.collector, input); err != nil {
					t.Fatal(err)
				}
			}
			w.holds("both fetched", "alpha-textbeta-text")
			if n := len(w.waiting()); n > 0 {
				t.Errorf("%d items wait", n)
			}
			w.balanced()
		})
	}
}

// A window of a backfill that every run advances, and none finishes, is reported like one that stalls.
func TestBackfillThatNeverEndsIsReported(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.ago(3 * day)
		page := 0
		c := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
			if !asksFor(r, first) {
				return false
			}
			pauseAnswer(r, time.Minute)
			page++
			at := first.Format(time.RFC3339)
			fmt.Fprintf(rw, `{"items":[{"messageId":"x%[1]d","messageTime":%[2]q}],"next":"c%[1]d"}`, page, at)
			return true
		})
		input := w.ask(3*day, 2*day)
		for run := range maxBackfillRuns + 2 {
			w.Log = &archivetest.Lines{}
			if res, err := w.try(c, input); !errors.Is(err, funchost.ErrDeadline) || res.Open != 1 {
				t.Fatalf("run %d: %+v, %v", run+1, res, err)
			}
			told := w.Log.Has(slog.LevelError, `"event":"fetch.windowStalled"`)
			if want := run >= maxBackfillRuns; told != want {
				t.Errorf("run %d: reported: %t, want %t", run+1, told, want)
			}
			input = ""
			w.nextDay()
		}
	})
}

// When an item is overdue, by which window, and what else is open.
func TestDue(t *testing.T) {
	type open []schedule.Window
	const piece, file = "group", ""
	asked := time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC)
	spanning := func(kind string, from, to time.Duration) schedule.Window {
		return schedule.NewWindow(kind, asked.Add(from), asked.Add(to), asked)
	}
	old := func(n int) schedule.Window {
		return spanning(schedule.Backfill, time.Duration(n-61)*day, time.Duration(n-60)*day)
	} // the n-th of a backfill
	now := func(n int) schedule.Window {
		return spanning(schedule.Daily, time.Duration(n-1)*day, time.Duration(n)*day)
	}
	for _, tt := range []struct {
		name  string
		of    schedule.Window
		group string
		by    schedule.Window
		open  open
		want  bool
	}{
		{"a day's, 13 days later", now(0), piece, now(13), nil, false},
		{"a day's, 14 days later", now(0), piece, now(14), nil, true},
		{"a day's, with a day open near it", now(0), piece, now(14), open{now(3)}, false},
		{"a day's, with a day open near it, 42 days later", now(0), piece, now(42), open{now(3)}, true},
		{"a day's, with a day open far from it", now(0), piece, now(20), open{now(18)}, true},
		{"a day's attachment, with a day open near it", now(0), file, now(14), open{now(3)}, true},
		{"a day's, by a backfill", now(0), piece, old(60), nil, false},
		{"a backfill's, by today", old(0), piece, now(0), nil, false},
		{"a backfill's, by one of its own 13 days later", old(0), piece, old(13), nil, false},
		{"a backfill's, by one of its own 14 days later", old(0), piece, old(14), nil, true},
		{"a backfill's, with one of its own open near it", old(0), piece, old(14), open{old(3)}, false},
		{"a backfill's, 14 days after it", old(0), piece, now(14), nil, true},
		{"a backfill's, 14 days after it, with one open near it", old(0), piece, now(14), open{old(3)}, false},
		{"a backfill's, 42 days after it, with one open near it", old(0), piece, now(42), open{old(3)}, true},
		{"a backfill's, 14 days after it, with one open far from it", old(0), piece, now(14), open{old(20)}, true},
		{"a backfill's attachment, 14 days after it, with one open near", old(0), file, now(14), open{old(3)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := &savedState{Checkpoint: schedule.Checkpoint{Open: append(tt.open, tt.by)}}
			x := deferredFacts{Run: tt.of.Folder, Since: tt.of.To.Unix(), DeferredAt: asked.Unix(), Group: tt.group}
			if got := state.isDue(x, &tt.by); got != tt.want {
				t.Errorf("overdue: %t", got)
			}
		})
	}
}
