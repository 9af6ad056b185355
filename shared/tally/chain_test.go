package tally

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// TestListed: the rows with their lines and notes; also those of an earlier version.
func TestListed(t *testing.T) {
	s := archivetest.ForTest(t, nil)
	table := openTable(t, s.ConnectionString(), s)
	if err := table.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := reporttest.New(t)
	batch, row := written(t, a, 1, true, everyOutcome)
	former := row
	former.Head, former.Notes = "", nil
	for name, b := range map[string]Batch{batch: row, archive.BatchName(testRun, 2): former} {
		if err := table.Add(t.Context(), name, b); err != nil {
			t.Fatal(err)
		}
	}
	var got []Keyed
	for k, err := range table.Listed(t.Context(), testRun) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, k)
	}
	if len(got) != 2 || BatchOf(testRun, got[0].Row) != batch || len(got[0].Notes) != 1 || got[0].Notes[0].Gone != 2 ||
		got[0].Notes[0].First == nil || got[1].Head != "" || !cmp.Equal(got[1].Lines, row.Lines) {
		encoded, _ := json.Marshal(got)
		t.Errorf("%s", encoded)
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
