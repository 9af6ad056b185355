package mailbox

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

// Who comes first is served first, whatever the order is in which the goroutines start.
func TestSessionsAreInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}, Latency: time.Millisecond},
			func(config *Config, _ *inProcess) { config.Permits = 1 })
		const many = 20
		turns := make([]*Ticket, many)
		for i := range turns {
			turns[i] = c.Queue(alice, smallRequest)
		}
		var group sync.WaitGroup
		for i := many - 1; i >= 0; i-- {
			group.Go(func() {
				if i%5 == 4 { // gives up
					ctx, cancel := context.WithCancel(t.Context())
					cancel()
					if _, err := turns[i].Slot(ctx); err == nil {
						t.Error("got a slot in spite of a context that has ended")
					}
					return
				}
				s, err := turns[i].Slot(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Release()
				m := sms(i)
				m.Subject = fmt.Sprint(i)
				if _, err := s.Import(t.Context(), m, nil); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		group.Wait()
		there := g.Messages(alice)
		if len(there) != many*4/5 {
			t.Errorf("%d messages", len(there))
		}
		for i, m := range there {
			if want := fmt.Sprint(i + i/4); m.Subject != want {
				t.Errorf("message %s comes as number %d", m.Subject, i)
			}
		}
		if p := c.mailboxOf(alice); p.taken != 0 || len(p.queue) != 0 || p.quota.held != (Cost{}) {
			t.Errorf("%d slots are taken, %d queued, %+v held", p.taken, len(p.queue), p.quota.held)
		}
	})
}

// A slot that another one's 429 catches between two requests sends nothing, and says for how long.
func TestThrottledMailboxIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}})
		one, other := slot(t, c, alice), slot(t, c, alice)
		if _, err := one.Folder(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.Fail(mailboxtest.Create, 1, mailboxtest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "100"})
		_, err := one.Import(t.Context(), sms(1), nil)
		wantError(t, err, Error{Kind: Throttled, Status: 429, Code: "ApplicationThrottled"})
		_, err = other.Import(t.Context(), sms(2), nil)
		e := wantError(t, err, Error{Kind: Throttled, Code: "NotSent"})
		if e.RetryAfter < 100*time.Second || e.RetryAfter > 110*time.Second {
			t.Errorf("Retry-After is %v", e.RetryAfter)
		}
		if n := g.Requests().Kinds[mailboxtest.Create]; n != 1 {
			t.Errorf("%d creates were sent", n)
		}
	})
}

func TestManyMailboxesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}, {ID: bob}}})
		c.forgetAt = 10
		held := slot(t, c, bob)
		for _, user := range []string{alice, bob} {
			if err := c.Ready(t.Context(), user); err != nil {
				t.Fatal(err)
			}
		}
		at := c.mailboxOf(alice)
		fill := func(from int) {
			for i := range 8 {
				c.mailboxOf(fmt.Sprint(from + i))
			}
		}
		fill(0)
		time.Sleep(requestsSpan - time.Second) // what alice was sent still counts
		c.mailboxOf("one more")
		if len(c.mailboxes) != 3 || c.mailboxOf(alice) != at {
			t.Errorf("%d mailboxes are remembered, want two and the new one", len(c.mailboxes))
		}
		fill(100)
		time.Sleep(tick + time.Second)
		c.forgetAt = 10
		c.mailboxOf("one more still")
		if c.mailboxOf(alice) == at || c.mailboxOf(bob) != held.mailbox {
			t.Error("the wrong mailbox was forgotten")
		}
	})
}

// However many mailboxes there are, no more requests are under way at once than was asked for.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var users []mailboxtest.User
		for i := range 40 {
			users = append(users, mailboxtest.User{ID: fmt.Sprintf("55555555-5555-4555-8555-%012d", i)})
		}
		var mu sync.Mutex
		now, most := 0, 0
		_, c := virtual(t, mailboxtest.Options{Users: users, Latency: time.Second},
			func(config *Config, way *inProcess) {
				config.AtOnce = 7
				way.around = func(_ *http.Request, next func() *http.Response) *http.Response {
					mu.Lock()
					now++
					most = max(most, now)
					mu.Unlock()
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						now--
					}()
					return next()
				}
			})
		began := time.Now()
		together(len(users), func(i int) {
			if err := c.Ready(t.Context(), users[i].ID); err != nil {
				t.Error(err)
			}
		})
		if most != 7 || time.Since(began) != 12*time.Second { // 80 requests
			t.Errorf("%d at once, %v", most, time.Since(began))
		}
	})
}
