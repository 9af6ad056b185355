package collector

import (
	"context"
	"fmt"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// batchWriter collects entries into batches. A batch is written only when everything that it refers to exists: an
// entry's media are stored before the entry is added.
type batchWriter struct {
	batches  *archive.Batches
	folder   string
	progress *schedule.Progress // its counts are updated with every batch
	report   func()             // is called after each batch
	next     firsts.Batch
}

func (c *Collector) newWriter(win *activeWindow, p *schedule.Progress) *batchWriter {
	report := func() {
		if win.state != nil {
			win.reading = p
			win.state.report()
		}
	}
	return &batchWriter{batches: c.batches, folder: win.Folder, progress: p, report: report,
		next: firsts.Batch{Firsts: win.firsts}}
}

// add appends the entry to the current batch. If the entry does not fit, the current batch is written first.
func (w *batchWriter) add(ctx context.Context, e record.Entry) error {
	id := firsts.IdentityOf(e)
	fits, err := w.next.Append(e, id)
	if err == nil && !fits {
		if err := w.flush(ctx); err != nil {
			return err
		}
		_, err = w.next.Append(e, id)
	}
	if err != nil {
		return err
	}
	for _, m := range e.Media {
		if m.Gone != "" {
			w.progress.Incomplete++
		}
	}
	return nil
}

// flush writes the current batch, unless it is empty.
func (w *batchWriter) flush(ctx context.Context) error {
	if w.next.Records() == 0 {
		return nil
	}
	seq, name := w.progress.Batches+1, ""
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) (err error) {
		name, err = w.batches.Write(ctx, w.folder, seq, w.next.Lines(), w.next.Records())
		return err
	})
	if err != nil {
		return fmt.Errorf("write batch %05d: %w", seq, err)
	}
	w.progress.Batches = seq
	w.progress.Records += w.next.Records()
	w.next.Written(name)
	w.report()
	return nil
}
