package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"o2archiver/shared/record"
	"o2archiver/shared/staging"
)

const (
	maxRecords = 100     // of one batch
	maxBytes   = 1 << 20 // of one batch; a single larger entry is a batch of its own
)

// writer gathers entries into batches. A batch is written when all that it needs exists: an entry's
// media are stored before the entry is added.
type writer struct {
	store    *staging.Store
	folder   string
	progress *progress // its numbers go on with every batch
	lines    bytes.Buffer
	records  int
}

func (f *fetcher) newWriter(folder string, p *progress) *writer {
	return &writer{store: f.store, folder: folder, progress: p}
}

// add puts the entry into the current batch, after writing that batch if the entry has no place in it.
func (w *writer) add(ctx context.Context, e record.Entry) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line) // ends the line itself
	enc.SetEscapeHTML(false)      // the item stays as the source wrote it
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("encode an entry: %w", err)
	}
	if w.records > 0 && (w.records+e.Records() > maxRecords || w.lines.Len()+line.Len() > maxBytes) {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.lines.Write(line.Bytes())
	w.records += e.Records()
	for _, m := range e.Media {
		if m.Gone != "" {
			w.progress.Incomplete++
		}
	}
	return nil
}

// flush writes what has been gathered, if anything.
func (w *writer) flush(ctx context.Context) error {
	if w.records == 0 {
		return nil
	}
	seq := w.progress.Batches + 1
	err := onStorage(ctx, func(ctx context.Context) error {
		_, err := w.store.WriteBatch(ctx, w.folder, seq, w.lines.Bytes(), w.records)
		return err
	})
	if err != nil {
		return fmt.Errorf("write batch %05d: %w", seq, err)
	}
	w.progress.Batches = seq
	w.progress.Records += w.records
	w.lines.Reset()
	w.records = 0
	return nil
}
