package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// earlierAttempt is what an earlier reading of a window has left beyond the saved cursor: it was cut off before it could save it, or the
// cursor expired. What it found out of the attachments stands, though the source may answer differently by
// now: only so does the second reading write the same batches, and no item comes twice.
type earlierAttempt struct {
	media map[string][]record.Media // by the SHA-256 of an item that is in a batch
	aside map[string]bool           // keys of the waiting room
}

// noteEntry remembers what became of the attachments of an entry's items.
func (p *earlierAttempt) noteEntry(e record.Entry) {
	rest := e.Media
	for _, item := range e.Items {
		n := len(rest)
		if len(e.Items) > 1 { // a piece's attachments are followed by those of the next one
			outline, err := telemessage.Peek(item.Raw)
			if err != nil {
				return
			}
			n = min(n, len(outline.Attachments))
		}
		if n > 0 {
			p.media[item.SHA256] = rest[:n:n]
		}
		rest = rest[n:]
	}
}

// readEarlierAttempt finds out what is there, and which messages are in the run's batches if that isn't known yet. For a window that has just
// begun it costs two listings.
func (c *Collector) readEarlierAttempt(ctx context.Context, s *activeWindow) (*earlierAttempt, error) {
	p := &earlierAttempt{media: map[string][]record.Media{}, aside: map[string]bool{}}
	// Only the keys that this window may have given: the room may be large.
	err := onStorage(ctx, func(ctx context.Context) error {
		for _, reason := range []string{waitsForMedia, waitsForPieces} {
			_, err := c.store.EachWaiting(ctx, deferredPrefix(s.Window, reason), maxRoom, func(key, _ string, _ time.Time) { p.aside[key] = true })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var batches []archive.BatchInfo
	err = onStorage(ctx, func(ctx context.Context) (err error) {
		batches, err = c.store.Batches(ctx, s.Folder)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the run's batches: %w", err)
	}
	inOrder(batches)
	known, first := s.firsts != nil, newFirsts()
	for _, b := range batches {
		seq, ok := archive.BatchNumber(b.Name)
		if !ok || known && seq <= s.Progress.Batches {
			continue
		}
		var data []byte
		err = onStorage(ctx, func(ctx context.Context) (err error) {
			data, _, err = c.store.ReadBatch(ctx, b.Name)
			return err
		})
		if isUnusable(err) {
			// It only serves to name the first of two records and to find attachments again: where it can't, import
			// decides and the attachments are asked for again. Import refuses the batch, and sweep names it.
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read a batch of an earlier try: %w", err)
		}
		if !known {
			first.addBatch(b.Name, data)
		}
		if seq <= s.Progress.Batches {
			continue
		}
		for line := range bytes.Lines(data) {
			var e record.Entry
			if json.Unmarshal(line, &e) == nil && len(e.Media) > 0 {
				p.noteEntry(e)
			}
		}
	}
	if !known {
		s.firsts = first
	}
	return p, nil
}

// isUnusable reports whether a batch is not there as it was written: no later try reads anything else before a person has
// restored it.
func isUnusable(err error) bool {
	return errors.Is(err, archive.ErrDigest) || errors.Is(err, archive.ErrNotFound) ||
		errors.Is(err, archive.ErrTooLarge) || errors.Is(err, archive.ErrArchived)
}
