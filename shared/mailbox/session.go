package mailbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Ticket is a place in the queue of a mailbox. Slot or Admit MUST be called on it once and soon, because the tickets
// behind it wait for its session to end.
type Ticket struct {
	user     string // directory object id
	mailbox  *mailboxState
	cost     Cost          // reserved on admission
	admitted chan struct{} // closed on admission
}

// Session is the right to send requests to a mailbox, and holds one of the mailbox's few slots. The requests of a
// Session are sent one after the other; it MUST NOT be used by two goroutines at the same time. Release MUST be called.
type Session struct {
	c       *Client
	user    string
	mailbox *mailboxState
	left    Cost // the part of the reserved cost that is not used yet
	leave   sync.Once
	held    func() // releases what Admit has acquired besides the slot; nil: nothing

	// patient is whether a request waits while the mailbox is paused or its quota has no room. Otherwise the request
	// fails, so that the caller can release what other copies need and return later.
	patient bool
}

// Queue appends a ticket to the queue of the mailbox of user, a directory object id. cost is what the caller is going
// to send to the mailbox. The ticket is admitted only when the mailbox's quota has room for all of it. Queue sends no
// request and does not wait.
func (c *Client) Queue(user string, cost Cost) *Ticket {
	t := &Ticket{user: user, cost: cost, admitted: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock() // held until the ticket is queued: forgetIdle would drop the state of an idle mailbox
	t.mailbox = c.findMailbox(user)
	t.mailbox.mu.Lock()
	defer t.mailbox.mu.Unlock()
	t.mailbox.queue = append(t.mailbox.queue, t)
	t.mailbox.admitNext()
	return t
}

// Slot waits until the ticket is admitted and returns the session. If ctx ends first, the ticket leaves the queue and
// the error is ctx's cause.
func (t *Ticket) Slot(ctx context.Context) (*Session, error) {
	select {
	case <-t.admitted:
		return &Session{c: t.mailbox.c, user: t.user, mailbox: t.mailbox, left: t.cost}, nil
	case <-ctx.Done():
		t.mailbox.leaveQueue(t)
		return nil, context.Cause(ctx)
	}
}

// OpenSession waits for a session with the mailbox of user (a directory object id) for one small request. It sends no
// request itself.
func (c *Client) OpenSession(ctx context.Context, user string) (*Session, error) {
	if user == "" {
		return nil, errors.New("no user to write to")
	}
	return c.Queue(user, smallRequest).Slot(ctx)
}

// LeaveMailbox releases the slot, and the part of the quota that was reserved and not used. No request may be sent
// after that. It is safe to call twice. What Admit acquired besides the slot, the memory and the worker slot, is held
// until Release.
func (s *Session) LeaveMailbox() { s.leave.Do(func() { s.mailbox.releaseSlot(s.left) }) }

// Release releases everything that the session holds. It is safe to call twice.
func (s *Session) Release() {
	s.LeaveMailbox()
	if held := s.held; held != nil {
		s.held = nil
		held()
	}
}

// smallRequest is the cost of a request that does not carry a message.
var smallRequest = Cost{Requests: 1, Bytes: 4 << 10}

// sendWithToken sends one request with a body of at most size bytes to the mailbox. If Graph refuses the token, the
// request is sent once more with a fresh token. If Graph asks for a pause, the mailbox is paused. The error is an
// *Error or nil.
func (s *Session) sendWithToken(
	ctx context.Context, what operation, size int64, f func(context.Context) error,
) (*exchange, error) {
	x, err := s.sendAdmitted(ctx, size, func() (*exchange, error) { return s.c.sendOnce(ctx, what, f) })
	if s.c.tokenRefused(x, err) {
		x, err = s.sendAdmitted(ctx, size, func() (*exchange, error) { return s.c.sendOnce(ctx, what, f) })
	}
	return x, err
}

// sendAdmitted sends one request as soon as the mailbox is not paused, its quota has room and a permit is free.
func (s *Session) sendAdmitted(ctx context.Context, size int64, send func() (*exchange, error)) (*exchange, error) {
	if err := s.waitForPermit(ctx, size); err != nil {
		return &exchange{}, err
	}
	x, err := send()
	s.c.admission.releasePermit()
	if x.answered() || x.mayHaveArrived() { // Graph counts refused requests too
		s.chargeRequest(Cost{1, x.size})
	}
	s.applyRetryAfter(err)
	return x, err
}

// waitForPermit acquires one of the client's permits. It first waits until the mailbox is not paused and its quota has
// room; a session that is not patient fails with kind Throttled instead. Meanwhile the session holds no permit.
func (s *Session) waitForPermit(ctx context.Context, size int64) error {
	for {
		pause := s.mailbox.admitRequest(s, size)
		switch {
		case pause > 0 && !s.patient:
			return &Error{Kind: Throttled, Code: "NotSent", RetryAfter: pause}
		case pause > 0:
			if err := sleepFor(ctx, pause); err != nil {
				return &Error{Kind: Unavailable, Code: "NotSent", cause: err}
			}
			continue
		}
		if err := s.c.admission.acquirePermit(ctx); err != nil {
			return &Error{Kind: Unavailable, Code: "NotSent", cause: err}
		}
		if s.mailbox.isOpen() {
			return nil
		}
		s.c.admission.releasePermit() // another session's answer has paused the mailbox meanwhile
	}
}

// sleepFor waits for d, until the mailbox may have room. Nothing has failed that a retry would repeat. If ctx ends
// first, it returns ctx's cause.
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

// chargeRequest charges a request that was sent to the session's reserved cost.
func (s *Session) chargeRequest(c Cost) {
	held := Cost{min(c.Requests, s.left.Requests), min(c.Bytes, s.left.Bytes)}
	s.left.Requests -= held.Requests
	s.left.Bytes -= held.Bytes
	s.mailbox.chargeQuota(held, c)
}

// applyRetryAfter pauses the mailbox for the RetryAfter of err. For a 429 without a Retry-After it sets that to 10 s.
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
	// Up to a tenth longer, so that several instances do not return at the same moment.
	s.mailbox.pauseUntil(s.c.now().Add(e.RetryAfter + rand.N(e.RetryAfter/10+1)))
}

// tokenRefused drops the token of a request that was answered with 401, and reports whether the request may be sent
// once more. Graph checks the token before anything else, so its own 401 means that the request had no effect. After a
// 401 from another server, such as a proxy, the effect is unknown.
func (c *Client) tokenRefused(x *exchange, err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Unauthorized || x.status != http.StatusUnauthorized {
		return false
	}
	c.tokens.refuse(x.token, claimsChallenge(x.challenge))
	return !e.Ambiguous
}
