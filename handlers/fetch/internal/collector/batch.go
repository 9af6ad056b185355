package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

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
	firsts   *firsts            // of the run
	lines    bytes.Buffer
	records  int
	entries  []identity // one for each line
}

func (c *Collector) newWriter(win *activeWindow, p *schedule.Progress) *batchWriter {
	return &batchWriter{batches: c.batches, folder: win.Folder, progress: p, firsts: win.firsts}
}

// add appends the entry to the current batch. If the entry does not fit, the current batch is written first.
func (w *batchWriter) add(ctx context.Context, e record.Entry) error {
	id := identityOf(e)
	line, err := w.encodeLine(e, id)
	if err != nil {
		return err
	}
	if w.records > 0 && (w.records+e.Records() > maxRecords || w.lines.Len()+len(line) > maxBytes) {
		if err := w.flush(ctx); err != nil {
			return err
		}
		if line, err = w.encodeLine(e, id); err != nil { // the first record may be in the batch just written
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

// encodeLine returns the entry's line. The line refers to the record of the same message that was collected first,
// unless a record of the message is in the current batch: there the order of the lines decides.
func (w *batchWriter) encodeLine(e record.Entry, id identity) ([]byte, error) {
	here := slices.ContainsFunc(w.entries,
		func(other identity) bool { return len(id.ids) > 0 && slices.Contains(other.ids, id.ids[0]) })
	if e.Earlier = nil; !here {
		e.Earlier = w.firsts.earlier(id)
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line) // it appends the newline
	enc.SetEscapeHTML(false)      // the item's bytes stay as the source sent them
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode an entry: %w", err)
	}
	return line.Bytes(), nil
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
	w.firsts.add(name, w.entries)
	w.lines.Reset()
	w.records, w.entries = 0, nil
	return nil
}
