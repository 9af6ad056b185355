package mailbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

// TestAdmitAcquiresInOrder: a ticket that waits for its mailbox has no memory, one that waits for memory is no worker,
// and whatever the wait is that a context ends, nothing stays acquired.
func TestAdmitAcquiresInOrder(t *testing.T) {
	reason := errors.New("the reason")
	for _, tt := range []struct {
		name        string
		fill        func(t *testing.T, c *Client) // takes what the ticket has to wait for
		noMemory    bool                          // reserve waits until its context ends
		taken       int                           // slots of the mailbox during the wait
		reserved    int                           // calls of reserve during the wait
		workers     int                           // during the wait
		workersLeft int
	}{
		{name: "mailbox", fill: func(t *testing.T, c *Client) { slot(t, c, alice) }, taken: 1},
		{name: "pause", fill: func(_ *testing.T, c *Client) { c.mailboxOf(alice).pauseUntil(c.now().Add(time.Hour)) }},
		{name: "memory", noMemory: true, taken: 1, reserved: 1},
		{name: "worker", taken: 1, reserved: 1, workers: maxWorkers(2), workersLeft: maxWorkers(2),
			fill: func(_ *testing.T, c *Client) {
				for range maxWorkers(2) {
					c.admission.workers <- struct{}{}
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}},
					func(config *Config, _ *inProcess) { config.AtOnce, config.Permits = 2, 1 })
				if tt.fill != nil {
					tt.fill(t, c)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				var reserved, freed int
				result := make(chan error)
				go func() {
					_, err := c.Queue(alice, smallRequest).Admit(ctx, func(ctx context.Context) (func(), error) {
						reserved++
						if tt.noMemory {
							<-ctx.Done()
							return nil, context.Cause(ctx)
						}
						return func() { freed++ }, nil
					})
					result <- err
				}()
				synctest.Wait()
				p := c.mailboxOf(alice)
				if p.taken != tt.taken || reserved != tt.reserved || c.Workers() != tt.workers {
					t.Errorf("while it waits: %d slots, memory reserved %d times, %d workers; want %d, %d, %d",
						p.taken, reserved, c.Workers(), tt.taken, tt.reserved, tt.workers)
				}
				cancel(reason)
				if err := <-result; !errors.Is(err, reason) {
					t.Errorf("Admit = %v, want the context's cause", err)
				}
				before := tt.taken
				if tt.reserved > 0 { // the slot was the ticket's own
					before--
				}
				if p.taken != before || len(p.queue) != 0 || c.Workers() != tt.workersLeft || !tt.noMemory &&
					freed != reserved {
					t.Errorf("afterwards: %d slots, %d in the queue, %d workers, memory freed %d of %d times",
						p.taken, len(p.queue), c.Workers(), freed, reserved)
				}
			})
		})
	}
}

// noMemory is the reservation of a caller that needs no memory.
func noMemory(context.Context) (func(), error) { return func() {}, nil }

// TestReleaseOfAnAdmittedSession: LeaveMailbox frees the slot only, Release the rest, and both may be called twice.
func TestReleaseOfAnAdmittedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}},
			func(config *Config, _ *inProcess) { config.AtOnce = 2 })
		freed := 0
		s, err := c.Queue(alice, smallRequest).Admit(t.Context(), func(context.Context) (func(), error) {
			return func() { freed++ }, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		p := c.mailboxOf(alice)
		for range 2 {
			s.LeaveMailbox()
			if p.taken != 0 || c.Workers() != 1 || freed != 0 {
				t.Errorf("LeaveMailbox: %d slots, %d workers, memory freed %d times", p.taken, c.Workers(), freed)
			}
		}
		for range 2 {
			s.Release()
			if p.taken != 0 || c.Workers() != 0 || freed != 1 || p.quota.held != (Cost{}) {
				t.Errorf("Release: %d slots, %d workers, memory freed %d times, %+v held", p.taken, c.Workers(), freed,
					p.quota.held)
			}
		}
	})
}
