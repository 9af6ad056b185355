package collector

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// daysBack archives an item in each of the n days before, and lets the first run begin there.
func (w *world) daysBack(n int) (ids []string) {
	w.t.Helper()
	w.collector.from = w.ago(time.Duration(n) * schedule.WindowLength)
	for i := range n {
		id := fmt.Sprintf("day%02d", i)
		w.add(w.sms(id, "a message of "+id, time.Duration(n-i)*schedule.WindowLength-time.Hour))
		ids = append(ids, id)
	}
	return ids
}

// items checks how often the site was asked for a page.
func (w *world) items(calls int) {
	w.t.Helper()
	if got := w.site.Calls()[telemessagetest.Items]; got != calls {
		w.t.Errorf("%d requests for items, want %d", got, calls)
	}
}

func TestNewCollectorWaits(t *testing.T) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	if c := New(Options{From: from, Now: time.Now}); !c.from.Equal(from) || c.leaseWait != leaseWait ||
		c.now == nil {
		t.Errorf("collector %+v", c)
	}
}

func TestCatchUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.daysBack(4)
	res := w.run()
	if want := (Result{Slices: 4, Received: 4, Records: 4, Watermark: w.ago(0)}); res != want {
		t.Errorf("%+v, want %+v", res, want)
	}
	if diff := cmp.Diff(ids, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.inOrder(4)
	w.balanced()
}

// The alert gap looks for the line of a run that begins without a checkpoint: the first of all, and one whose
// checkpoint was lost.
func TestMissingCheckpointIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.daysBack(2)
	const anew = `"event":"fetch.beganAnew"`
	begins := func(at time.Time) string { return anew + `,"from":"` + at.UTC().Format(time.RFC3339) + `"` }
	w.run()
	if !w.Log.Has(slog.LevelWarn, begins(w.collector.from)) {
		t.Errorf("the first run does not say where it begins:\n%s", w.Log)
	}
	w.Log = &archivetest.Lines{}
	w.nextDay()
	w.run()
	if w.Log.Has(slog.LevelWarn, anew) {
		t.Error("a run that goes on says that it begins anew")
	}
	w.Empty() // the checkpoint is lost
	w.collector.from = time.Time{}
	w.nextDay()
	w.run()
	if !w.Log.Has(slog.LevelWarn, begins(w.ago(schedule.WindowLength))) {
		t.Errorf("a lost checkpoint is not said:\n%s", w.Log)
	}
}

// A backfill that is still open is no day that is owed.
func TestDailyAndBackfillWindowsAreCountedApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.daysBack(1)
	w.run()
	w.nextDay()
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Status: 503, Times: 1000})
	at := func(d time.Duration) string { return w.ago(d).Format(time.RFC3339) }
	if _, err := w.try(w.collector, `{"from":"`+at(96*time.Hour)+`","to":"`+at(24*time.Hour)+`"}`); err == nil {
		t.Fatal("a site that is away does not fail the backfill")
	}
	if !w.Log.Has(slog.LevelInfo, `"open":0,"open_backfill":3`) {
		t.Errorf("after the backfill:\n%s", w.Log)
	}
	if _, err := w.try(w.collector, ""); err == nil {
		t.Fatal("a site that is away does not fail the day")
	}
	if !w.Log.Has(slog.LevelInfo, `"open":1,"open_backfill":3`) {
		t.Errorf("after the day:\n%s", w.Log)
	}
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, password, want string
		edit                 func(*telemessagetest.Options)
	}{
		{"password", "wr0ng-pa55word", "code 301: bad password", func(*telemessagetest.Options) {}},
		{"suspended", fetchtest.Password, "code 309: the user is suspended",
			func(o *telemessagetest.Options) { o.Suspended = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.edit)
			w.Secret("wr0ng-pa55word")
			w.daysBack(3)
			from := w.collector.from
			w.collector = w.newCollector(w.Store, tt.password)
			w.collector.from = from
			res, err := w.try(w.collector, "")
			if err != nil || !w.Log.Has(slog.LevelError, "fetch.credentialsRefused") ||
				!w.Log.Has(slog.LevelError, tt.want) {
				t.Errorf("error %v; want none, and %q in the log:\n%s", err, tt.want, w.Log)
			}
			w.items(1)
			if want := (Result{Open: 3, Watermark: from, Refused: true}); res != want {
				t.Errorf("%+v, want %+v", res, want)
			}
		})
	}
}

func TestSiteDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.daysBack(5)
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Status: 503, Times: awayTries + 1})
	res, err := w.try(w.collector, "")
	if funchost.Status(err) != 503 || res.Open != 5 || res.Slices != 0 || !res.Watermark.Equal(w.collector.from) {
		t.Errorf("the site is down: %+v, %v", res, err)
	}
	w.items(awayTries + 1) // the client has made its tries; and not a request for the fourth day
	w.clock.Add(time.Minute)
	res = w.run()
	if res.Slices != 6 || res.Open != 0 || !res.Watermark.Equal(w.ago(0)) {
		t.Errorf("the site is back: %+v", res)
	}
	if diff := cmp.Diff(ids, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

// TestSiteDownForWeeks has the timer fire every day while the site is down for 21 of them.
func TestSiteDownForWeeks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.collector.from = w.ago(0)
	var want []string
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Status: 503, Times: 1 << 20})
	for day := range 21 {
		w.nextDay()
		id := fmt.Sprintf("day%02d", day)
		w.add(w.sms(id, "a message of "+id, time.Hour))
		want = append(want, id)
		if res, err := w.try(w.collector, ""); err == nil || res.Open != day+1 ||
			!res.Watermark.Equal(w.collector.from) {
			t.Fatalf("day %d: %+v, %v", day, res, err)
		}
	}
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Times: 1 << 20})
	w.nextDay()
	if res := w.run(); res.Slices != 22 || res.Open != 0 || res.Received != 21 || !res.Watermark.Equal(w.ago(0)) {
		t.Errorf("the site is back: %+v", res)
	}
	if diff := cmp.Diff(want, w.ids()); diff != "" {
		t.Errorf("items, in their order (-want +got):\n%s", diff)
	}
	for i, r := range w.runs() {
		if m := r.manifest; !m.From.Equal(w.collector.from.Add(time.Duration(i)*schedule.WindowLength)) ||
			!m.To.Equal(m.From.Add(schedule.WindowLength)) {
			t.Errorf("run %d is of %v to %v", i, m.From, m.To)
		}
	}
	w.inOrder(22)
	w.balanced()
}

// inOrder checks that the last n windows that the site was asked for are consecutive days, the oldest first.
func (w *world) inOrder(n int) {
	w.t.Helper()
	asked := w.site.Asked()
	if len(asked) < n {
		w.t.Fatalf("the site was asked for %d windows, want at least %d", len(asked), n)
	}
	asked = asked[len(asked)-n:]
	for i := range asked[1:] {
		if !asked[i+1].Equal(asked[i].Add(schedule.WindowLength)) {
			w.t.Errorf("after the window from %v came that from %v", asked[i], asked[i+1])
		}
	}
}

// A day that fails does not keep the others: neither one that the site refuses, nor one for which it is away.
func TestFailingDays(t *testing.T) {
	t.Parallel()
	refused := telemessagetest.Fault{Status: 400}
	away := telemessagetest.Fault{Status: 503}
	ok := telemessagetest.Fault{}
	for _, tt := range []struct {
		name string
		days []telemessagetest.Fault
		open []int // days afterwards
	}{
		{"one refused", []telemessagetest.Fault{ok, refused, ok, ok}, []int{1}},
		{"all refused but the last", []telemessagetest.Fault{refused, refused, refused, ok}, []int{0, 1, 2}},
		{"one away", []telemessagetest.Fault{away, ok, ok}, []int{0}},
		{"away now and then", []telemessagetest.Fault{away, ok, away, ok}, []int{0, 2}},
		{"refused and away are not the same", []telemessagetest.Fault{refused, away, refused, away, ok},
			[]int{0, 1, 2, 3}},
		{"away twice in a row: one more is tried", []telemessagetest.Fault{refused, away, away, ok, ok},
			[]int{0, 1, 2}},
		{"away three times in a row: the site is left alone", []telemessagetest.Fault{away, away, away, ok},
			[]int{0, 1, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ids := w.daysBack(len(tt.days))
			for i, f := range tt.days {
				if f.Status != 0 {
					w.site.Fail(telemessagetest.Items, i+1, f)
				}
			}
			res, err := w.try(w.collector, "")
			if err == nil || res.Open != len(tt.open) {
				t.Errorf("%+v, error %v; want %d open slices", res, err, len(tt.open))
			}
			var open []string
			for _, win := range w.checkpoint().Open {
				open = append(open, win.From.Format(time.RFC3339))
			}
			var want []string
			for _, day := range tt.open {
				want = append(want, w.collector.from.Add(time.Duration(day)*schedule.WindowLength).Format(time.RFC3339))
			}
			if diff := cmp.Diff(want, open); diff != "" {
				t.Errorf("open slices (-want +got):\n%s", diff)
			}
			if want := w.collector.from.Add(time.Duration(tt.open[0]) * schedule.WindowLength); !res.Watermark.Equal(
				want) {
				t.Errorf("watermark %v, want %v", res.Watermark, want)
			}
			w.run()
			got := map[string]int{}
			for _, id := range w.ids() {
				got[id]++
			}
			for _, id := range ids {
				if got[id] != 1 {
					t.Errorf("%s is there %d times", id, got[id])
				}
			}
			w.balanced()
		})
	}
}

