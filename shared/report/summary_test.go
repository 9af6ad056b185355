package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/report/reporttest"
)

// What one run received too many does not make up for what another lacks, and a run for which the source says nothing
// does not hide the others.
func TestSourceIsHeldToItsWordForEachRun(t *testing.T) {
	a := reporttest.New(t)
	said := func(n int64) *int64 { return &n }
	for run, m := range map[string]archive.Manifest{
		"a-two-more": {SourceTotal: said(3), Received: 5},
		"b-two-less": {SourceTotal: said(7), Received: 5},
		"c-as-said":  {SourceTotal: said(4), Received: 4},
		"d-no-word":  {Received: 1},
	} {
		a.Manifest("2026/11/22/"+run, m)
	}
	s, err := ReadSummary(t.Context(), a.Store)
	if err != nil {
		t.Fatal(err)
	}
	if s.Source.Differs != 2 {
		t.Errorf("%d runs differ, want 2", s.Source.Differs)
	}
	if all := strings.Join(s.Problems(), "\n"); !strings.Contains(all,
		"another number of items than were received: 2") {
		t.Errorf("problems:\n%s", all)
	}
}

// TestReadSummary has a finished run, one that fetch has not finished, deferred items of both, and lines of every
// outcome.
func TestReadSummary(t *testing.T) {
	a := reporttest.New(t)
	at := "2026-11-22T09:30:00Z"
	done := a.Batch(firstRun, 1, items(t, text(at, jane, ali, jane), text(at, "65000", "HMRC", ali), `{"a":1}`,
		text(at, jane, ali, "unknown"), `{"b":1}`)...)
	a.Deliver(done, true, func(j *journal.Journal) {
		j.Copy(journal.Copy{Line: 1, Key: "k1", Mailbox: janeBox, Outcome: journal.Imported})
		j.Copy(journal.Copy{Line: 1, Key: "k2", Mailbox: aliBox, Outcome: journal.Oversize, Differs: true})
		j.Record(journal.Record{Line: 1, Records: 1, Message: "m1", Outcome: journal.Archived, Kind: "SMS",
			Incomplete: 2,
			LeftOut:    1, Fields: []string{"callInfo"}, Missing: []string{"status"}})
		j.Record(journal.Record{Line: 2, Records: 1, Message: "m2", Outcome: journal.Unmapped, Kind: "SMS",
			Differs: true})
		j.Record(journal.Record{Line: 3, Records: 1, Outcome: journal.Quarantined, Reason: "no time"})
		j.Copy(journal.Copy{Line: 4, Key: "k4", Mailbox: janeBox, Outcome: journal.CopyFailed})
		j.Record(journal.Record{Line: 4, Records: 1, Message: "m4", Outcome: journal.RecordFailed, Kind: "SMS",
			Reason: "refused"})
		j.Record(journal.Record{Line: 5, Records: 1, Message: "m5", Outcome: journal.Excluded, Kind: "SYSTEM"})
	})
	total := int64(6)
	a.Manifest(firstRun, archive.Manifest{Received: 6, SourceTotal: &total})
	open := a.Batch(nextRun, 1, items(t, text(at, ali, jane, ali), text(at, ali, jane, ali))...)
	a.Deliver(open, false, func(j *journal.Journal) {
		j.Plan(1, janeBox, aliBox)
		j.Copy(journal.Copy{Line: 1, Key: "k6", Mailbox: aliBox, Outcome: journal.Duplicate})
	})
	for key, run := range map[string]string{"media-1": firstRun, "media-2": nextRun} { // the manifest counts the first
		if err := a.Store.Deferred().Put(t.Context(), key, map[string]string{"run": run}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadSummary(t.Context(), a.Store)
	if err != nil {
		t.Fatal(err)
	}
	want := &Summary{
		Totals: journal.Totals{
			Records: journal.RecordTotals{Collected: 9, Archived: 1, Unmapped: 1, Excluded: 1, Quarantined: 1,
				Failed:  1,
				Pending: 4, LeftOut: 1, Incomplete: 1, Differing: 1},
			Copies: journal.CopyTotals{Planned: 5, Imported: 1, Duplicate: 1, Oversize: 1, Failed: 1, Pending: 1}},
		Source: Source{Received: 9}, Runs: Runs{All: 2, Open: 1},
		Types: map[string]Outcomes{"SMS": {Archived: 1, Unmapped: 1, Failed: 1}, "SYSTEM": {Excluded: 1},
			"": {Quarantined: 1}},
		Reasons:  map[string]int{"no time": 1, "refused": 1},
		Unmapped: map[string]int{"+447700900•••": 1}, LeftOut: map[string]int{"callInfo": 1},
		Missing: map[string]int{"status": 1}, Incomplete: 2, Differing: 1,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Summary{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := got.Totals.Holds(); err != nil {
		t.Error(err)
	}
}
