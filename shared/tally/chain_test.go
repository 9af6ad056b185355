package tally

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/report/reporttest"
)

// TestChainOfARun: the hash of a run can be made from the logs with nothing but SHA-256, in any order of the batches.
func TestChainOfARun(t *testing.T) {
	a := reporttest.New(t)
	var rows []Batch
	var heads []string
	for seq := range 3 {
		batch, row := written(t, a, seq+1, true, everyOutcome)
		rows = append(rows, row)
		body, _, err := a.Store.Logs().Read(t.Context(), journal.LogName(batch))
		if err != nil {
			t.Fatal(err)
		}
		log, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n"))
		sum := sha256.Sum256(lines[len(lines)-1])
		heads = append(heads, hex.EncodeToString(sum[:]))
		if row.Head != heads[seq] {
			t.Errorf("batch %d: head %s, want %s", seq, row.Head, heads[seq])
		}
	}
	slices.Sort(heads)
	sum := sha256.Sum256([]byte(strings.Join(heads, "\n") + "\n"))
	want := hex.EncodeToString(sum[:])
	if got := OfRun(testRun, rows, nil, 3, 3).Chain; got != want {
		t.Errorf("chain %s, want %s", got, want)
	}
	slices.Reverse(rows)
	if got := OfRun(testRun, rows, nil, 3, 3).Chain; got != want {
		t.Errorf("in another order: %s", got)
	}
	if got := OfRun(testRun, rows, nil, 4, 3).Chain; got != "" {
		t.Errorf("without a row: %s", got)
	}
	rows[1].Head = ""
	if got := OfRun(testRun, rows, nil, 3, 3).Chain; got != "" {
		t.Errorf("with a row of an earlier version: %s", got)
	}
}

// TestListed: of each row the property that was asked for, and nothing else; also of rows of an earlier version. A row
// of a later version, which this program cannot read, is left out.
func TestListed(t *testing.T) {
	s := archivetest.ForTest(t, nil)
	table := openTable(t, s.ConnectionString(), s)
	if err := table.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := reporttest.New(t)
	_, row := written(t, a, 1, true, everyOutcome)
	former := row
	former.Head, former.Notes = "", nil
	for i, b := range []Batch{row, former} {
		if err := table.Add(t.Context(), archive.BatchName(testRun, i+1), b); err != nil {
			t.Fatal(err)
		}
	}
	later := []byte(`{"PartitionKey":"` + runPartition(testRun) +
		`","RowKey":"00003","V":2,"Lines":"[]","Totals":"{}","Unmapped":1}`)
	if _, err := table.client.AddEntity(t.Context(), later, nil); err != nil {
		t.Fatal(err)
	}
	if len(row.Lines) == 0 || len(row.Notes) == 0 || row.Unmapped == 0 {
		t.Fatal("the row has nothing to list")
	}
	for p, want := range map[Property][]Batch{
		PropertyLines: {{Lines: row.Lines}, {Lines: row.Lines}},
		PropertyNotes: {{Totals: row.Totals, Head: row.Head, Notes: row.Notes, MoreNotes: row.MoreNotes},
			{Totals: row.Totals}},
		PropertyUnmapped: {{Unmapped: row.Unmapped}, {Unmapped: row.Unmapped}},
	} {
		var got []Keyed
		for k, err := range table.Listed(t.Context(), testRun, p) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, k)
		}
		if diff := cmp.Diff([]Keyed{{Row: "00001", Batch: want[0]}, {Row: "00002", Batch: want[1]}}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p, diff)
		}
	}
}

// TestOfRunUnmapped: phones that archived come first, then the most frequent.
func TestOfRunUnmapped(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	first := Unmapped{Lines: []UnmappedLine{
		{Line: 1, Records: 1, Kind: "SMS", Time: at, Own: "+447700900001", Named: []string{"+447700900002"}},
		{Line: 2, Records: 3, Kind: "MMS", Time: at.Add(time.Hour), Named: []string{"+447700900002", "x@contoso.com"}},
	}}
	second := Unmapped{Lines: []UnmappedLine{{Line: 9, Records: 1, Kind: "SMS", Own: "+447700900001"}}}
	want := NoMailboxes{Version: 1, Numbers: []NoMailboxName{
		{Name: "+447700900001", Own: true, Records: 2, Kinds: map[string]int{"SMS": 2}, Last: at},
		{Name: "+447700900002", Records: 4, Kinds: map[string]int{"SMS": 1, "MMS": 3}, Last: at.Add(time.Hour)},
		{Name: "x@contoso.com", Records: 3, Kinds: map[string]int{"MMS": 3}, Last: at.Add(time.Hour)},
	}}
	for _, order := range [][]Unmapped{{first, second}, {second, first}} {
		if diff := cmp.Diff(want, OfRunUnmapped(order)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
