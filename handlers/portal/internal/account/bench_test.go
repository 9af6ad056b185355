package account

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// BenchmarkPages measures the handler's time and the bytes of each page over a year of 100,000 records a day, with the
// storage in this process: what is measured is the work of the portal and of its clients. It decides nothing.
func BenchmarkPages(b *testing.B) {
	w := newWorld(b)
	day := writeYear(b, w)
	for _, path := range []string{"/days", "/days/" + day, "/days/" + day + "/csv", "/months/" + day[:7], "/items",
		"/items?day=" + day, "/items/csv?day=" + day,
		"/items?page=20&reason=noMailbox&day=" + day, "/users?day=" + day, "/silent?day=" + day,
		"/unmapped?day=" + day, "/duplicates?day=" + day} {
		b.Run(path, func(b *testing.B) {
			bytes := 0
			for b.Loop() {
				status, body := w.Get(path)
				bytes = len(body)
				if status != 200 {
					b.Fatal(status)
				}
			}
			b.ReportMetric(float64(bytes), "bytes")
		})
	}
}

// BenchmarkDayOfManyRuns measures the pages of a day of which each page reads as many runs as it may.
func BenchmarkDayOfManyRuns(b *testing.B) {
	w := newWorld(b)
	writeManyRuns(b, w, 150)
	for _, path := range []string{"/items", "/unmapped", "/duplicates", "/items/csv"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if status, _ := w.Get(path + "?day=2026-11-22"); status != 200 {
					b.Fatal(status)
				}
			}
		})
	}
}

// writeYear writes a year of daily runs of 1,000 batches of 100 records, of which 5 are not archived; the last day,
// which it returns, with the rows of its batches.
func writeYear(b *testing.B, w *portaltest.World) (last string) {
	b.Helper()
	const batches, people, each = 1000, 1000, 100
	mailbox := func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }
	row := w.Row("2025/11/20/sample", portaltest.Batch{Lines: make([][]byte, each), Outcomes: func(j *journal.Journal) {
		for line := 1; line <= each; line++ {
			if line%20 == 0 {
				settle(j, line, "SMS", journal.Unmapped, "no participant has a mailbox in the tenant")
				continue
			}
			j.Plan(line, mailbox(line), mailbox(line+each))
			copyTo(j, line, mailbox(line), journal.Imported)
			copyTo(j, line, mailbox(line+each), journal.Imported)
			j.Record(journal.Record{Line: line, Records: 1, Kind: []string{"SMS", "MMS", "CALL_LOG"}[line%3],
				Outcome: journal.Archived, Differs: line == 7})
		}
	}})
	rows := make([]tally.Batch, batches)
	for i := range rows {
		rows[i] = row
	}
	users := tally.Mailboxes{}
	names := tally.Names{Version: 1, Names: map[string]string{}}
	numbers := tally.NoMailboxes{Version: 1}
	for n := range people {
		users[mailbox(n)] = map[string]tally.Copies{"SMS": {Imported: 120}, "MMS": {Imported: 40},
			"CALL_LOG": {Imported: 40}}
		names.Names[mailbox(n)] = fmt.Sprintf("person.number%d@contoso.com", n)
		numbers.Numbers = append(numbers.Numbers, tally.NoMailboxName{Name: fmt.Sprintf("+447700900%03d", n),
			Records: 5,
			Kinds:   map[string]int{"SMS": 5}})
	}
	w.Report(tally.NamesDocument, names)
	for back := 365; back >= 1; back-- {
		from := w.Now.AddDate(0, 0, -back).Truncate(24 * time.Hour).Add(5 * time.Hour)
		total := int64(batches * each)
		m := &archive.Manifest{Version: 1, Kind: "daily", From: from, To: from.AddDate(0, 0, 1),
			Finished: from.AddDate(0, 0, 1), Received: batches * each, SourceTotal: &total, Records: batches * each}
		run := from.AddDate(0, 0, 1).Format("2006/01/02/") + from.Format("20060102T150405Z")
		if err := w.Totals.PutRun(b.Context(), tally.OfRun(run, rows, m, batches, batches*each), ""); err != nil {
			b.Fatal(err)
		}
		said := status.RunOf(run, *m, batches, status.Detail{})
		facts, err := json.Marshal(said)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Store.Status().PutWithFacts(b.Context(), "runs/"+run+".json", said, string(facts),
			""); err != nil {
			b.Fatal(err)
		}
		if back%7 == 1 && back < 36 {
			w.Report(tally.UsersName(from), tally.Users{Version: 1, Runs: map[string]tally.Mailboxes{run: users}})
		}
		if back > 1 {
			continue
		}
		last = from.Format(time.DateOnly)
		w.Report(tally.NoMailboxesName(run), numbers)
		for n := range batches {
			if err := w.Totals.Add(b.Context(), archive.BatchName(run, n+1), row); err != nil {
				b.Fatal(strconv.Itoa(n), err)
			}
		}
	}
	return last
}
