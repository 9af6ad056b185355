package mailbox

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

// A mailbox with a very long line takes from the others no more than its permits, though all that is for it came first;
// and it goes on beside them and, when they have ended, as fast as its permits allow.
func TestLongQueueBesideShortOnes(t *testing.T) {
	t.Parallel()
	const (
		mailboxes = 200
		each      = 4
		long      = 800 // messages for the first mailbox, as many as for all the others
		permits   = 3   // MAILBOX_PERMITS as it comes
		atOnce    = 16
		latency   = 100 * time.Millisecond
	)
	user := func(i int) string { return fmt.Sprintf("55555555-5555-4555-8555-%012d", i) }
	// run returns the times until the others have all they get, and until the first one has.
	run := func(t *testing.T, long int) (others, all time.Duration, beside int) {
		synctest.Test(t, func(t *testing.T) {
			var users []mailboxtest.User
			for i := range mailboxes + 1 {
				users = append(users, mailboxtest.User{ID: user(i)})
			}
			g, c := virtual(t, mailboxtest.Options{Users: users, Latency: latency}, func(config *Config, _ *inProcess) {
				config.AtOnce, config.Permits = atOnce, permits
			})
			together(mailboxes+1, func(i int) { // the folders are not what is asked about
				if err := c.Ready(t.Context(), user(i)); err != nil {
					t.Error(err)
				}
			})
			began := time.Now()
			var whole, short sync.WaitGroup
			for i := range mailboxes + 1 {
				n, of := each, &short
				if i == 0 {
					n, of = long, &whole
				}
				for m := range n {
					turn := c.Queue(user(i), c.Cost(100, nil))
					of.Go(func() {
						s, err := turn.Admit(t.Context(), noMemory)
						if err == nil {
							_, err = s.Import(t.Context(), sms(m), nil)
							s.Release()
						}
						if err != nil {
							t.Error(err)
						}
					})
				}
			}
			short.Wait()
			others, beside = time.Since(began), len(g.Messages(user(0)))
			whole.Wait()
			all = time.Since(began)
			if n := g.Requests(); n.Throttled > 0 || n.MaxConcurrent[user(0)] > permits {
				t.Errorf("%d answers 429, %d requests at once in the first mailbox", n.Throttled,
					n.MaxConcurrent[user(0)])
			}
		})
		return others, all, beside
	}
	alone, _, _ := run(t, 0)
	others, all, beside := run(t, long)
	if limit := alone * atOnce / (atOnce - permits) * 103 / 100; others > limit {
		t.Errorf("beside a long line the others took %v, and %v without", others, alone)
	}
	// Who waits takes turns: the long line has at least what a short one has.
	if beside < each {
		t.Errorf("the long line had %d messages when the others had all, and each of them %d", beside, each)
	}
	t.Logf("others %v, and %v without; %d of the long line beside them, all of it in %v", others, alone, beside, all)
	if limit := others + time.Duration(long-beside)*latency/permits*105/100; all > limit {
		t.Errorf("the long line took %v, want at most %v", all, limit)
	}
}
