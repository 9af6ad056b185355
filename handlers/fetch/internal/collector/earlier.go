package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/telemessage"
)

// earlierAttempt is what an earlier attempt to read the window has left in storage beyond the saved cursor: the attempt
// was interrupted before it could save the cursor, or the cursor expired. Its results for attachments are reused even
// if the source would answer differently by now. Only then does the second attempt write the same batches, so that no
// item is archived twice.
type earlierAttempt struct {
	media        map[string][]record.Media // by the SHA-256 of an item that is in a batch
	deferredKeys map[string]bool           // keys of the deferred items
}

// noteBatch remembers the attachment results of a batch.
func (p *earlierAttempt) noteBatch(data []byte) {
	for line := range bytes.Lines(data) {
		var e record.Entry
		if json.Unmarshal(line, &e) == nil && len(e.Media) > 0 {
			p.noteEntry(e)
		}
	}
}

// noteEntry remembers the attachment results of an entry's items.
func (p *earlierAttempt) noteEntry(e record.Entry) {
	rest := e.Media
	for _, item := range e.Items {
		n := len(rest)
		if len(e.Items) > 1 { // the media of an entry are in the order of its parts
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

// readEarlierAttempt returns what an earlier attempt has left. It also fills s.firsts from the run's batches if that is
// not done yet. For a window that has just begun it costs three list requests.
func (c *Collector) readEarlierAttempt(ctx context.Context, win *activeWindow) (*earlierAttempt, error) {
	p := &earlierAttempt{media: map[string][]record.Media{}, deferredKeys: map[string]bool{}}
	// List only the keys that this window may have created: there may be many deferred items.
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		for _, reason := range []string{waitsForMedia, waitsForParts} {
			_, err := c.deferred.Each(ctx, archive.DeferredPrefix(reason, win.To), maxListed,
				func(key, _ string, _ time.Time) { p.deferredKeys[key] = true })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	known, first := win.firsts != nil, firsts.New()
	run := firsts.Run{Batches: c.batches, Folder: win.Folder, Patience: storagePatience}
	err = run.Each(ctx, func(number int) bool { return !known || number > win.Progress.Batches },
		func(number int, name string, data []byte) {
			if !known {
				first.AddBatch(name, data)
			}
			if number > win.Progress.Batches {
				p.noteBatch(data)
			}
		})
	if err != nil {
		return nil, err
	}
	if !known {
		win.firsts = first
	}
	return p, nil
}
