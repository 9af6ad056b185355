package collector

import (
	"bytes"
	"context"
	"fmt"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/record"
)

const (
	maxRecords = 100     // per batch
	maxBytes   = 1 << 20 // per batch; a single larger entry is a batch of its own
)

// batchWriter collects entries into batches. A batch is written only when everything that it refers to exists: an
// entry's media are stored before the entry is added.
type batchWriter struct {
	batches  *archive.Batches
	folder   string
	progress *schedule.Progress // its counts are updated with every batch
	firsts   *firsts.Firsts     // of the run
	report   func()             // is called after each batch
	lines    bytes.Buffer
	records  int
	entries  []firsts.Identity // one for each line
}

func (c *Collector) newWriter(win *activeWindow, p *schedule.Progress) *batchWriter {
	report := func() {
		if win.state != nil {
			win.reading = p
			win.state.report()
		}
	}
	return &batchWriter{batches: c.batches, folder: win.Folder, progress: p, firsts: win.firsts, report: report}
}

// add appends the entry to the current batch. If the entry does not fit, the current batch is written first.
func (w *batchWriter) add(ctx context.Context, e record.Entry) error {
	id := firsts.IdentityOf(e)
	line, err := w.firsts.EncodeLine(e, id, w.entries)
	if err != nil {
		return err
	}
	if w.records > 0 && (w.records+e.Records() > maxRecords || w.lines.Len()+len(line) > maxBytes) {
		if err := w.flush(ctx); err != nil {
			return err
		}
		// The first record may be in the batch just written.
		if line, err = w.firsts.EncodeLine(e, id, w.entries); err != nil {
			return err
		}
	}
	w.lines.Write(line)
	w.records += e.Records()
	w.entries = append(w.entries, id)
	for _, m := range e.Media {
		if m.Gone != "" {
			w.progress.Incomplete++
		}
	}
	return nil
}

// flush writes the current batch, unless it is empty.
func (w *batchWriter) flush(ctx context.Context) error {
	if w.records == 0 {
		return nil
	}
	seq, name := w.progress.Batches+1, ""
	err := onStorage(ctx, func(ctx context.Context) (err error) {
		name, err = w.batches.Write(ctx, w.folder, seq, w.lines.Bytes(), w.records)
		return err
	})
	if err != nil {
		return fmt.Errorf("write batch %05d: %w", seq, err)
	}
	w.progress.Batches = seq
	w.progress.Records += w.records
	w.firsts.Add(name, w.entries)
	w.lines.Reset()
	w.records, w.entries = 0, nil
	w.report()
	return nil
}
