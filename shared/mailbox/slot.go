package mailbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Turn is a place in the line of those who want to talk to a mailbox. Its Slot must be called, once and soon: whoever
// stands behind it waits for that.
type Turn struct {
	user  string
	place *place
	cost  Cost
	come  chan struct{} // closed when it is this turn's
}

// Slot is one of the few places at a mailbox. Its requests go one after the other: a Slot
// must not be used by two goroutines at the same time.
type Slot struct {
	c       *Client
	user    string
	place   *place
	left    Cost // of what was held for it
	release sync.Once

	// patient has a request wait where the mailbox lets nothing in for a while. Otherwise it fails, so that the caller can let
	// go of what others need, and come back.
	patient bool
}

// Turn takes the next place in the line at the mailbox of user, a directory object id. cost is what is about to be asked of
// the mailbox: the turn comes when there is room for all of it in the mailbox's quota. It makes no request.
func (c *Client) Turn(user string, cost Cost) *Turn {
	t := &Turn{user: user, cost: cost, come: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock() // until the turn is in the line: a place that nobody uses is forgotten
	t.place = c.find(user)
	t.place.mu.Lock()
	defer t.place.mu.Unlock()
	t.place.line = append(t.place.line, t)
	t.place.serve()
	return t
}

// Slot waits for the turn. The error is ctx's cause.
func (t *Turn) Slot(ctx context.Context) (*Slot, error) {
	select {
	case <-t.come:
		return &Slot{c: t.place.c, user: t.user, place: t.place, left: t.cost}, nil
	case <-ctx.Done():
		t.place.leave(t)
		return nil, context.Cause(ctx)
	}
}

// Slot waits for a place at the mailbox of user (a directory object id) for one small request. It makes no request itself.
func (c *Client) Slot(ctx context.Context, user string) (*Slot, error) {
	if user == "" {
		return nil, errors.New("no user to write to")
	}
	return c.Turn(user, brief).Slot(ctx)
}

// Release gives the place to the next in line, and back to the quota what was not used of it. It is safe to call twice.
func (s *Slot) Release() { s.release.Do(func() { s.place.end(s.left) }) }

// brief is the cost of a request that has no message in it.
var brief = Cost{Requests: 1, Bytes: 4 << 10}

// call makes one request with a body of at most size bytes at the mailbox, once more if the token was refused, and closes
// the mailbox's gate if the service asks for a pause. The error is an *Error or nil.
func (s *Slot) call(ctx context.Context, what operation, size int64, f func(context.Context) error) (*exchange, error) {
	x, err := s.once(ctx, size, func() (*exchange, error) { return s.c.once(ctx, what, f) })
	if s.c.tokenRefused(x, err) {
		x, err = s.once(ctx, size, func() (*exchange, error) { return s.c.once(ctx, what, f) })
	}
	return x, err
}

// once makes one request when the mailbox and the whole client have room for it.
func (s *Slot) once(ctx context.Context, size int64, send func() (*exchange, error)) (*exchange, error) {
	if err := s.enter(ctx, size); err != nil {
		return &exchange{}, err
	}
	x, err := send()
	s.c.leave()
	if x.answered() || x.mayHaveArrived() { // refused requests count too
		s.spend(Cost{1, x.size})
	}
	s.heed(err)
	return x, err
}

// enter returns with a permit of the client, and only while the mailbox's gate is open. Who waits for the mailbox has none.
func (s *Slot) enter(ctx context.Context, size int64) error {
	for {
		pause := s.place.admit(s, size)
		switch {
		case pause > 0 && !s.patient:
			return &Error{Kind: Throttled, Code: "NotSent", RetryAfter: pause}
		case pause > 0:
			if err := sleep(ctx, pause); err != nil {
				return &Error{Kind: Unavailable, Code: "NotSent", cause: err}
			}
			continue
		}
		if err := s.c.enter(ctx); err != nil {
			return &Error{Kind: Unavailable, Code: "NotSent", cause: err}
		}
		if s.place.open() {
			return nil
		}
		s.c.leave() // another slot has closed the gate meanwhile
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// spend takes a request that was sent from what is held for the slot.
func (s *Slot) spend(c Cost) {
	held := Cost{min(c.Requests, s.left.Requests), min(c.Bytes, s.left.Bytes)}
	s.left.Requests -= held.Requests
	s.left.Bytes -= held.Bytes
	s.place.spend(held, c)
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
	s.place.close(s.c.now().Add(e.RetryAfter + rand.N(e.RetryAfter/10+1)))
}

// tokenRefused reports whether a request may be made once more for being answered 401. Graph checks the token before anything
// else, so its own 401 means that there was no effect; of another's that is not known.
func (c *Client) tokenRefused(x *exchange, err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Unauthorized || x.status != http.StatusUnauthorized {
		return false
	}
	c.tokens.refuse(x.token, claims(x.challenge))
	return !e.Ambiguous
}
