package mailbox

import (
	"slices"
	"sync"
	"time"
)

// manyPlaces is how many mailboxes are remembered before those are forgotten that nobody uses: about 20 MB. One that
// is forgotten costs a look for its folder.
const manyPlaces = 50_000

// mailboxState is what the client keeps of one mailbox: who may talk to it, from when on, and its folder.
type mailboxState struct {
	c *Client

	mu    sync.Mutex
	queue []*Ticket
	taken int       // slots
	opens time.Time // before it nothing is sent: the service said Retry-After
	pace  quotaWindow
	timer *time.Timer // looks at the line again; nil until it is needed

	folder string // id of the target folder; "" if it isn't known

	resolving chan struct{} // holds one value while somebody finds the folder
}

// mailboxOf gives the mailbox's place.
func (c *Client) mailboxOf(user string) *mailboxState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.findMailbox(user)
}

// findMailbox is place with the client's lock held.
func (c *Client) findMailbox(user string) *mailboxState {
	p := c.mailboxes[user]
	if p == nil {
		if len(c.mailboxes) >= c.forgetAt {
			c.forgetIdle()
		}
		p = &mailboxState{c: c, resolving: make(chan struct{}, 1)}
		c.mailboxes[user] = p
	}
	return p
}

// forgetIdle forgets the mailboxes that nobody talks to or waits for, and whose quota is whole again. The others are as
// many as were used within minutes.
func (c *Client) forgetIdle() {
	for user, p := range c.mailboxes {
		p.mu.Lock()
		if len(p.queue) == 0 && p.taken == 0 && p.pausedFor() == 0 && p.pace.idle(c.elapsed()) {
			delete(c.mailboxes, user)
		}
		p.mu.Unlock()
	}
	c.forgetAt = max(manyPlaces, 2*len(c.mailboxes)) // so that it is seldom done, however many are in use
}

// elapsed is the time since the client began.
func (c *Client) elapsed() time.Duration { return c.now().Sub(c.began) }

// admitNext lets in who is next in line, one after the other, as long as there are permits, an open gate and quota. The others
// wait: a message of many bytes is not overtaken by the small ones behind it, which would take from it whatever
// becomes free. The lock is held.
func (p *mailboxState) admitNext() {
	for len(p.queue) > 0 && p.taken < p.c.permits {
		next := p.queue[0]
		if pause := max(p.pausedFor(), p.pace.waitFor(p.c.elapsed(), next.cost)); pause > 0 {
			p.admitAfter(pause)
			return
		}
		p.pace.reserve(next.cost)
		p.taken++
		p.queue[0] = nil
		p.queue = p.queue[1:]
		close(next.come)
	}
}

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

// leaveQueue takes a turn out of the line that nobody waits for any more, and gives back what it has been given meanwhile.
func (p *mailboxState) leaveQueue(t *Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, t); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	} else {
		p.pace.unreserve(t.cost)
		p.taken--
	}
	p.admitNext()
}

// releaseSlot gives a slot back, and what is left of its cost.
func (p *mailboxState) releaseSlot(left Cost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.unreserve(left)
	p.taken--
	p.admitNext()
}

// admitRequest holds what one more request of the slot costs beyond what is held for it already, if the gate is open and there is room in
// the quota; otherwise it says when to ask again.
func (p *mailboxState) admitRequest(s *Session, size int64) (pause time.Duration) {
	more := Cost{max(0, 1-s.left.Requests), max(0, size-s.left.Bytes)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pause = max(p.pausedFor(), p.pace.waitFor(p.c.elapsed(), more)); pause > 0 {
		return pause
	}
	p.pace.reserve(more)
	s.left.Requests += more.Requests
	s.left.Bytes += more.Bytes
	return 0
}

// chargeQuota notes a request that has ended, and of what was held for it.
func (p *mailboxState) chargeQuota(held, sent Cost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.unreserve(held)
	p.pace.charge(p.c.elapsed(), sent)
}

// pauseUntil keeps the gate closed until then. Another slot may have closed it for longer.
func (p *mailboxState) pauseUntil(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.opens) {
		p.opens = until
	}
}

func (p *mailboxState) isOpen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pausedFor() == 0
}

// pausedFor is how long the gate is still closed. The lock is held.
func (p *mailboxState) pausedFor() time.Duration { return max(0, p.opens.Sub(p.c.now())) }