// Days for which the site always fails must not keep the others from being read, however many they are.
func TestDaysThatAlwaysFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.daysBack(6)
	begin := w.collector.from
	var asked []string
	for run := range 4 {
		before := len(w.site.Asked())
		// the first two days, in each run
		w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Status: 503, Times: 2})
		if run == 0 {
			// and once a day that is well otherwise
			w.site.Fail(telemessagetest.Items, 3, telemessagetest.Fault{Status: 503})
		}
		if _, err := w.try(w.collector, ""); err == nil {
			t.Fatal("two days fail")
		}
		var days []string
		for _, from := range w.site.Asked()[before:] {
			days = append(days, fmt.Sprint(int(from.Sub(begin)/schedule.WindowLength)))
		}
		asked = append(asked, strings.Join(days, " "))
	}
	// The third time that it is away it is left alone; then the day that was tried the least comes first, and, as the
	// site is there, the others.
	if diff := cmp.Diff([]string{"0 1 2", "0 1 3 2 4 5", "0 1", "0 1"}, asked); diff != "" {
		t.Errorf("days asked for in each run (-want +got):\n%s", diff)
	}
	got := w.ids()
	slices.Sort(got)
	if diff := cmp.Diff(ids[2:], got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestBackfill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.sms("old", "long before", 72*time.Hour), w.sms("new", "of the last day", time.Hour))
	input := fmt.Sprintf(`{"from":%q,"to":%q}`, w.ago(96*time.Hour).Format(time.RFC3339),
		w.ago(48*time.Hour).Format(time.RFC3339))

	// Before the first daily run it does not take that run's place.
	res, err := w.try(w.collector, input)
	if err != nil || res.Slices != 2 || !res.Watermark.IsZero() {
		t.Errorf("a backfill first of all: %+v, %v", res, err)
	}
	mark := w.run().Watermark
	if res, err := w.try(w.collector, input); err != nil || res.Slices != 2 || !res.Watermark.Equal(mark) {
		t.Errorf("a backfill later: %+v, %v; want the watermark at %v", res, err, mark)
	}
	if diff := cmp.Diff([]string{"new", "old"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	// The clock stands still, so both backfills have one name; a second later there is another.
	w.clock.Add(time.Second)
	if _, err := w.try(w.collector, input); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"new", "old", "old"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()

	before := w.checkpoint()
	for _, wrong := range []string{"yesterday", `{"from":"2026-01-01T00:00:00Z"}`, fmt.Sprintf(`{"from":%q,"to":%q}`,
		w.ago(time.Hour).Format(time.RFC3339), w.ago(-time.Second).Format(time.RFC3339))} {
		if _, err := w.try(w.collector, wrong); funchost.Status(err) != 400 {
			t.Errorf("input %s: %v", wrong, err)
		}
	}
	if diff := cmp.Diff(before, w.checkpoint()); diff != "" {
		t.Errorf("a refused input changed the checkpoint (-before +after):\n%s", diff)
	}
	if res, err := w.try(w.collector, " {} "); err != nil || !res.Watermark.Equal(w.ago(0)) {
		t.Errorf("an empty input is a daily run: %+v, %v", res, err)
	}
}

// A backfill that fails is tried again by the host, with the same id and input, and is not asked for a second time.
func TestBackfillIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.sms("first", "of the first day", 47*time.Hour), w.sms("second", "of the second day", 2*time.Hour))
	input := fmt.Sprintf(`{"from":%q,"to":%q}`, w.ago(48*time.Hour).Format(time.RFC3339), w.ago(0).Format(time.RFC3339))
	w.site.Fail(telemessagetest.Items, 2, telemessagetest.Fault{Status: 500})
	if res, err := w.invoke(t.Context(), w.collector, "one", input); err == nil || res.Open != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	w.clock.Add(time.Minute)
	if res, err := w.invoke(t.Context(), w.collector, "one", input); err != nil || res.Slices != 1 || res.Open != 0 {
		t.Errorf("tried again: %+v, %v", res, err)
	}
	if diff := cmp.Diff([]string{"first", "second"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}
