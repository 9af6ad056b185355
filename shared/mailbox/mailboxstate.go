package mailbox

import (
	"slices"
	"sync"
	"time"

	"o2archiver/shared/lock"
)

// manyMailboxes is the number of mailboxes whose state is kept before the idle ones are forgotten: about 20 MB. A
// forgotten mailbox costs one look-up of its folder.
const manyMailboxes = 50_000

// mailboxState is the state that the client keeps of one mailbox: its queue and slots, its pause, its quota and its
// folder. It is the only place that admits requests to the mailbox.
type mailboxState struct {
	c *Client

	mu    sync.Mutex
	queue []*Ticket // in the order of admission
	taken int       // slots in use
	opens time.Time // nothing is sent before this time, because of a Retry-After
	quota quotaWindow
	timer *time.Timer // calls admitNext; nil until it is needed

	folder string // id of the target folder; "" if it is not known

	resolving lock.Mutex // held while a session resolves the folder
}

// mailboxOf returns the state of the user's mailbox.
func (c *Client) mailboxOf(user string) *mailboxState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.findMailbox(user)
}

// findMailbox is mailboxOf with c.mu held.
func (c *Client) findMailbox(user string) *mailboxState {
	p := c.mailboxes[user]
	if p == nil {
		if len(c.mailboxes) >= c.forgetAt {
			c.forgetIdle()
		}
		p = &mailboxState{c: c, resolving: lock.New()}
		c.mailboxes[user] = p
	}
	return p
}

// forgetIdle drops the state of the mailboxes that have no session and no ticket, are not paused and whose quota is
// whole. The remaining ones are only those that were used within the last minutes. c.mu must be held.
func (c *Client) forgetIdle() {
	for user, p := range c.mailboxes {
		p.mu.Lock()
		if len(p.queue) == 0 && p.taken == 0 && p.pausedFor() == 0 && p.quota.idle(c.elapsed()) {
			delete(c.mailboxes, user)
		}
		p.mu.Unlock()
	}
	c.forgetAt = max(manyMailboxes, 2*len(c.mailboxes)) // so that it runs seldom, however many are in use
}

// elapsed returns the time since the client was created.
func (c *Client) elapsed() time.Duration { return c.now().Sub(c.began) }

// admitNext admits the tickets at the head of the queue, one after the other, while there are free slots, the mailbox
// is not paused and its quota has room for all of the ticket's cost. The queue is strictly first in, first out: a
// message of many bytes is not overtaken by the small ones behind it, which would otherwise take all quota that
// becomes free. p.mu must be held.
func (p *mailboxState) admitNext() {
	for len(p.queue) > 0 && p.taken < p.c.permits {
		next := p.queue[0]
		if pause := max(p.pausedFor(), p.quota.waitFor(p.c.elapsed(), next.cost)); pause > 0 {
			p.admitAfter(pause)
			return
		}
		p.quota.reserve(next.cost)
		p.taken++
		p.queue[0] = nil
		p.queue = p.queue[1:]
		close(next.admitted)
	}
}

// admitAfter makes admitNext run again after d. p.mu must be held.
func (p *mailboxState) admitAfter(d time.Duration) {
	if p.timer != nil {
		p.timer.Reset(d)
		return
	}
	p.timer = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.admitNext()
	})
}

// leaveQueue removes a ticket whose wait was canceled. If the ticket was admitted in the meantime, its slot and its
// quota are released.
func (p *mailboxState) leaveQueue(t *Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, t); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	} else {
		p.quota.unreserve(t.cost)
		p.taken--
	}
	p.admitNext()
}

// releaseSlot releases a slot and the part of its cost that was not used.
func (p *mailboxState) releaseSlot(left Cost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quota.unreserve(left)
	p.taken--
	p.admitNext()
}

// admitRequest reserves what one more request of the session costs beyond what is still reserved for the session. If
// the mailbox is paused or its quota has no room, it reserves nothing and returns the time until the next attempt.
func (p *mailboxState) admitRequest(s *Session, size int64) (pause time.Duration) {
	more := Cost{max(0, 1-s.left.Requests), max(0, size-s.left.Bytes)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pause = max(p.pausedFor(), p.quota.waitFor(p.c.elapsed(), more)); pause > 0 {
		return pause
	}
	p.quota.reserve(more)
	s.left.Requests += more.Requests
	s.left.Bytes += more.Bytes
	return 0
}

// chargeQuota records a request that has ended: held is what was reserved for it, sent what it cost.
func (p *mailboxState) chargeQuota(held, sent Cost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quota.unreserve(held)
	p.quota.charge(p.c.elapsed(), sent)
}

// pauseUntil pauses the mailbox until the given time, unless it is paused for longer already.
func (p *mailboxState) pauseUntil(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.opens) {
		p.opens = until
	}
}

// isOpen reports whether the mailbox is not paused.
func (p *mailboxState) isOpen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pausedFor() == 0
}

// pausedFor returns how long the mailbox is still paused. p.mu must be held.
func (p *mailboxState) pausedFor() time.Duration { return max(0, p.opens.Sub(p.c.now())) }
