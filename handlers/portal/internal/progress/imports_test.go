package progress

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/shared/control"
	"o2archiver/shared/status"
)

// TestDescribeImport: what is shown of a run that import works on.
func TestDescribeImport(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	moved := now.Add(-time.Minute)
	fast := account.Pace{Done: 400, Records: 500, Moved: moved, Rate: 200}
	for _, test := range []struct {
		name   string
		run    Import
		pace   account.Pace
		paused bool
		want   Import
	}{
		{"at work", Import{Of: 1000, Fetched: true}, fast, false,
			Import{Of: 1000, Done: 400, Percent: 40, Fetched: true, State: "at work", Class: "ok", Moved: moved,
				Rate: "200 records a minute", Left: "3 minutes"}},
		{"fetch is not through", Import{}, fast, false,
			Import{Of: 500, Done: 400, Percent: 80, State: "at work", Class: "ok", Moved: moved,
				Rate: "200 records a minute"}},
		{"not begun", Import{Of: 10, Fetched: true}, account.Pace{}, false,
			Import{Of: 10, Fetched: true, State: "not begun", Class: "wait"}},
		{"paused", Import{Of: 10, Fetched: true}, account.Pace{Done: 1, Records: 1, Moved: moved, Rate: 5}, true,
			Import{Of: 10, Done: 1, Percent: 10, Fetched: true, State: "paused", Class: "wait", Moved: moved}},
		{"does not move", Import{Of: 10, Fetched: true},
			account.Pace{Done: 1, Records: 1, Moved: now.Add(-time.Hour)}, false, Import{Of: 10, Done: 1, Percent: 10,
				Fetched: true, State: "does not move", Class: "wait", Moved: now.Add(-time.Hour)}},
		{"all is imported", Import{Of: 10, Fetched: true}, account.Pace{Done: 10, Records: 10, Moved: moved}, false,
			Import{Of: 10, Done: 10, Percent: 100, Fetched: true, State: "imported; its totals follow", Class: "ok",
				Moved: moved}},
	} {
		k := known{now: now, connector: control.Connector{Paused: map[string]bool{"import": test.paused}}}
		k.describeImport(&test.run, test.pace)
		if diff := cmp.Diff(test.want, test.run); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

// TestImportThatMovesIsNotPaused: the first batch that is imported tells that import works, before sweep has summed up.
func TestImportThatMovesIsNotPaused(t *testing.T) {
	for done, want := range map[int]int{0: 1, 1: 0} {
		k := known{fetched: true, now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), imports: []Import{{Done: done}}}
		n := 0
		k.alertsOfPause(func(_, _, _, _ string) { n++ })
		if n != want {
			t.Errorf("%d records are done: %d alerts, want %d", done, n, want)
		}
	}
}

// TestRateAfterFurtherTries: a rate is what was received of late, whatever was received before the invocation.
func TestRateAfterFurtherTries(t *testing.T) {
	began := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	of := int64(12_000)
	r := &rates{}
	look := func(after time.Duration, received int64) string {
		k := known{rates: r, progress: status.Progress{Began: began, At: began.Add(after)}}
		win := k.describeWindow(status.Window{Run: "a", Active: true, Tries: 2, Received: received, Of: &of}, true)
		return win.Rate + "; " + win.Left
	}
	var got []string
	got = append(got, look(time.Minute, 10_000), look(2*time.Minute, 10_500), look(2*time.Minute, 10_500),
		look(20*time.Minute, 10_500), look(21*time.Minute, 10_501))
	want := []string{"; ", "500 items a minute; 3 minutes", "500 items a minute; 3 minutes", "; ",
		"1 item a minute; 24 hours"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	began = began.Add(time.Hour) // another invocation
	if got := look(time.Minute, 10_600); got != "; " {
		t.Error(got)
	}
}
