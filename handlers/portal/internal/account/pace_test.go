package account

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/tally"
)

// TestPace: how far import is with a run, and its rate of late, follow from when the rows of its batches were written.
func TestPace(t *testing.T) {
	begin := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	clock := archivetest.NewClock(begin)
	s := archivetest.ForTest(t, clock.Now)
	totals, err := tally.Open(tally.Config{ConnectionString: s.ConnectionString(), HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if err := totals.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := New(Options{Totals: totals, Now: clock.Now})
	const run = "2026/11/24/a"
	var got []Pace
	look := func(after time.Duration) {
		t.Helper()
		clock.Set(begin.Add(after))
		p, err := r.Pace(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		p.Moved = p.Moved.Truncate(time.Second) // the service counts on within it
		got = append(got, p)
	}
	write := func(after time.Duration, batch string, pending int) {
		t.Helper()
		clock.Set(begin.Add(after))
		b := tally.Batch{Length: 1, Done: pending == 0, Totals: journal.Totals{Records: journal.RecordTotals{
			Collected: 100, Archived: 100 - pending, Pending: pending}}}
		if err := totals.Add(t.Context(), run+"/"+batch+".ndjson", b); err != nil {
			t.Fatal(err)
		}
	}
	look(0)
	write(0, "00001", 0)
	look(time.Second)
	write(30*time.Minute, "00002", 0)
	write(31*time.Minute, "00003", 0)
	write(32*time.Minute, "00004", 40)
	look(33 * time.Minute)
	look(60 * time.Minute)
	moved := begin.Add(32 * time.Minute)
	want := []Pace{{}, {Done: 100, Records: 100, Moved: begin}, {Done: 360, Records: 400, Moved: moved, Rate: 80},
		{Done: 360, Records: 400, Moved: moved}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
