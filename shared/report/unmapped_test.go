package report

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/report/reporttest"
)

const (
	jane = "447700900123"
	ali  = "447700900456"

	firstRun = "2026/11/23/20261122T052000Z-20261123T052000Z"
	nextRun  = "2026/11/24/20261123T052000Z-20261124T052000Z"
)

// text returns one text message from a number to another, of the phone owner.
func text(at, owner, from, to string) string {
	return `{"messageId":"m-` + at + `","messageType":"SMS","messageTime":"` + at + `","msisdn":"` + owner +
		`","from":{"value":"` + from + `"},"to":[{"value":"` + to + `"}],"textContent":"hello"}`
}

// items returns a line for each item; an empty one for "".
func items(t *testing.T, all ...string) (lines [][]byte) {
	for _, item := range all {
		if item == "" {
			lines = append(lines, nil)
		} else {
			lines = append(lines, reporttest.Item(t, item))
		}
	}
	return lines
}

// changeFile replaces a text in a file by another one.
func changeFile(t *testing.T, file, before, after string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(raw), before) {
		t.Fatalf("%s does not hold %q: %v", filepath.Base(file), before, err)
	}
	reporttest.PutFile(t, file, []byte(strings.Replace(string(raw), before, after, 1)))
}

// outcomes returns a delivery in which lines 1, 2, 3, … have these outcomes, each for one record.
func outcomes(all ...journal.Outcome) func(*journal.Journal) {
	return func(j *journal.Journal) {
		for i, outcome := range all {
			j.Record(journal.Record{Line: i + 1, Records: 1, Outcome: outcome})
		}
	}
}

