package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
	"o2archiver/shared/usermap"
)

// Trial counts what would become of the records of a batch, if it were imported or replayed now.
type Trial struct {
	Records int // items of the source; the sum of the next six

	Import      int // with a copy that would be imported, or needs a further try
	Present     int // whose copies are all in their mailboxes
	Unmapped    int
	Excluded    int
	Quarantined int
	Open        int // the directory has no answer about one of its addresses now

	Copies   int // that would be imported
	Oversize int // of these, those that lack an attachment for its size
}

// lookedUpAtOnce is the number of the ledger's rows that a dry run reads concurrently.
const lookedUpAtOnce = 16

// DryRun finds the mailboxes of all records of a batch and converts them, and writes nothing: no journal, no ledger, no
// mailbox. Attachments are not read, and a message that two records of the batch stand for counts with the first. The
// error matches ErrMissing, or the error of funchost for the host's status.
func (im *Importer) DryRun(ctx context.Context, name string) (t Trial, err error) {
	rules, err := im.opts.Rules.current(ctx)
	if err == nil {
		err = retry.Do(ctx, func(ctx context.Context) (err error) {
			t, err = im.tryOnce(ctx, name, rules)
			return err
		})
	}
	return t, Status(err)
}

func (im *Importer) tryOnce(ctx context.Context, name string, rules Rules) (t Trial, err error) {
	data, _, err := im.opts.Batches.Read(ctx, name)
	if errors.Is(err, archive.ErrNotFound) {
		return t, ErrMissing
	}
	if err != nil {
		return t, fmt.Errorf("read the batch: %w", err)
	}
	state, err := journal.Read(ctx, im.opts.Logs, name)
	if err != nil {
		return t, err
	}
	lines := t.readLines(data, state)
	records := make([]*record.Record, len(lines))
	for i, l := range lines {
		records[i] = l.rec
	}
	var table *usermap.Table
	if rules.Custom {
		if table, err = im.opts.Mapping.Current(ctx); err != nil {
			return t, err
		}
	}
	found, err := usermap.New(im.mapOptions(rules), table, im.opts.TrialUsers).Resolve(ctx, records)
	if err != nil {
		return t, fmt.Errorf("find the participants' mailboxes: %w", err)
	}
	seen := map[string]bool{} // keys of copies that an earlier line of the batch has
	for i, l := range lines {
		l.matches, l.open = found[i].Matches, found[i].Open
		if err := t.countLine(ctx, im, l, rules, seen); err != nil {
			return t, err
		}
	}
	return t, nil
}

// readLines counts the lines that need no mailbox, and returns the others.
func (t *Trial) readLines(data []byte, state journal.State) (lines []*batchRecord) {
	for number, text := range journal.BatchLines(data) {
		if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 {
			continue
		}
		l, outcome, _ := readLine(number, text, earlierOf(state, number))
		t.Records += l.base.Records
		switch {
		case outcome == "":
			lines = append(lines, l)
		case outcome == journal.Excluded:
			t.Excluded += l.base.Records
		case l.earlier.keepsOutcome():
			t.Present += l.base.Records
		default:
			t.Quarantined += l.base.Records
		}
		if number > MaxLines {
			break
		}
	}
	return lines
}

// countLine counts a record and its copies.
func (t *Trial) countLine(ctx context.Context, im *Importer, l *batchRecord, rules Rules, seen map[string]bool) error {
	n := l.base.Records
	switch {
	case l.open != nil:
		t.Open += n
		return nil
	case len(l.matches) == 0 && len(l.earlier.done) > 0:
		t.Present += n
		return nil
	case len(l.matches) == 0:
		t.Unmapped += n
		return nil
	}
	missing, err := im.missingCopies(ctx, l, seen)
	if err != nil {
		return err
	}
	if missing == 0 {
		t.Present += n
		return nil
	}
	switch err := l.buildMessage(ctx, im, rules.MaxItem); {
	case err != nil && (errors.Is(err, errNotRead) || ctx.Err() != nil):
		return err
	case err != nil && l.earlier.keepsOutcome():
		t.Present += n
		return nil
	case err != nil:
		t.Quarantined += n
		return nil
	}
	t.Import += n
	t.Copies += missing
	if l.omitted != "" {
		t.Oversize += missing
	}
	l.rec, l.own, l.built = nil, nil, nil // a batch may hold one large item after the other
	return nil
}

// missingCopies returns the number of the line's copies that neither the journal nor the ledger has as done, and no
// earlier line of the batch has.
func (im *Importer) missingCopies(ctx context.Context, l *batchRecord, seen map[string]bool) (missing int, err error) {
	var keys []string
	for _, m := range l.matches {
		if key := l.plannedCopy(m).Key; !l.copyDone(m.Mailbox) && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	done := make([]bool, len(keys))
	var group errgroup.Group
	group.SetLimit(lookedUpAtOnce)
	for i, key := range keys {
		group.Go(func() error {
			row, err := im.opts.Ledger.Look(ctx, key)
			done[i] = row != nil && row.State == ledger.Done
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	for _, d := range done {
		if !d {
			missing++
		}
	}
	return missing, nil
}
