package collector

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// maxMedia bounds what one attachment may send: the source is not trusted to end.
const maxMedia = 2 << 30

// contentTries is after how many attachments in a row that are out of reach a run stops asking for them: each
// costs the time of all the client's tries, and the texts of the day shall not wait for them.
const contentTries = 5

// errTooMuch ends the reading of an attachment beyond maxMedia.
var errTooMuch = errors.New("the attachment is larger than 2 GiB")

// processItem makes the entry of one item and puts it where it belongs: into a batch, or, if something
// that it needs is missing for now, into the waiting room. index is its place in the page.
func (c *Collector) processItem(ctx context.Context, s *activeWindow, p *schedule.Progress, w *batchWriter, parts *longsms.Groups, it telemessage.Item, index int) error {
	if it.Big != nil {
		return c.keepBigItem(ctx, s.Window, w, it, index)
	}
	entry := record.Entry{Version: 1, Until: s.UntilTime(), Items: []record.Item{{SHA256: it.SHA256, Raw: it.Raw}}}
	outline, err := telemessage.Peek(it.Raw)
	if err != nil {
		return w.add(ctx, entry) // import quarantines it and says why
	}
	if outline.MessageID == "" {
		p.Derived++
	}
	if it.Whole != nil {
		if entry.RawBlob, entry.RawHash, _, err = c.keepRaw(ctx, s.Window, it.Whole, index); err != nil {
			return err
		}
	}
	if outline.Segment != nil && !outline.Faulty && it.Whole == nil {
		return c.processPart(ctx, s, p, parts, outline, entry, index)
	}
	if outline.Kind == record.System || len(outline.Attachments) == 0 {
		return w.add(ctx, entry)
	}
	if known := s.past.media[it.SHA256]; len(known) == len(outline.Attachments) {
		entry.Media = known
		return w.add(ctx, entry)
	}
	if s.isDeferred(p, index, waitsForMedia, it.SHA256) {
		p.SetAside++
		return nil
	}
	tries := 0
	if !s.onlyTexts && s.contentAway < contentTries && s.inv.attachmentBudget(s.Window, 1) > 0 {
		tries = 1
	}
	media, away, err := c.storeMedia(ctx, s, it.Raw, outline.Attachments, nil, patientWith)
	if err != nil {
		return err
	}
	entry.Media = media
	if away {
		return c.deferItem(ctx, s, p, index, deferred{Reason: waitsForMedia, Tries: tries, Entry: entry})
	}
	return w.add(ctx, entry)
}

// keepBigItem keeps the bytes of an item that is too large to be a record, or no valid JSON; import quarantines it.
func (c *Collector) keepBigItem(ctx context.Context, s *schedule.Window, w *batchWriter, it telemessage.Item, index int) error {
	blob, sha, size, err := c.keepRaw(ctx, s, it.Big, index)
	if err != nil {
		return err
	}
	return w.add(ctx, record.Entry{Version: 1, ID: it.ID(), RawBlob: blob, RawHash: sha,
		Fault: fmt.Sprintf("%s; its %d bytes are kept", it.Why, size)})
}

// keepRaw keeps the bytes of an item that do not go into a batch, or not all of them.
func (c *Collector) keepRaw(ctx context.Context, s *schedule.Window, all io.Reader, index int) (blob, sha string, size int64, err error) {
	// The name counts within the page, and pages within the run, so that the same page again gives the same name. Should
	// the page have changed, the hash of the item's beginning keeps its bytes from those that are there; and should only its
	// end have changed, the bytes get a name beside it.
	body := bufio.NewReaderSize(all, 64<<10)
	head, _ := body.Peek(64 << 10) // shorter, or broken off: PutRaw will see
	sum := sha256.Sum256(head)
	name := fmt.Sprintf("%s/%05d-%04d-%s", s.Folder, s.Progress.Batches, index, hex.EncodeToString(sum[:8]))
	stored, sha, size, err := c.store.KeepRaw(ctx, name, body)
	if err != nil {
		return "", "", 0, fmt.Errorf("keep the bytes of an item: %w", err)
	}
	return "raw/" + stored, sha, size, nil
}

// goneError is the reason, in plain words, why an attachment can never be had.
type goneError string

func (g goneError) Error() string { return string(g) }

// limitedReader fails with errTooMuch, instead of ending, where there is more than left.
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
