package tally

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
)

// openTable opens the table of an account, with the way to it.
func openTable(t *testing.T, connection string, way http.RoundTripper) *Table {
	t.Helper()
	c := Config{ConnectionString: connection}
	if way != nil {
		c.HTTP = &http.Client{Transport: way}
	}
	table, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// eachTable runs a test against the stand-in and against Azurite. run is a run that no other test has.
func eachTable(t *testing.T, do func(t *testing.T, table *Table, run string)) {
	run := fmt.Sprintf("2026/11/22/it.s-%d", time.Now().UnixNano())
	start := func(t *testing.T, table *Table) {
		for range 2 { // the second finds it there
			if err := table.CreateTable(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		do(t, table, run)
	}
	t.Run("archivetest", func(t *testing.T) {
		s := archivetest.ForTest(t, nil)
		start(t, openTable(t, s.ConnectionString(), s))
	})
	t.Run("azurite", func(t *testing.T) {
		t.Parallel()
		start(t, openTable(t, azurite.ForTest(t).ConnectionString(), nil))
	})
}

// batchOf returns what a table might have about a batch.
func batchOf(length int64, mailboxes int) Batch {
	b := Batch{Length: length, Done: true, Kinds: map[string]Records{"SMS": {Archived: 2}},
		Reasons: map[Reason]int{NoMailbox: 1}, Mailboxes: Mailboxes{}, Unmapped: 1,
		Lines: []Line{{Line: 3, Outcome: "unmapped", Reason: NoMailbox, Kind: "SMS"}}}
	b.Totals.Records = journal.RecordTotals{Collected: 3, Archived: 2, Unmapped: 1}
	b.Totals.Copies = journal.CopyTotals{Planned: mailboxes, Imported: mailboxes}
	for n := range mailboxes {
		b.Mailboxes.add(fmt.Sprintf("%08x-0000-4000-8000-000000000000", n), "SMS", Copies{Imported: 1})
	}
	return b
}

func TestTable(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, table *Table, run string) {
		ctx, batch := t.Context(), archive.BatchName(run, 1)
		if _, err := table.Get(ctx, batch); !errors.Is(err, ErrNotFound) {
			t.Errorf("none: %v", err)
		}
		first, second := batchOf(100, 8000), batchOf(200, 7000)
		err := errors.Join(table.Add(ctx, batch, first), table.Add(ctx, archive.BatchName(run, 2), second))
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Add(ctx, batch, second); !errors.Is(err, ErrExists) {
			t.Errorf("a second time: %v", err)
		}
		s, err := table.Get(ctx, batch)
		if err != nil || s.Length != 100 || !s.Same(batch, first) || s.Same(batch, second) {
			t.Errorf("%v: length %d", err, s.Length)
		}
		time.Sleep(2 * time.Millisecond) // the emulator's ETags differ by milliseconds
		if err := table.Replace(ctx, batch, second, s.ETag); err != nil {
			t.Error(err)
		}
		if err := table.Replace(ctx, batch, first, s.ETag); !errors.Is(err, ErrChanged) {
			t.Errorf("what was replaced: %v", err)
		}
		rows, err := table.Rows(ctx, run)
		if keys := slices.Sorted(maps.Keys(rows)); err != nil || !slices.Equal(keys, []string{"00001", "00002"}) {
			t.Errorf("rows %v, %v", keys, err)
		}
		if got := rows[RowOf(batch)]; got.Length != 200 || got.Totals != second.Totals || len(got.Mailboxes) != 0 ||
			got.Kinds["SMS"].Archived != 2 || got.Reasons[NoMailbox] != 1 || got.Unmapped != 1 {
			t.Errorf("row %+v", got)
		}
		n := 0
		for got, err := range table.Batches(ctx, run) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if diff := cmp.Diff(second, got.Batch); diff != "" {
				t.Errorf("%s: %d bytes of difference", got.Row, len(diff))
			}
		}
		if n != 2 {
			t.Errorf("%d batches", n)
		}
	})
}

