package journal_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"o2archiver/shared/journal"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	batchName = "2026/11/23/run/00001.ndjson"
	logName   = "2026/11/23/run/00001.jsonl"
)

func fixed() time.Time { return time.Date(2026, 11, 23, 5, 31, 0, 0, time.UTC) }

func open(t testing.TB, m journal.Logs, invocation string) *journal.Journal {
	t.Helper()
	j, err := journal.TryOpen(t.Context(), m, batchName, invocation, fixed)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func readState(t testing.TB, m journal.Logs) journal.State {
	t.Helper()
	s, err := journal.Read(t.Context(), m, batchName)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writeDay writes what one delivery of a small batch would.
func writeDay(t testing.TB, j *journal.Journal) {
	t.Helper()
	j.Record(journal.Record{Line: 3, Records: 1, Outcome: journal.Excluded, Kind: "SYSTEM",
		Reason: "a heartbeat: counted, never imported"})
	for _, p := range []struct {
		line    int
		mailbox string
	}{{1, "m1"}, {1, "m2"}, {2, "m1"}, {1, "m1"}} {
		j.Plan(p.line, p.mailbox)
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Copy(journal.Copy{Line: 1, Key: "k1", Mailbox: "m1", Outcome: journal.Imported, GraphID: "g1", By: "csv"})
	j.Copy(journal.Copy{Line: 1, Key: "k2", Mailbox: "m2", Outcome: journal.Duplicate, GraphID: "g2", By: "email",
		Differs: true})
	j.Record(journal.Record{Line: 1, Records: 3, Message: "h1", Outcome: journal.Archived, Kind: "SMS", Original: "o",
		Rendered: "r", Mapping: "v",
		LeftOut: 3, Fields: []string{"callInfo", "to[].email"}, Differs: true})
	j.Copy(journal.Copy{Line: 2, Key: "k3", Mailbox: "m1", Outcome: journal.CopyFailed,
		Reason: "the mailbox refuses the message (HTTP 400, ErrorInvalidRequest)"})
	j.Record(journal.Record{Line: 2, Records: 1, Message: "h2", Outcome: journal.RecordFailed, Kind: "MMS",
		Reason: "a copy of it failed", Incomplete: 1})
}

// said is all that a State says.
func said(s journal.State) map[int]any {
	all := map[int]any{}
	for _, n := range s.Lines() {
		r, ok := s.Record(n)
		all[n] = []any{r, ok, s.Planned(n), s.Copies(n)}
	}
	return all
}

var dayTotals = journal.Totals{
	Records: journal.RecordTotals{Collected: 5, Archived: 3, Excluded: 1, Failed: 1, LeftOut: 3, Incomplete: 1,
		Differing: 3},
	Copies: journal.CopyTotals{Planned: 3, Imported: 1, Duplicate: 1, Failed: 1},
}

func TestJournal(t *testing.T) {
	m := newMemory()
	if done, err := journal.Tail(t.Context(), m, batchName); done || err != nil {
		t.Errorf("no journal is done: %t, %v", done, err)
	}
	if s := readState(t, m); len(s.Lines()) > 0 || s.Done {
		t.Error("no journal exists")
	}
	j := open(t, m, "first")
	if _, err := journal.TryOpen(t.Context(), m, batchName, "second", fixed); !errors.Is(err, journal.ErrHeld) {
		t.Errorf("open twice: %v, want %v", err, journal.ErrHeld)
	}
	writeDay(t, j)
	if done, err := journal.Tail(t.Context(), m, batchName); done || err != nil {
		t.Errorf("done before Finish: %t, %v", done, err)
	}
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !j.State().Done {
		t.Error("not done after Finish")
	}
	if totals, done, err := journal.TailTotals(t.Context(), m, batchName); !done || err != nil || totals != dayTotals {
		t.Errorf("tail: %t, %v, totals %+v", done, err, totals)
	}
	j.Close()
	j.Close()

	s := readState(t, m)
	if diff := cmp.Diff(dayTotals, s.Totals()); diff != "" {
		t.Error(diff)
	}
	if err := s.Totals().Holds(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(said(j.State()), said(s)); !s.Done || diff != "" {
		t.Errorf("done %t; what was written and what is read:\n%s", s.Done, diff)
	}
	if diff := cmp.Diff([]int{1, 2, 3}, s.Lines()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"m1", "m2"}, s.Planned(1)); diff != "" {
		t.Error(diff)
	}
	want := []journal.Copy{
		{Line: 1, Key: "k1", Mailbox: "m1", Outcome: journal.Imported, GraphID: "g1", By: "csv", At: fixed()},
		{Line: 1, Key: "k2", Mailbox: "m2", Outcome: journal.Duplicate, GraphID: "g2", By: "email", Differs: true,
			At: fixed()},
	}
	if diff := cmp.Diff(want, s.Copies(1)); diff != "" {
		t.Error(diff)
	}
	if r, ok := s.Record(1); !ok || r.Records != 3 || r.Outcome != journal.Archived {
		t.Errorf("record %+v, %t", r, ok)
	}
	if r, ok := s.Record(4); ok {
		t.Errorf("record %+v", r)
	}

	golden := filepath.Join("testdata", "journal.jsonl")
	got, _ := m.get(logName)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wantLog, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(wantLog), string(got)); diff != "" {
		t.Error(diff)
	}
}

// TestSecondDelivery: a finished journal is opened, found done, and left as it is.
func TestSecondDelivery(t *testing.T) {
	m := newMemory()
	j := open(t, m, "first")
	writeDay(t, j)
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	before, _ := m.get(logName)
	j = open(t, m, "second")
	if !j.State().Done {
		t.Fatal("not done")
	}
	// The same plan again is none.
	j.Plan(1, "m2")
	j.Plan(1, "m1")
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if after, _ := m.get(logName); !bytes.Equal(before, after) {
		t.Errorf("it was written: %s", after[len(before):])
	}
}

// TestReplay: newer lines count, a plan replaces the one before it, and the batch is open until it is done again.
func TestReplay(t *testing.T) {
	m := newMemory()
	j := open(t, m, "first")
	writeDay(t, j)
	j.Plan(2, "never tried")
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if p := readState(t, m).Totals().Copies.Pending; p != 1 {
		t.Errorf("%d copies pending, want 1", p)
	}

	j = open(t, m, "replay")
	j.Plan(2, "m3")
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done, err := journal.Tail(t.Context(), m, batchName); done || err != nil {
		t.Errorf("done in the middle of a replay: %t, %v", done, err)
	}
	j.Copy(journal.Copy{Line: 2, Key: "k3", Mailbox: "m1", Outcome: journal.Imported})
	j.Copy(journal.Copy{Line: 2, Key: "k4", Mailbox: "m3", Outcome: journal.Oversize})
	j.Record(journal.Record{Line: 2, Records: 1, Outcome: journal.Archived})
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	want := journal.Totals{
		Records: journal.RecordTotals{Collected: 5, Archived: 4, Excluded: 1, LeftOut: 3, Differing: 3},
		Copies:  journal.CopyTotals{Planned: 4, Imported: 2, Duplicate: 1, Oversize: 1},
	}
	s := readState(t, m)
	if diff := cmp.Diff(want, s.Totals()); diff != "" || !s.Done {
		t.Errorf("done %t\n%s", s.Done, diff)
	}
	if err := s.Totals().Holds(); err != nil {
		t.Error(err)
	}
	log, _ := m.get(logName)
	if n := bytes.Count(log, []byte(`"t":"open"`)); n != 2 {
		t.Errorf("%d deliveries are named, want 2", n)
	}
}

// TestKilled: what had been flushed is there, and the next delivery goes on from it.
func TestKilled(t *testing.T) {
	m := newMemory()
	writeDay(t, open(t, m, "first")) // all but the plan is still in memory
	m.lose(logName)
	j := open(t, m, "second")
	want := journal.Totals{
		Records: journal.RecordTotals{Collected: 3, Excluded: 1, Pending: 2},
		Copies:  journal.CopyTotals{Planned: 3, Pending: 3},
	}
	if diff := cmp.Diff(want, j.State().Totals()); diff != "" {
		t.Error(diff)
	}
	if err := j.State().Totals().Of(7).Holds(); err != nil {
		t.Error(err)
	}
	writeDay(t, j)
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if diff := cmp.Diff(dayTotals, readState(t, m).Totals()); diff != "" {
		t.Error(diff)
	}
}

func TestLeaseLost(t *testing.T) {
	m := newMemory()
	j := open(t, m, "first")
	m.lose(logName)
	<-j.Context().Done()
	j.Copy(journal.Copy{Line: 1, Mailbox: "m1", Outcome: journal.Imported})
	if err := j.Finish(t.Context()); !errors.Is(err, journal.ErrLost) {
		t.Errorf("finish: %v, want %v", err, journal.ErrLost)
	}
	j.Close()
	if log, _ := m.get(logName); len(log) != 0 {
		t.Errorf("it was written: %s", log)
	}
}

func TestTotals(t *testing.T) {
	both := dayTotals.Add(dayTotals).Of(12)
	if both.Records.Pending != 2 || both.Copies.Planned != 6 {
		t.Errorf("sum %+v", both)
	}
	if err := both.Holds(); err != nil {
		t.Error(err)
	}
	tests := []struct {
		change func(*journal.Totals)
		want   string
	}{
		{func(t *journal.Totals) { t.Records.Collected++ },
			"records collected: 6, but 1 have no known outcome and are not pending"},
		{func(t *journal.Totals) { t.Records.Archived += 2 }, "records collected: 5, but the outcomes are 2 more"},
		{func(t *journal.Totals) { *t = t.Of(2) }, "records collected: 2, but the outcomes are 3 more"},
		{func(t *journal.Totals) { t.Copies.Imported = 0 },
			"copies planned: 3, but 1 have no known outcome and are not pending"},
	}
	for _, tt := range tests {
		totals := dayTotals
		tt.change(&totals)
		if err := totals.Holds(); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

// A journal from before there were counts of left-out fields and of differing records is read, and goes on.
func TestJournalWithoutCounts(t *testing.T) {
	m := newMemory()
	old, err := os.ReadFile(filepath.Join("testdata", "journal-without-counts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	m.logs[logName] = old
	want := dayTotals
	want.Records.LeftOut, want.Records.Differing = 0, 0
	if s := readState(t, m); !s.Done || s.Totals() != want || len(s.FieldsLeftOut()) != 0 {
		t.Errorf("done %t, %+v, fields %v", s.Done, s.Totals(), s.FieldsLeftOut())
	}
	j := open(t, m, "later")
	writeDay(t, j)
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	s := readState(t, m)
	if diff := cmp.Diff(dayTotals, s.Totals()); diff != "" || !s.Done {
		t.Errorf("done %t\n%s", s.Done, diff)
	}
	if diff := cmp.Diff(map[string]int{"callInfo": 1, "to[].email": 1}, s.FieldsLeftOut()); diff != "" {
		t.Error(diff)
	}
}

func TestPlanOfALaterDelivery(t *testing.T) {
	m := newMemory()
	j := open(t, m, "first")
	j.Plan(1, "m1", "m2")
	j.Plan(2, "m1")
	j.Plan(3) // nothing to say of it
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = open(t, m, "second")
	j.Plan(1, "m2")
	j.Plan(2)
	j.Record(journal.Record{Line: 2, Records: 1, Outcome: journal.Unmapped})
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	s := readState(t, m)
	if diff := cmp.Diff([][]string{{"m2"}, {}}, [][]string{s.Planned(1), s.Planned(2)},
		cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if c := s.Totals().Copies; len(s.Lines()) != 2 || c.Planned != 1 || c.Pending != 1 {
		t.Errorf("lines %v, copies %+v", s.Lines(), c)
	}
}
