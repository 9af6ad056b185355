package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

var (
	// errSlow is the cause of the end of an attachment's time.
	errSlow = fmt.Errorf("%w: an attachment took longer than it may", telemessage.ErrUnavailable)
	// errTrickles ends the reading of an attachment that comes too slowly.
	errTrickles = fmt.Errorf("%w: an attachment comes too slowly", telemessage.ErrUnavailable)
	// errNoTime: the window or the invocation has no time left for attachments.
	errNoTime = fmt.Errorf("%w: there is no time left for attachments", telemessage.ErrUnavailable)
)

// attachmentBudget returns how long the window may wait for one attachment that claims so many bytes.
func (inv *invocation) attachmentBudget(s *schedule.Window, size int64) time.Duration {
	l := inv.limits
	if size <= 0 {
		size = 1 << 20
	}
	own := min(l.longest, l.attachment+time.Duration(float64(size)/float64(l.leastRate)*float64(time.Second)))
	return min(own, l.window-inv.mediaTime[s.Folder], l.invocation-inv.mediaAll)
}

// noteAttachmentTime notes the time that an attachment has taken.
func (inv *invocation) noteAttachmentTime(s *schedule.Window, took time.Duration) {
	inv.mediaTime[s.Folder] += took
	inv.mediaAll += took
}

// askWithinBudget stores one attachment from the site within its time. Out of time is out of reach for now: the item is set aside, and
// the window goes on.
func (c *Collector) askWithinBudget(ctx context.Context, s *activeWindow, src telemessage.AttachmentSource,
	store func(context.Context) (record.Media, error)) (record.Media, error) {
	allowed := s.inv.attachmentBudget(s.Window, src.Size)
	if allowed <= 0 {
		return record.Media{}, errNoTime
	}
	own, cancel := context.WithTimeoutCause(ctx, allowed, errSlow)
	defer cancel()
	began := time.Now()
	m, err := store(own)
	s.inv.noteAttachmentTime(s.Window, time.Since(began))
	var gone goneError
	if err != nil && own.Err() != nil && ctx.Err() == nil && !errors.As(err, &gone) {
		return record.Media{}, errSlow
	}
	return m, err
}

// pacedReader fails with errTrickles where less than least bytes a second come. Only the time spent waiting for them counts.
type pacedReader struct {
	io.ReadCloser
	least  int64
	judged time.Duration // from one judgment to the next
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
