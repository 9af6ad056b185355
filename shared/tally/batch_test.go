package tally

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/journal"
	"o2archiver/shared/record"
	"o2archiver/shared/report/reporttest"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	janeBox = "1d5e7a3c-0000-4000-8000-000000000001"
	aliBox  = "1d5e7a3c-0000-4000-8000-000000000002"
	samBox  = "1d5e7a3c-0000-4000-8000-000000000003"
)

const testRun = "2026/11/22/run.a-1"

// written writes a batch's journal and returns what the table has to have, with the batch's name. It fails if the
// open journal and its log disagree.
func written(t *testing.T, a *reporttest.Archive, seq int, finish bool, outcomes func(*journal.Journal)) (
	string, Batch) {
	t.Helper()
	batch := a.Batch(testRun, seq, []byte("{}"))
	a.Deliver(batch, finish, func(j *journal.Journal) {
		outcomes(j)
		if !finish {
			return
		}
		if err := j.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		state, length, ok := j.Written(t.Context())
		read, size, err := journal.ReadLength(t.Context(), a.Store.Logs(), batch)
		if err != nil || !ok || length != size {
			t.Errorf("the open journal has %d bytes, its log %d: %v, %v", length, size, ok, err)
		}
		if diff := cmp.Diff(OfBatch(read, size), OfBatch(state, length)); diff != "" {
			t.Errorf("of the log and of the open journal (-log +open):\n%s", diff)
		}
	})
	state, length, err := journal.ReadLength(t.Context(), a.Store.Logs(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return batch, OfBatch(state, length)
}

func outcome(line int, kind string, o journal.Outcome, reason string) journal.Record {
	return journal.Record{Line: line, Records: 1, Kind: kind, Outcome: o, Reason: reason}
}

// everyOutcome is a journal with each outcome of records and copies.
func everyOutcome(j *journal.Journal) {
	j.Plan(1, janeBox, aliBox)
	j.Plan(2, janeBox)
	j.Plan(6, janeBox, samBox)
	j.Plan(8, aliBox, samBox)
	copyTo := func(line int, mailbox string, o journal.Outcome) {
		j.Copy(journal.Copy{Line: line, Mailbox: mailbox, Outcome: o})
	}
	copyTo(1, janeBox, journal.Imported)
	j.Copy(journal.Copy{Line: 1, Mailbox: aliBox, Outcome: journal.Duplicate, Differs: true,
		First: &record.Place{Batch: testRun + "/00009.ndjson", Line: 7}})
	differing := outcome(1, "SMS", journal.Archived, "")
	differing.Differs, differing.Incomplete = true, 2
	j.Record(differing)
	copyTo(2, janeBox, journal.Oversize)
	joined := outcome(2, "SMS", journal.Archived, "the phone number of the sender is in two rows; the first counts")
	joined.Records = 3
	j.Record(joined)
	j.Record(outcome(3, "SMS", journal.Unmapped, "no participant has a mailbox in the tenant"))
	j.Record(outcome(4, "SYSTEM", journal.Excluded, "a heartbeat: counted, never imported"))
	j.Record(outcome(5, "", journal.Quarantined, "the item can't be read: field messageTime: is missing"))
	copyTo(6, janeBox, journal.Imported)
	copyTo(6, samBox, journal.CopyFailed)
	j.Record(outcome(6, "MMS", journal.RecordFailed, "a copy of it failed: the user has no mailbox any more; a note"))
	j.Record(outcome(7, "MMS", journal.Quarantined, "a sentence of a later version"))
	copyTo(8, aliBox, journal.Imported)
}

func TestOfBatch(t *testing.T) {
	a := reporttest.New(t)
	for seq, test := range []struct {
		name     string
		finish   bool
		outcomes func(*journal.Journal)
	}{
		{"finished", true, func(j *journal.Journal) {
			everyOutcome(j)
			j.Copy(journal.Copy{Line: 8, Mailbox: samBox, Outcome: journal.Imported})
			j.Record(outcome(8, "SMS", journal.Archived, ""))
		}},
		{"open", false, everyOutcome},
		{"empty", true, func(*journal.Journal) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			batch, b := written(t, a, seq+1, test.finish, test.outcomes)
			checkSums(t, b)
			b.Length, b.Head = 1000, strings.Repeat("ab", 32) // those of the log depend on the time
			own, parts, err := b.encode(batch)
			if err != nil || len(parts) != 0 {
				t.Fatalf("%d further rows, %v", len(parts), err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, own, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden(t, test.name+".json", indented.Bytes())
			row, back, n, err := decodeBatch(own)
			if err != nil || n != 0 || row != rowOf(batch) {
				t.Errorf("decoded: row %s, %d parts, %v", row, n, err)
			}
			if diff := cmp.Diff(b, back); diff != "" {
				t.Errorf("decoded (-written +read):\n%s", diff)
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// checkSums fails unless kinds, reasons and mailboxes have the sums of the totals, and the lines are all.
func checkSums(t *testing.T, b Batch) {
	t.Helper()
	if err := b.Totals.Holds(); err != nil {
		t.Error(err)
	}
	var records Records
	for _, n := range b.Kinds {
		records = records.add(n)
	}
	r := b.Totals.Records
	if want := (Records{r.Archived, r.Unmapped, r.Excluded, r.Quarantined, r.Failed, r.Pending}); records != want {
		t.Errorf("kinds have %+v, the totals %+v", records, want)
	}
	var copies Copies
	for _, kinds := range b.Mailboxes {
		for _, n := range kinds {
			copies = copies.add(n)
		}
	}
	c := b.Totals.Copies
	if want := (Copies{c.Imported, c.Duplicate, c.Oversize, c.Failed, c.Pending}); copies != want {
		t.Errorf("mailboxes have %+v, the totals %+v", copies, want)
	}
	reasons := 0
	for _, n := range b.Reasons {
		reasons += n
	}
	if want := r.Unmapped + r.Excluded + r.Quarantined + r.Failed; reasons != want {
		t.Errorf("reasons have %d records, the totals %d", reasons, want)
	}
}

// A batch with more mailboxes, kinds and lines than one row has room for is counted to the last.
func TestBoundsOfARow(t *testing.T) {
	const lines, mailboxes = 400, 8000
	a := reporttest.New(t)
	batch, b := written(t, a, 1, true, func(j *journal.Journal) {
		for n := 1; n <= lines; n++ {
			kind := fmt.Sprintf("KIND_%d", n%30)
			o := []journal.Outcome{journal.Archived, journal.Excluded, journal.Quarantined}[n%3]
			for m := range mailboxes / lines {
				box := fmt.Sprintf("%08x-0000-4000-8000-%012x", n, m)
				j.Copy(journal.Copy{Line: n, Mailbox: box, Outcome: journal.Imported})
			}
			j.Record(outcome(n, kind, o, "a heartbeat: counted, never imported"))
		}
		j.Copy(journal.Copy{Line: 1, Mailbox: string(bytes.Repeat([]byte("x"), 1000)), Outcome: journal.CopyFailed})
	})
	checkSums(t, b)
	listed := len(b.Lines)
	if want := lines / 3 * 2; listed != maxLines || listed+b.More < want || len(b.Kinds) > maxKinds+1 {
		t.Errorf("%d lines and %d more, want %d; %d kinds", listed, b.More, want, len(b.Kinds))
	}
	if b.Lines[0].Outcome != string(journal.Quarantined) {
		t.Errorf("what is excluded by rule comes first: %+v", b.Lines[0])
	}
	own, parts, err := b.encode(batch)
	if err != nil || len(parts) == 0 {
		t.Fatalf("%d further rows, %v", len(parts), err)
	}
	_, back, n, err := decodeBatch(own)
	if err != nil || n != len(parts) {
		t.Fatalf("%d parts, want %d, %v", n, len(parts), err)
	}
	for _, part := range append(parts, own) {
		var all map[string]any
		if err := json.Unmarshal(part, &all); err != nil {
			t.Fatal(err)
		}
		for name, value := range all {
			if s, ok := value.(string); ok && len(s) > 32_768 {
				t.Errorf("%s has %d characters", name, len(s))
			}
		}
		if len(part) > 512<<10 { // of UTF-16 twice as many
			t.Errorf("a row of %d bytes", len(part))
		}
		if err := addMailboxes(part, back.Mailboxes); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(b, back); diff != "" {
		t.Errorf("decoded: %d bytes of difference", len(diff))
	}
}

// The sums hold for any journal, however its deliveries overlap.
func TestOfBatchOfRandomJournals(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		a := reporttest.New(t)
		_, b := written(t, a, 1, random.IntN(2) == 0, func(j *journal.Journal) {
			boxes := []string{janeBox, aliBox, samBox}
			for range random.IntN(60) {
				line, box := 1+random.IntN(12), boxes[random.IntN(3)]
				switch random.IntN(3) {
				case 0:
					j.Plan(line, box)
				case 1:
					j.Copy(journal.Copy{Line: line, Mailbox: box, Outcome: []journal.Outcome{journal.Imported,
						journal.Duplicate, journal.Oversize, journal.CopyFailed}[random.IntN(4)]})
				default:
					outcomes := []journal.Outcome{journal.Archived, journal.Unmapped, journal.Excluded,
						journal.Quarantined, journal.RecordFailed}
					r := outcome(line, []string{"SMS", "MMS", ""}[random.IntN(3)], outcomes[random.IntN(5)], "")
					r.Records = random.IntN(3)
					j.Record(r)
				}
			}
		})
		checkSums(t, b)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
