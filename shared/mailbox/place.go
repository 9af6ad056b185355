package mailbox

import (
	"slices"
	"sync"
	"time"
)

// manyPlaces is how many mailboxes are remembered before those are forgotten that nobody uses: about 20 MB. One that
// is forgotten costs a look for its folder.
const manyPlaces = 50_000

// place is what the client keeps of one mailbox: who may talk to it, from when on, and its folder.
type place struct {
	c *Client

	mu    sync.Mutex
	line  []*Turn
	taken int       // slots
	opens time.Time // before it nothing is sent: the service said Retry-After
	pace  pace
	timer *time.Timer // looks at the line again; nil until it is needed

	folder string // id of the target folder; "" if it isn't known

	resolving chan struct{} // holds one value while somebody finds the folder
}

// place gives the mailbox's place.
func (c *Client) place(user string) *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(user)
}

// find is place with the client's lock held.
func (c *Client) find(user string) *place {
	p := c.mailboxes[user]
	if p == nil {
		if len(c.mailboxes) >= c.forgetAt {
			c.forgetIdle()
		}
		p = &place{c: c, resolving: make(chan struct{}, 1)}
		c.mailboxes[user] = p
	}
	return p
}

// forgetIdle forgets the mailboxes that nobody talks to or waits for, and whose quota is whole again. The others are as
// many as were used within minutes.
func (c *Client) forgetIdle() {
	for user, p := range c.mailboxes {
		p.mu.Lock()
		if len(p.line) == 0 && p.taken == 0 && p.closed() == 0 && p.pace.idle(c.elapsed()) {
			delete(c.mailboxes, user)
		}
		p.mu.Unlock()
	}
	c.forgetAt = max(manyPlaces, 2*len(c.mailboxes)) // so that it is seldom done, however many are in use
}

// elapsed is the time since the client began.
func (c *Client) elapsed() time.Duration { return c.now().Sub(c.began) }

// serve lets in who is next in line, one after the other, as long as there are permits, an open gate and quota. The others
// wait: a message of many bytes is not overtaken by the small ones behind it, which would take from it whatever
// becomes free. The lock is held.
func (p *place) serve() {
	for len(p.line) > 0 && p.taken < p.c.permits {
		next := p.line[0]
		if pause := max(p.closed(), p.pace.wait(p.c.elapsed(), next.cost)); pause > 0 {
			p.serveIn(pause)
			return
		}
		p.pace.hold(next.cost)
		p.taken++
		p.line[0] = nil
		p.line = p.line[1:]
		close(next.come)
	}
}

func (p *place) serveIn(d time.Duration) {
	if p.timer != nil {
		p.timer.Reset(d)
		return
	}
	p.timer = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.serve()
	})
}

// leave takes a turn out of the line that nobody waits for any more, and gives back what it has been given meanwhile.
func (p *place) leave(t *Turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.line, t); i >= 0 {
		p.line = slices.Delete(p.line, i, i+1)
	} else {
		p.pace.free(t.cost)
		p.taken--
	}
	p.serve()
}

// end gives a slot back, and what is left of its cost.
func (p *place) end(left Cost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.free(left)
	p.taken--
	p.serve()
}

// admit holds what one more request of the slot costs beyond what is held for it already, if the gate is open and there is room in
// the quota; otherwise it says when to ask again.
func (p *place) admit(s *Slot, size int64) (pause time.Duration) {
	more := Cost{max(0, 1-s.left.Requests), max(0, size-s.left.Bytes)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pause = max(p.closed(), p.pace.wait(p.c.elapsed(), more)); pause > 0 {
		return pause
	}
	p.pace.hold(more)
	s.left.Requests += more.Requests
	s.left.Bytes += more.Bytes
	return 0
}

// spend notes a request that has ended, and of what was held for it.
func (p *place) spend(held, sent Cost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.free(held)
	p.pace.spend(p.c.elapsed(), sent)
}

// close keeps the gate closed until then. Another slot may have closed it for longer.
func (p *place) close(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.opens) {
		p.opens = until
	}
}

func (p *place) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed() == 0
}

// closed is how long the gate is still closed. The lock is held.
func (p *place) closed() time.Duration { return max(0, p.opens.Sub(p.c.now())) }
