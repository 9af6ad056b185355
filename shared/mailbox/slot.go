package mailbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Ticket is a place in the line of those who want to talk to a mailbox. Its Slot must be called, once and soon: whoever
// stands behind it waits for that.
type Ticket struct {
	user  string
	place *mailboxState
	cost  Cost
	come  chan struct{} // closed when it is this turn's
}

// Session is one of the few places at a mailbox. Its requests go one after the other: a Slot
// must not be used by two goroutines at the same time.
type Session struct {
	c       *Client
	user    string
	place   *mailboxState
	left    Cost // of what was held for it
	release sync.Once

	// patient has a request wait where the mailbox lets nothing in for a while. Otherwise it fails, so that the caller can let
	// go of what others need, and come back.
	patient bool
}

// Queue takes the next place in the line at the mailbox of user, a directory object id. cost is what is about to be asked of
// the mailbox: the turn comes when there is room for all of it in the mailbox's quota. It makes no request.
func (c *Client) Queue(user string, cost Cost) *Ticket {
	t := &Ticket{user: user, cost: cost, come: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock() // until the turn is in the line: a place that nobody uses is forgotten
	t.place = c.findMailbox(user)
	t.place.mu.Lock()
	defer t.place.mu.Unlock()
	t.place.queue = append(t.place.queue, t)
	t.place.admitNext()
	return t
}

// Slot waits for the turn. The error is ctx's cause.
func (t *Ticket) Slot(ctx context.Context) (*Session, error) {
	select {
	case <-t.come:
		return &Session{c: t.place.c, user: t.user, place: t.place, left: t.cost}, nil
	case <-ctx.Done():
		t.place.leaveQueue(t)
		return nil, context.Cause(ctx)
	}
}

// OpenSession waits for a place at the mailbox of user (a directory object id) for one small request. It makes no request itself.
func (c *Client) OpenSession(ctx context.Context, user string) (*Session, error) {
	if user == "" {
		return nil, errors.New("no user to write to")
	}
	return c.Queue(user, smallRequest).Slot(ctx)
}

// Release gives the place to the next in line, and back to the quota what was not used of it. It is safe to call twice.
func (s *Session) Release() { s.release.Do(func() { s.place.releaseSlot(s.left) }) }

// smallRequest is the cost of a request that has no message in it.
var smallRequest = Cost{Requests: 1, Bytes: 4 << 10}

// sendWithToken makes one request with a body of at most size bytes at the mailbox, once more if the token was refused, and closes
// the mailbox's gate if the service asks for a pause. The error is an *Error or nil.
func (s *Session) sendWithToken(ctx context.Context, what operation, size int64, f func(context.Context) error) (*exchange, error) {
	x, err := s.sendAdmitted(ctx, size, func() (*exchange, error) { return s.c.sendOnce(ctx, what, f) })
	if s.c.tokenRefused(x, err) {
		x, err = s.sendAdmitted(ctx, size, func() (*exchange, error) { return s.c.sendOnce(ctx, what, f) })
	}
	return x, err
}

// sendAdmitted makes one request when the mailbox and the whole client have room for it.
func (s *Session) sendAdmitted(ctx context.Context, size int64, send func() (*exchange, error)) (*exchange, error) {
	if err := s.waitForPermit(ctx, size); err != nil {
		return &exchange{}, err
	}
	x, err := send()
	s.c.releasePermit()
	if x.answered() || x.mayHaveArrived() { // refused requests count too
		s.spend(Cost{1, x.size})
	}
	s.applyRetryAfter(err)
	return x, err
}

// waitForPermit returns with a permit of the client, and only while the mailbox's gate is open. Who waits for the mailbox has none.
func (s *Session) waitForPermit(ctx context.Context, size int64) error {
	for {
		pause := s.place.admitRequest(s, size)
		switch {
		case pause > 0 && !s.patient:
			return &Error{Kind: Throttled, Code: "NotSent", RetryAfter: pause}
		case pause > 0:
			if err := sleepFor(ctx, pause); err != nil {
				return &Error{Kind: Unavailable, Code: "NotSent", cause: err}
			}
			continue
		}
		if err := s.c.acquirePermit(ctx); err != nil {
			return &Error{Kind: Unavailable, Code: "NotSent", cause: err}
		}
		if s.place.isOpen() {
			return nil
		}
		s.c.releasePermit() // another slot has closed the gate meanwhile
	}
}

func sleepFor(ctx context.Context, d time.Duration) error {
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
func (s *Session) spend(c Cost) {
	held := Cost{min(c.Requests, s.left.Requests), min(c.Bytes, s.left.Bytes)}
	s.left.Requests -= held.Requests
	s.left.Bytes -= held.Bytes
	s.place.chargeQuota(held, c)
}

// applyRetryAfter closes the mailbox's gate as long as err says.
func (s *Session) applyRetryAfter(err error) {
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
	s.place.pauseUntil(s.c.now().Add(e.RetryAfter + rand.N(e.RetryAfter/10+1)))
}

// tokenRefused reports whether a request may be made once more for being answered 401. Graph checks the token before anything
// else, so its own 401 means that there was no effect; of another's that is not known.
func (c *Client) tokenRefused(x *exchange, err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Unauthorized || x.status != http.StatusUnauthorized {
		return false
	}
	c.tokens.refuse(x.token, claimsChallenge(x.challenge))
	return !e.Ambiguous
}