func TestReadUnmapped(t *testing.T) {
	const morning, evening = "2026-11-22T09:30:00Z", "2026-11-23T18:00:00Z"
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	row := func(items, own int, first, last string) *UnmappedRow {
		return &UnmappedRow{items, own, at(first), at(last)}
	}
	for _, c := range []struct {
		name    string
		region  string
		archive func(a *reporttest.Archive)
		want    Unmapped
	}{
		{"nothing", "GB", func(a *reporttest.Archive) {
			a.Deliver(a.Batch(firstRun, 1, items(t, text(morning, jane, ali, jane))...), true,
				outcomes(journal.Archived))
		}, Unmapped{Batches: 1}},
		{"two runs", "GB", func(a *reporttest.Archive) {
			a.Deliver(a.Batch(firstRun, 1, items(t, text(morning, jane, ali, "07700 900123"))...), true,
				outcomes(journal.Unmapped))
			a.Deliver(a.Batch(nextRun, 1, items(t, text(evening, jane, "HMRC", jane))...), true,
				outcomes(journal.Unmapped))
		}, Unmapped{Batches: 2, Items: 2, Rows: map[string]*UnmappedRow{
			"+" + jane: row(2, 2, morning, evening), "+" + ali: row(1, 0, morning, morning)}}},
		{"the later run has the earlier item", "GB", func(a *reporttest.Archive) {
			a.Deliver(a.Batch(firstRun, 1, items(t, text(evening, jane, "HMRC", jane))...), true,
				outcomes(journal.Unmapped))
			a.Deliver(a.Batch(nextRun, 1, items(t, text(morning, jane, "HMRC", jane))...), true,
				outcomes(journal.Unmapped))
		}, Unmapped{Batches: 2, Items: 2, Rows: map[string]*UnmappedRow{"+" + jane: row(2, 2, morning, evening)}}},
		{"other outcomes, and what a replay has archived", "GB", func(a *reporttest.Archive) {
			b := a.Batch(firstRun, 1,
				items(t, text(morning, jane, ali, jane), text(morning, ali, jane, ali),
					text(morning, ali, "65000", ali))...)
			a.Deliver(b, true, outcomes(journal.Unmapped, journal.RecordFailed, journal.Unmapped))
			a.Deliver(b, true, outcomes(journal.Archived))
		}, Unmapped{Batches: 1, Items: 1, Rows: map[string]*UnmappedRow{"+" + ali: row(1, 1, morning, morning)}}},
		{"a line of several records, after an empty one", "GB", func(a *reporttest.Archive) {
			a.Deliver(a.Batch(firstRun, 1, items(t, "", text(morning, jane, "HMRC", jane))...), true,
				func(j *journal.Journal) {
					j.Record(journal.Record{Line: 2, Records: 2, Outcome: journal.Unmapped})
				})
		}, Unmapped{Batches: 1, Items: 2, Rows: map[string]*UnmappedRow{"+" + jane: row(2, 2, morning, morning)}}},
		{"an owner who takes no part, and addresses", "GB", func(a *reporttest.Archive) {
			item := `{"messageId":"m","messageType":"SMS","messageTime":"` + morning + `","msisdn":"` + jane +
				`","from":{"value":"HMRC","email":"A@contoso.example"},` +
				`"to":[{"value":"unknown","email":"b@contoso.example"}],"textContent":""}`
			a.Deliver(a.Batch(firstRun, 1, items(t, item)...), true, outcomes(journal.Unmapped))
		}, Unmapped{Batches: 1, Items: 1, Rows: map[string]*UnmappedRow{"+" + jane: row(1, 1, morning, morning),
			"a@contoso.example": row(1, 0, morning, morning), "b@contoso.example": row(1, 0, morning, morning)}}},
		{"another region", "US", func(a *reporttest.Archive) {
			a.Deliver(a.Batch(firstRun, 1, items(t, text(morning, "07700 900123", "HMRC", "unknown"))...), true,
				outcomes(journal.Unmapped))
		}, Unmapped{Batches: 1, Items: 1, Nameless: 1}},
		{"not imported yet, and not to the end", "GB", func(a *reporttest.Archive) {
			a.Batch(firstRun, 1, items(t, text(morning, jane, ali, jane))...)
			a.Deliver(a.Batch(nextRun, 1,
				items(t, text(evening, jane, "HMRC", jane),
					text(evening, jane, ali, jane))...), false, outcomes(journal.Unmapped))
		}, Unmapped{Batches: 2, Open: 2, Items: 1, Rows: map[string]*UnmappedRow{"+" + jane: row(1, 1, evening,
			evening)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := reporttest.New(t)
			c.archive(a)
			a.Manifest(firstRun, archive.Manifest{}) // a file that is not a batch
			got, err := ReadUnmapped(t.Context(), Folder(a.CopyOut()), c.region)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&c.want, got, cmpopts.IgnoreUnexported(Unmapped{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// No result is returned for a folder that is not read to its end, and no error holds a number.
func TestReadUnmappedFails(t *testing.T) {
	item := text("2026-11-22T09:30:00Z", jane, ali, jane)
	for _, c := range []struct {
		name   string
		folder func(t *testing.T) Folder
		want   string
	}{
		{"an empty folder", func(t *testing.T) Folder { return Folder(t.TempDir()) }, "no such file"},
		{"no batch", func(t *testing.T) Folder {
			folder := Folder(t.TempDir())
			reporttest.PutFile(t, folder.path(archive.BatchesContainer, firstRun+"/manifest.json"), nil)
			return folder
		}, "no batch is in "},
		{"a changed journal", func(t *testing.T) Folder {
			a := reporttest.New(t)
			b := a.Batch(firstRun, 1, items(t, item)...)
			a.Deliver(b, true, outcomes(journal.Unmapped))
			folder := Folder(a.CopyOut())
			changeFile(t, folder.path(archive.JournalContainer, journal.LogName(b)), "unmapped", "archived")
			return folder
		}, journal.ErrTampered.Error()},
		{"another archive's journal", func(t *testing.T) Folder {
			a := reporttest.New(t)
			a.Deliver(a.Batch(firstRun, 1, items(t, item)...), true, func(j *journal.Journal) {
				j.Record(journal.Record{Line: 7, Records: 1, Outcome: journal.Unmapped})
			})
			return Folder(a.CopyOut())
		}, "not of one archive"},
		{"an item that can't be read", func(t *testing.T) Folder {
			a := reporttest.New(t)
			a.Deliver(a.Batch(firstRun, 1, items(t, `{"messageId":"m1","msisdn":"`+jane+`"}`)...), true,
				outcomes(journal.Unmapped))
			return Folder(a.CopyOut())
		}, "messageTime"},
		{"a line that is no entry", func(t *testing.T) Folder {
			a := reporttest.New(t)
			b := a.Batch(firstRun, 1, items(t, item)...)
			a.Deliver(b, true, outcomes(journal.Unmapped))
			folder := Folder(a.CopyOut())
			reporttest.PutFile(t, folder.path(archive.BatchesContainer, b), []byte(jane))
			return folder
		}, "line 1 is not the JSON of an entry"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadUnmapped(t.Context(), c.folder(t), "GB")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "7700900") {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
			if got != nil {
				t.Errorf("a result is returned with it: %+v", got)
			}
		})
	}
}

func TestReadUnmappedIsInterrupted(t *testing.T) {
	a := reporttest.New(t)
	a.Batch(firstRun, 1, items(t, text("2026-11-22T09:30:00Z", jane, ali, jane))...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadUnmapped(ctx, Folder(a.CopyOut()), "GB"); !errors.Is(err, context.Canceled) ||
		errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
}
