// Package tallier writes what became of batches and runs: the table totals, and the documents of the container reports.
// It reads journals and batches, and decides nothing: without it every message is imported all the same.
package tallier

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/tally"
)

const (
	noteTime  = 5 * time.Second // for the row of a batch that was imported
	restTime  = 5 * time.Minute // without further tries after a failure: sweep writes what is missing
	writeMost = 5               // attempts of a conditional write
)

// Batches reads batches and manifests. It is *archive.Batches without what writes.
type Batches interface {
	Read(ctx context.Context, name string) (data []byte, etag string, err error)
	ReadManifest(ctx context.Context, folder string, each func(archive.BatchInfo)) (archive.Manifest, error)
	InRun(ctx context.Context, folder string) iter.Seq2[archive.BatchInfo, error]
}

// Logs reads the journals' logs. It is *archive.Logs.
type Logs interface {
	journal.Logs
	InRun(ctx context.Context, folder string) iter.Seq2[archive.LogInfo, error]
}

// Options holds what a Tallier works with.
type Options struct {
	Table   *tally.Table
	Reports *archive.Documents
	Batches Batches
	Logs    Logs
	Region  string           // of numbers in national form
	Now     func() time.Time // the present, by this host's clock
}

// Tallier writes the table and the documents. It is safe for concurrent use, also with other processes.
type Tallier struct {
	opts Options

	mu     sync.Mutex // guards the fields below
	failed time.Time  // when a row could not be written; zero: the last one could
	saved  map[string]string

	invalid     tally.Invalid // as it was read or written last
	invalidRead time.Time     // zero: never
}

// New returns a Tallier. It makes no request.
func New(o Options) *Tallier { return &Tallier{opts: o, saved: map[string]string{}} }

// Imported is a batch whose journal has its end.
type Imported struct {
	Batch  string
	Data   []byte        // of the batch
	State  journal.State // of its journal, at Length
	Length int64
	Names  map[string]string // addresses of mailboxes by their object ids, as far as they were looked up

	// Checked has the addresses of the mapping file that were looked up, and whether each belongs to a valid user.
	Checked map[string]bool
}

// NoteBatch writes the row of a batch. The caller holds the lease of the batch's journal. It never fails, and takes a
// few seconds at most: what it cannot write, sweep does. After a failure it does nothing for restTime.
func (t *Tallier) NoteBatch(ctx context.Context, log *slog.Logger, i Imported) {
	t.mu.Lock()
	rests := !t.failed.IsZero() && t.opts.Now().Sub(t.failed).Abs() < restTime
	t.mu.Unlock()
	if rests {
		return
	}
	limited, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	err := errors.Join(t.noteNames(limited, i.Names), t.noteChecked(limited, i.Checked), t.put(limited, i))
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.failed = time.Time{}
	case ctx.Err() != nil: // the lease was lost, or the process ends
	default:
		t.failed = t.opts.Now()
		log.Warn("the totals of a batch could not be written; sweep writes them", "event", "import.totalsLate",
			"error", err.Error())
	}
}

// put writes the row of a batch, unless there is one of the same or a longer journal.
func (t *Tallier) put(ctx context.Context, i Imported) error {
	row := tally.OfBatch(i.State, i.Length)
	if row.Unmapped > 0 { // before the row: a row of this length means that the document is there
		if err := t.putUnmapped(ctx, i); err != nil {
			return err
		}
	}
	for range writeMost {
		err := t.opts.Table.Add(ctx, i.Batch, row)
		if !errors.Is(err, tally.ErrExists) {
			return err
		}
		there, err := t.opts.Table.Get(ctx, i.Batch)
		switch {
		case errors.Is(err, tally.ErrNotFound):
			continue
		case err != nil:
			return err
		case there.Length > row.Length || there.Same(i.Batch, row):
			return nil
		}
		if there.Unmapped > 0 && row.Unmapped == 0 {
			if err := t.putUnmapped(ctx, i); err != nil {
				return err
			}
		}
		if err = t.opts.Table.Replace(ctx, i.Batch, row, there.ETag); !isOverwritten(err) {
			return err
		}
	}
	return fmt.Errorf("write the row of a batch: %w", tally.ErrChanged)
}

// isOverwritten reports whether a conditional write failed for its condition.
func isOverwritten(err error) bool {
	return errors.Is(err, tally.ErrChanged) || errors.Is(err, tally.ErrNotFound) || errors.Is(err, tally.ErrExists) ||
		errors.Is(err, archive.ErrChanged) || errors.Is(err, archive.ErrExists)
}

// Repair writes the row of a batch from its journal, if it has another one. Unless trusted, the document of its
// unmapped numbers is written, too: otherwise a row that is right means that the document is.
func (t *Tallier) Repair(ctx context.Context, batch string, trusted bool) error {
	for range writeMost {
		// The row is read before the journal. So the journal is at least as long as when the row was written, and a row
		// that is longer is wrong.
		there, err := t.opts.Table.Get(ctx, batch)
		if err != nil && !errors.Is(err, tally.ErrNotFound) {
			return err
		}
		state, length, err := journal.ReadLength(ctx, t.opts.Logs, batch)
		if err != nil {
			return err
		}
		if length == 0 { // its lease was taken, and nothing was written
			return nil
		}
		row := tally.OfBatch(state, length)
		same := there != nil && there.Same(batch, row)
		if same && trusted {
			return nil
		}
		if row.Unmapped > 0 || there != nil && there.Unmapped > 0 {
			data, _, err := t.opts.Batches.Read(ctx, batch)
			if err != nil && !errors.Is(err, archive.ErrNotFound) { // retention has deleted the batch
				return fmt.Errorf("read a batch: %w", err)
			}
			i := Imported{Batch: batch, Data: data, State: state, Length: length}
			if err := t.putUnmapped(ctx, i); err != nil {
				return err
			}
		}
		switch {
		case same:
			return nil
		case there == nil:
			err = t.opts.Table.Add(ctx, batch, row)
		default:
			err = t.opts.Table.Replace(ctx, batch, row, there.ETag)
		}
		if !isOverwritten(err) {
			return err
		}
	}
	return fmt.Errorf("write the row of a batch: %w", tally.ErrChanged)
}
