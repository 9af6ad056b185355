package tallier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/tally"
)

const (
	repairsAtOnce = 8 // batches of a run whose rows are written concurrently
	runTime       = 5 * time.Minute
)

// TallyRun makes the rows of a run right: those of batches whose journal has another length than the row, and then the
// run's own. When the run has ended, it writes the run's part of the users of its day, too. all makes it compare every
// row with its journal, whatever the lengths.
//
// A run without a difference costs a listing of its journals, a query of its rows, and reading its manifest and its own
// row.
func (t *Tallier) TallyRun(ctx context.Context, run string, all bool) error {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	manifest, staged, batches, err := t.describe(ctx, run)
	if err != nil {
		return err
	}
	anew := all
	for range writeMost {
		// The run's row is read before those of its batches: if another process writes it meanwhile, it has seen rows
		// that this one has not.
		there, etag, err := t.opts.Table.GetRun(ctx, run)
		if err != nil && !errors.Is(err, tally.ErrNotFound) {
			return err
		}
		rows, err := t.repairRows(ctx, run, all)
		if err != nil {
			return err
		}
		all = false
		each := make([]tally.Batch, 0, len(rows))
		for _, b := range rows {
			each = append(each, b)
		}
		next := tally.OfRun(run, each, manifest, batches, staged)
		if next.Closed { // before the row: a row of a closed run means that its users are there
			if err := t.tallyUsers(ctx, run, *manifest); err != nil {
				return err
			}
		}
		same := etag != "" && there.Same(next)
		if same && !anew {
			return nil
		}
		if err := t.putNoMailboxes(ctx, run, rows); err != nil || same { // before the row, as the users
			return err
		}
		if err = t.opts.Table.PutRun(ctx, next, etag); !isOverwritten(err) {
			return err
		}
	}
	return fmt.Errorf("write the row of a run: %w", tally.ErrChanged)
}

// describe returns the run's manifest, nil if it has none, and how many batches and records it has.
func (t *Tallier) describe(ctx context.Context, run string) (_ *archive.Manifest, staged, batches int, err error) {
	m, err := t.opts.Batches.ReadManifest(ctx, run, func(archive.BatchInfo) { batches++ })
	if err == nil {
		return &m, m.Staged, batches, nil
	}
	if !errors.Is(err, archive.ErrNotFound) {
		return nil, 0, 0, fmt.Errorf("read a run's manifest: %w", err)
	}
	for b, err := range t.opts.Batches.InRun(ctx, run) {
		if err != nil {
			return nil, 0, 0, fmt.Errorf("list a run's batches: %w", err)
		}
		batches++
		staged += b.Records
	}
	return nil, staged, batches, nil
}

// repairRows writes the rows of the batches whose journal has another length than the row; those of all batches if all
// is set. It returns the rows by their keys.
func (t *Tallier) repairRows(ctx context.Context, run string, all bool) (map[string]tally.Batch, error) {
	rows, err := t.opts.Table.Rows(ctx, run)
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(repairsAtOnce)
	repaired := false
	for log, err := range t.opts.Logs.InRun(ctx, run) {
		if err != nil {
			return nil, errors.Join(group.Wait(), err)
		}
		batch := journal.BatchOf(log.Name)
		row := rows[tally.RowOf(batch)]
		// A row of an earlier version has no hash of the journal's last line.
		isRight := row.Length == log.Size && (row.Head != "" || row.Length == 0)
		if !archive.IsBatch(batch) || !all && isRight {
			continue
		}
		repaired = true
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return t.Repair(ctx, batch, !all)
		})
	}
	if err := group.Wait(); err != nil || !repaired {
		return rows, err
	}
	return t.opts.Table.Rows(ctx, run)
}

// tallyUsers writes the run's part of the users of its day.
func (t *Tallier) tallyUsers(ctx context.Context, run string, m archive.Manifest) error {
	users := tally.Mailboxes{}
	for b, err := range t.opts.Table.Batches(ctx, run) {
		if err != nil {
			return err
		}
		users.AddAll(b.Mailboxes)
	}
	return t.putUsers(ctx, run, m, users)
}
