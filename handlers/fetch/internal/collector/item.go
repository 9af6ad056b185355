package collector

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/client"
)

// maxMedia is the maximum size of one attachment in bytes: the source is not trusted to end.
const maxMedia = 2 << 30

// contentTries is the number of consecutive unavailable attachments after which a turn requests no more of them. Each
// costs the time of all the client's retries, which must not delay the texts of the day.
const contentTries = 5

// errTooMuch reports an attachment larger than maxMedia.
var errTooMuch = errors.New("the attachment is larger than 2 GiB")

// processItem makes the entry of one item and adds it to a batch, or defers it if something that it needs is not
// available yet. index is its position in the page.
func (c *Collector) processItem(ctx context.Context, win *activeWindow, p *schedule.Progress, w *batchWriter,
	parts *longsms.Groups, it client.Item, index int) error {
	if it.Big != nil {
		return c.keepBigItem(ctx, win.Window, w, it, index)
	}
	entry := record.Entry{Version: 1, Until: win.UntilTime(), Items: []record.Item{{SHA256: it.SHA256, Raw: it.Raw}}}
	outline, err := telemessage.Peek(it.Raw)
	if err != nil {
		return w.add(ctx, entry) // import quarantines it and reports the reason
	}
	if outline.MessageID == "" {
		p.Derived++
	}
	if it.Whole != nil {
		if entry.RawBlob, entry.RawHash, _, err = c.keepRaw(ctx, win.Window, it.Whole, index); err != nil {
			return err
		}
	}
	if outline.Segment != nil && !outline.Faulty && it.Whole == nil {
		return c.processPart(ctx, win, p, parts, outline, entry, index)
	}
	if outline.Kind == record.System || len(outline.Attachments) == 0 {
		return w.add(ctx, entry)
	}
	if known := win.earlier.media[it.SHA256]; len(known) == len(outline.Attachments) {
		entry.Media = known
		return w.add(ctx, entry)
	}
	if win.isDeferred(p, index, waitsForMedia, it.SHA256) {
		p.Deferred++
		return nil
	}
	tries := 0
	if !win.onlyTexts && win.mediaUnavailable < contentTries && win.inv.attachmentBudget(win.Window, 1) > 0 {
		tries = 1
	}
	media, away, err := c.storeMedia(ctx, win, it.Raw, outline.Attachments, nil, requestAgain)
	if err != nil {
		return err
	}
	entry.Media = media
	if away {
		return c.deferItem(ctx, win, p, index, deferred{Reason: waitsForMedia, Tries: tries, Entry: entry})
	}
	return w.add(ctx, entry)
}

// keepBigItem stores the bytes of an item that is too large to be a record, or is no valid JSON, and adds an entry that
// import quarantines.
func (c *Collector) keepBigItem(ctx context.Context, win *schedule.Window, w *batchWriter, it client.Item,
	index int) error {
	blob, sha, size, err := c.keepRaw(ctx, win, it.Big, index)
	if err != nil {
		return err
	}
	return w.add(ctx, record.Entry{Version: 1, ID: it.ID(), RawBlob: blob, RawHash: sha,
		Fault: fmt.Sprintf("%s; its %d bytes are kept", it.Why, size)})
}

// keepRaw stores the bytes of an item that do not fit into a batch. It returns the blob's name, and the SHA-256 in hex
// and the size in bytes of what was stored.
func (c *Collector) keepRaw(ctx context.Context, win *schedule.Window, all io.Reader, index int) (
	blob, sha string, size int64, err error) {
	// If only the item's end has changed since an earlier attempt, KeepRaw stores the bytes under a second name.
	body := bufio.NewReaderSize(all, 64<<10)
	head, _ := body.Peek(64 << 10) // shorter, or an error that KeepRaw will meet as well
	blob, sha, size, err = c.media.KeepRaw(ctx, archive.RawName(win.Folder, win.Progress.Batches, index, head), body)
	if err != nil {
		return "", "", 0, fmt.Errorf("keep the bytes of an item: %w", err)
	}
	return blob, sha, size, nil
}

// goneError is the reason, in plain words, why an attachment is permanently unavailable.
type goneError string

func (g goneError) Error() string { return string(g) }

// limitedReader returns errTooMuch, instead of ending, if the source has more than left bytes.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooMuch
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left+1)])
	l.left -= int64(n)
	return n, err
}
