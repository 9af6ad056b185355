package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/client"
)

var (
	// errSlow reports that an attachment's time is over.
	errSlow = fmt.Errorf("%w: an attachment took longer than it may", client.ErrUnavailable)
	// errTrickles reports that an attachment arrives too slowly.
	errTrickles = fmt.Errorf("%w: an attachment comes too slowly", client.ErrUnavailable)
	// errNoTime reports that the window or the invocation has no time left for attachments.
	errNoTime = fmt.Errorf("%w: there is no time left for attachments", client.ErrUnavailable)
)

// attachmentBudget returns the time that the window may spend on one attachment of size bytes; size 0 is unknown and
// treated as 1 MiB. The result may be negative.
func (inv *invocation) attachmentBudget(win *schedule.Window, size int64) time.Duration {
	l := inv.limits
	if size <= 0 {
		size = 1 << 20
	}
	own := min(l.longest, l.attachment+time.Duration(float64(size)/float64(l.leastRate)*float64(time.Second)))
	return min(own, l.window-inv.mediaTime[win.Folder], l.invocation-inv.mediaAll)
}

// noteAttachmentTime adds the time that an attachment has taken to that of its window and of the invocation.
func (inv *invocation) noteAttachmentTime(win *schedule.Window, took time.Duration) {
	inv.mediaTime[win.Folder] += took
	inv.mediaAll += took
}

// askWithinBudget calls store, which downloads one attachment from the site, with a time limit. An attachment that
// exceeds it counts as unavailable for now: the item is deferred, and the window continues.
func (c *Collector) askWithinBudget(ctx context.Context, win *activeWindow, src telemessage.AttachmentSource,
	store func(context.Context) (record.Media, error)) (record.Media, error) {
	allowed := win.inv.attachmentBudget(win.Window, src.Size)
	if allowed <= 0 {
		return record.Media{}, errNoTime
	}
	own, cancel := context.WithTimeoutCause(ctx, allowed, errSlow)
	defer cancel()
	began := time.Now()
	m, err := store(own)
	win.inv.noteAttachmentTime(win.Window, time.Since(began))
	var gone goneError
	if err != nil && own.Err() != nil && ctx.Err() == nil && !errors.As(err, &gone) {
		return record.Media{}, errSlow
	}
	return m, err
}

// pacedReader returns errTrickles if fewer than least bytes a second arrive. Only the time spent in Read counts.
type pacedReader struct {
	io.ReadCloser
	least  int64
	judged time.Duration // interval between two checks
	waited time.Duration
	got    int64
}

func (p *pacedReader) Read(b []byte) (int, error) {
	began := time.Now()
	n, err := p.ReadCloser.Read(b)
	p.waited += time.Since(began)
	p.got += int64(n)
	if err == nil && p.waited >= p.judged {
		if float64(p.got) < float64(p.least)*p.waited.Seconds() {
			return n, errTrickles
		}
		p.waited, p.got = 0, 0
	}
	return n, err
}
