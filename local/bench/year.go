package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/journal"
	"o2archiver/shared/record"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// The form of the year: a run a day, each of so many batches.
const (
	yearDays    = 365
	dayBatches  = 1000
	batchLines  = 100
	yearPeople  = 1000
	differing   = 10 // batches with journals of their own; the others are like one of these
	writeAtOnce = 4
)

// year is what fetch and import write about themselves in a year of 100,000 records a day, by the packages with which
// they write it. Some batches of the latest day have batch and journal, from which their rows are made; the others have
// rows like these, and nothing that the portal does not read.
type year struct {
	store     *archive.Store
	totals    *tally.Table
	now       time.Time
	batchDays int // latest days for which the table has the rows of batches

	runs []string // by day, the latest last
	from []time.Time
	rows []tally.Batch // of the batches with journals of their own
}

// newYear returns the year up to now. It makes no request.
func newYear(connection string, store *archive.Store, batchDays int) (*year, error) {
	totals, err := tally.Open(tally.Config{ConnectionString: connection})
	if err != nil {
		return nil, err
	}
	y := &year{store: store, totals: totals, now: time.Now().UTC(), batchDays: batchDays}
	for back := yearDays; back >= 1; back-- {
		from := y.now.Truncate(24*time.Hour).AddDate(0, 0, -back).Add(5 * time.Hour)
		y.from = append(y.from, from)
		y.runs = append(y.runs, layout.DayFolder(layout.Day(from.AddDate(0, 0, 1)))+layout.Stamp(from))
	}
	return y, nil
}

// write writes everything.
func (y *year) write(ctx context.Context) error {
	for _, step := range []func(context.Context) error{y.writeJournals, y.writeRows, y.writeRuns, y.writePeople,
		y.writeStatus} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("write a year: %w", err)
		}
	}
	return nil
}

func (y *year) latest() string { return y.runs[yearDays-1] }

// writeJournals writes some batches of the latest day with their journals, and the rows of these.
func (y *year) writeJournals(ctx context.Context) error {
	for seq := range differing {
		body := []byte(strings.Repeat("{}\n", batchLines))
		batch, err := y.store.Batches().Write(ctx, y.latest(), seq+1, body, batchLines)
		if err != nil {
			return err
		}
		j, err := journal.Open(ctx, y.store.Logs(), batch, "bench", time.Now)
		if err != nil {
			return err
		}
		for line := 1; line <= batchLines; line++ {
			settleLine(j, line, seq)
		}
		err = j.Finish(ctx)
		j.Close()
		if err != nil {
			return err
		}
		state, length, err := journal.ReadLength(ctx, y.store.Logs(), batch)
		if err != nil {
			return err
		}
		row := tally.OfBatch(state, length)
		if err := y.totals.Add(ctx, batch, row); err != nil {
			return err
		}
		y.rows = append(y.rows, row)
	}
	return nil
}

// settleLine writes what became of a line: of a hundred, five are not archived, one has another content, and one lacks
// an attachment.
func settleLine(j *journal.Journal, line, seq int) {
	r := journal.Record{Line: line, Records: 1, Kind: []string{"SMS", "MMS", "CALL_LOG"}[line%3],
		Outcome: journal.Archived, Differs: line == 7}
	switch {
	case line == 100:
		r.Outcome, r.Reason = journal.Quarantined, "the entry is not JSON"
	case line%20 == 0:
		r.Outcome, r.Reason = journal.Unmapped, "no participant has a mailbox in the tenant"
	default:
		for _, n := range []int{line, line + batchLines} {
			mailbox := benchMailbox((n + 100*seq) % yearPeople)
			j.Plan(line, mailbox)
			j.Copy(journal.Copy{Line: line, Key: record.Key("", strconv.Itoa(line+1000*seq), mailbox), Mailbox: mailbox,
				Outcome: journal.Imported})
		}
		if line == 8 {
			r.Incomplete = 1
		}
	}
	j.Record(r)
}

func benchMailbox(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// writeRows writes the other rows of batches.
func (y *year) writeRows(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writeAtOnce)
	for _, run := range y.runs[yearDays-y.batchDays:] {
		for seq := 1; seq <= dayBatches; seq++ {
			if run != y.latest() || seq > differing {
				group.Go(func() error {
					return y.totals.Add(ctx, archive.BatchName(run, seq), y.rows[(seq-1)%differing])
				})
			}
		}
	}
	return group.Wait()
}

// manifest returns the counts of a day's run.
func (y *year) manifest(day int) *archive.Manifest {
	const records = dayBatches * batchLines
	total, from := int64(records), y.from[day]
	return &archive.Manifest{Version: 1, Kind: "daily", From: from, To: from.AddDate(0, 0, 1),
		Started: from.AddDate(0, 0, 1), Finished: from.AddDate(0, 0, 1).Add(time.Minute), Received: records,
		SourceTotal: &total, Records: records, Staged: records}
}

// writeRuns writes the rows of the runs, and the documents that fetch has of them.
func (y *year) writeRuns(ctx context.Context) error {
	rows := make([]tally.Batch, dayBatches)
	for i := range rows {
		rows[i] = y.rows[i%differing]
	}
	said := status.NewWriter(status.Options{Documents: y.store.Status(), Batches: y.store.Batches(), Now: time.Now,
		Source: "telemessage"}).Reporter("bench", slog.New(slog.DiscardHandler))
	for day, run := range y.runs {
		m := y.manifest(day)
		if err := y.totals.PutRun(ctx, tally.OfRun(run, rows, m, dayBatches, m.Records), ""); err != nil {
			return err
		}
		said.CloseUnread(ctx, status.RunOf(run, *m, dayBatches, status.Detail{}))
	}
	all, _, err := status.NewReader(y.store.Status()).Runs(ctx, "", yearDays+1)
	if err == nil && len(all) != yearDays {
		err = fmt.Errorf("%d documents of runs, not %d", len(all), yearDays)
	}
	return err
}

// writePeople writes the documents of people, and of the numbers without a mailbox.
func (y *year) writePeople(ctx context.Context) error {
	users := tally.Mailboxes{}
	names := tally.Names{Version: 1, Names: map[string]string{}}
	numbers := tally.NoMailboxes{Version: 1}
	for n := range yearPeople {
		users[benchMailbox(n)] = map[string]tally.Copies{"SMS": {Imported: 64}, "MMS": {Imported: 63},
			"CALL_LOG": {Imported: 63}}
		names.Names[benchMailbox(n)] = fmt.Sprintf("person.number%d@contoso.com", n)
		numbers.Numbers = append(numbers.Numbers, tally.NoMailboxName{Name: fmt.Sprintf("+447700900%03d", n),
			Records: 4, Kinds: map[string]int{"SMS": 4}, Last: y.now.Truncate(time.Second)})
	}
	put := func(name string, v any) error {
		_, err := y.store.Reports().Put(ctx, name, v, "", nil)
		return err
	}
	if err := put(tally.NamesDocument, names); err != nil {
		return err
	}
	for day, run := range y.runs {
		doc := tally.Users{Version: 1, Runs: map[string]tally.Mailboxes{run: users}}
		if err := put(tally.UsersName(y.from[day]), doc); err != nil {
			return err
		}
		if !tally.IsUnmappedKept(run, y.now) {
			continue
		}
		if err := put(tally.NoMailboxesName(run), numbers); err != nil {
			return err
		}
	}
	return nil
}
