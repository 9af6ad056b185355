package mailbox

import "context"

// admission bounds what all sessions of a client do at the same time. What a session needs is acquired in a fixed order
// to avoid deadlock:
//
//  1. a slot of its mailbox, together with quota for all that it is going to send (mailboxState)
//  2. the caller's memory for the message (Ticket.Admit)
//  3. a worker slot: the number of sessions in use at the same time is bounded, whatever their mailboxes are
//  4. for each request memory for its body (bodyBudget), and then a permit
//
// A ticket that waits for its mailbox therefore holds nothing that other mailboxes need, and the holder of a permit
// waits for nothing but the answer to its request.
type admission struct {
	workers chan struct{} // one value for each worker slot in use; nil: no limit
	permits chan struct{} // one value for each request that is under way; nil: no limit
	bodies  *bodyBudget
}

// newAdmission returns an admission of at most atOnce concurrent requests; 0 means no limit.
func newAdmission(atOnce int) *admission {
	a := &admission{bodies: newBodyBudget()}
	if atOnce > 0 {
		a.workers, a.permits = make(chan struct{}, maxWorkers(atOnce)), make(chan struct{}, atOnce)
	}
	return a
}

// maxWorkers returns the number of worker slots. There are more of them than permits, so that a prepared copy is ready
// whenever a permit becomes free. They exceed the permits only so far that a copy waits less than half the time of a
// request: it has its claim by then, and a claim must be young when its request begins.
func maxWorkers(atOnce int) int { return atOnce + atOnce/2 + 4 }

// acquirePermit waits for a permit for one request. A permit is held only until the answer is there. If ctx ends first,
// the error is its cause.
func (a *admission) acquirePermit(ctx context.Context) error { return acquirePlace(ctx, a.permits) }

func (a *admission) releasePermit() { releasePlace(a.permits) }

// acquirePlace waits for a place in a semaphore; one that is nil has no limit. If ctx ends first, the error is its
// cause.
func acquirePlace(ctx context.Context, semaphore chan struct{}) error {
	if semaphore == nil {
		return nil
	}
	select {
	case semaphore <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// releasePlace frees the place of an earlier acquirePlace.
func releasePlace(semaphore chan struct{}) {
	if semaphore != nil {
		<-semaphore
	}
}

// Workers returns the number of admitted sessions that have not ended. A ticket that waits for its mailbox or for
// memory is not counted.
func (c *Client) Workers() int { return len(c.admission.workers) }

// Admit returns the session of the ticket. It waits for the slot and the quota of the mailbox, then calls reserve, and
// then waits for a worker slot. reserve waits for the memory that the caller needs, and returns the function that
// releases it.
//
// If ctx ends first, everything is released, the ticket leaves the queue, and the error is ctx's cause; if reserve
// fails, the error is reserve's. Session.Release also releases the worker slot and the memory.
func (t *Ticket) Admit(
	ctx context.Context, reserve func(context.Context) (release func(), err error),
) (*Session, error) {
	s, err := t.Slot(ctx)
	if err != nil {
		return nil, err
	}
	free, err := reserve(ctx)
	if err != nil {
		s.Release()
		return nil, err
	}
	if err := acquirePlace(ctx, s.c.admission.workers); err != nil {
		free()
		s.Release()
		return nil, err
	}
	s.held = func() {
		releasePlace(s.c.admission.workers)
		free()
	}
	return s, nil
}