func TestRunRows(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, table *Table, run string) {
		ctx, total := t.Context(), int64(7)
		m := &archive.Manifest{Version: 1, Kind: "daily", From: time.Date(2026, 11, 21, 5, 20, 0, 0, time.UTC),
			Received: 7, SourceTotal: &total, Staged: 7, Batches: []archive.BatchInfo{{Name: "left out"}}}
		open := OfRun(run, []Batch{batchOf(1, 2)}, nil, 2, 7)
		if open.Closed || open.Totals.Records.Pending != 4 || open.Totals.Holds() != nil {
			t.Errorf("open: %+v", open)
		}
		closed := OfRun(run, []Batch{batchOf(1, 2), batchOf(1, 3)}, m, 2, 6)
		if !closed.Closed || closed.Totals.Records.Pending != 0 || closed.Totals.Copies.Imported != 5 ||
			closed.Kinds["SMS"].Archived != 4 || closed.Manifest.Batches != nil {
			t.Errorf("closed: %+v", closed)
		}
		if err := table.PutRun(ctx, open, ""); err != nil {
			t.Fatal(err)
		}
		if err := table.PutRun(ctx, closed, ""); !errors.Is(err, ErrExists) {
			t.Errorf("a second time: %v", err)
		}
		got, etag, err := table.GetRun(ctx, run)
		if got.Written.IsZero() || !got.Same(open) {
			t.Errorf("written %v, same %v", got.Written, got.Same(open))
		}
		first := got.Written
		got.Written = time.Time{}
		if diff := cmp.Diff(open, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		time.Sleep(2 * time.Millisecond)
		if err := table.PutRun(ctx, closed, etag); err != nil {
			t.Error(err)
		}
		if err := table.PutRun(ctx, open, etag); !errors.Is(err, ErrChanged) {
			t.Errorf("what was replaced: %v", err)
		}
		for first, want := range map[string]bool{"2026-01-01": true, "2026-11-22": true, "2026-11-23": false,
			"2025-12-31": false, "2027-01-01": false} {
			day, _ := time.Parse(time.DateOnly, first)
			runs, err := table.Runs(ctx, day)
			found := slices.ContainsFunc(runs, func(r Run) bool { return r.Run == run })
			if err != nil || found != want {
				t.Errorf("from %s on: found %v, %v", first, found, err)
			}
		}
		runs, err := table.Runs(ctx, time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC))
		at := slices.IndexFunc(runs, func(r Run) bool { return r.Run == run })
		if err != nil || at < 0 {
			t.Fatalf("%d runs, %v", len(runs), err)
		}
		if !runs[at].Written.After(first) {
			t.Errorf("written %v, and before that %v", runs[at].Written, first)
		}
		runs[at].Written = time.Time{}
		if diff := cmp.Diff(closed, runs[at]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A write that ends between the rows of a batch leaves the batch's own row as it was, and readers see that.
func TestBrokenOffBetweenRows(t *testing.T) {
	s := archivetest.ForTest(t, nil)
	ctx, batch := t.Context(), archive.BatchName(testRun, 1)
	table := openTable(t, s.ConnectionString(), s)
	if err := errors.Join(table.CreateTable(ctx), table.Add(ctx, batch, batchOf(100, 13_500))); err != nil {
		t.Fatal(err)
	}
	there, err := table.Get(ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	puts := 0
	dying := openTable(t, s.ConnectionString(), s.Through(func(r *http.Request) archivetest.Fault {
		if r.Method == http.MethodPut {
			puts++
		}
		if puts > 1 {
			return archivetest.Refuse
		}
		return archivetest.Pass
	}))
	if err := dying.Replace(ctx, batch, batchOf(200, 13_500), there.ETag); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	read := func() (err error) {
		for _, err = range table.Batches(ctx, testRun) {
		}
		return err
	}
	if err := read(); !errors.Is(err, errInBetween) {
		t.Errorf("in between: %v", err)
	}
	// An older writer does not put its mailboxes in place of a newer one's.
	_, parts, err := batchOf(150, 13_500).encode(batch)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.putPart(ctx, batch, 1, parts[0], 150); err != nil {
		t.Error(err)
	}
	if err := table.addPart(ctx, testRun, RowOf(batch), 1, Batch{Length: 200, Mailboxes: Mailboxes{}}); err != nil {
		t.Errorf("after an older writer: %v", err)
	}
	if err := table.Replace(ctx, batch, batchOf(200, 13_500), there.ETag); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Error(err)
	}
}

// A write whose answer was lost is not an error, and no error holds a secret.
func TestTableFaults(t *testing.T) {
	s := archivetest.ForTest(t, nil)
	ctx, batch := t.Context(), archive.BatchName(testRun, 1)
	if err := openTable(t, s.ConnectionString(), s).CreateTable(ctx); err != nil {
		t.Fatal(err)
	}
	lost := false
	lossy := openTable(t, s.ConnectionString(), s.Through(func(r *http.Request) archivetest.Fault {
		if r.Method == http.MethodPost && !lost {
			lost = true
			return archivetest.Lose
		}
		return archivetest.Pass
	}))
	if err := lossy.Add(ctx, batch, batchOf(1, 1)); err != nil && !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	none := openTable(t, s.ConnectionString(), archivetest.New(nil))
	err := none.Add(ctx, batch, batchOf(1, 1))
	if !errors.Is(err, ErrNoTable) || strings.Contains(err.Error(), archivetest.Account) {
		t.Errorf("no table: %v", err)
	}
	_, err = Open(Config{ConnectionString: "AccountKey=SECRET"})
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("a connection string that is none: %v", err)
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("no address is no error")
	}
}
