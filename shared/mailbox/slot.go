package mailbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// place is what the client keeps of one mailbox: who may talk to it, from when on, and its folder.
type place struct {
	permits chan struct{} // a value for each slot that is taken; Go serves waiting senders in order

	mu     sync.Mutex
	opens  time.Time // before it nothing is sent: the service said Retry-After
	folder string    // id of the target folder; "" if it isn't known

	resolving chan struct{} // holds one value while somebody finds the folder
}

// Slot is one of the few places at a mailbox. Its requests go one after the other: a Slot
// must not be used by two goroutines at the same time.
type Slot struct {
	c       *Client
	user    string
	place   *place
	release sync.Once
}

// Slot waits for a place at the mailbox of user (a directory object id), in turn, and then for
// the end of a pause that the service asked for. It makes no request. The error is ctx's cause.
func (c *Client) Slot(ctx context.Context, user string) (*Slot, error) {
	if user == "" {
		return nil, errors.New("no user to write to")
	}
	p := c.place(user)
	select {
	case p.permits <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s := &Slot{c: c, user: user, place: p}
	if err := s.wait(ctx); err != nil {
		s.Release()
		return nil, err
	}
	return s, nil
}

// Release gives the place to the next in line. It is safe to call twice.
func (s *Slot) Release() { s.release.Do(func() { <-s.place.permits }) }

func (c *Client) place(user string) *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.mailboxes[user]
	if p == nil {
		p = &place{permits: make(chan struct{}, c.permits), resolving: make(chan struct{}, 1)}
		c.mailboxes[user] = p
	}
	return p
}

// wait lasts until the mailbox's gate is open. Another slot may close it again meanwhile.
func (s *Slot) wait(ctx context.Context) error {
	for {
		s.place.mu.Lock()
		pause := s.place.opens.Sub(s.c.now())
		s.place.mu.Unlock()
		if pause <= 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// call makes one request at the mailbox when its gate is open, and closes the gate if the
// service asks for a pause. Refused requests count against the limits too, so nobody may try on.
func (s *Slot) call(ctx context.Context, write bool, f func(context.Context) error) (*exchange, error) {
	if err := s.wait(ctx); err != nil {
		return nil, &Error{Kind: Unavailable, Code: "NotSent", cause: err}
	}
	x, err := s.c.call(ctx, write, f)
	s.heed(err)
	return x, err
}

// heed closes the mailbox's gate as long as err says.
func (s *Slot) heed(err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return
	}
	if e.Kind == Throttled && e.RetryAfter == 0 {
		e.RetryAfter = 10 * time.Second
	}
	if e.RetryAfter == 0 {
		return
	}
	// A tenth more, so that several instances don't come back at the same moment.
	opens := s.c.now().Add(e.RetryAfter + rand.N(e.RetryAfter/10+1))
	s.place.mu.Lock()
	defer s.place.mu.Unlock()
	if opens.After(s.place.opens) {
		s.place.opens = opens
	}
}
