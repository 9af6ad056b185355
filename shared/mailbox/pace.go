package mailbox

import (
	"slices"
	"time"
)

// Cost is what requests take of a mailbox's quota.
type Cost struct {
	Requests int64
	Bytes    int64 // of their bodies
}

// Microsoft Graph: 10,000 requests in 10 minutes and 150 MB of upload in 5 minutes, for an application and mailbox; over
// it 429. Whether its MB is 1,000,000 bytes or 1,048,576 is not said.
const (
	maxRequests  = 10_000
	requestsSpan = 10 * time.Minute
	maxBytes     = 150_000_000
	bytesSpan    = 5 * time.Minute

	// tick is how exactly times are kept. What was spent in a tick counts until the last moment of the tick is out of the
	// window, so that in the long run a mailbox gets 99 % of its requests and 98 % of its bytes, and an entry is kept for
	// each of 121 ticks at most.
	tick = 5 * time.Second

	// soon is when to look again if not time is waited for but the end of another slot's requests.
	soon = time.Second
)

// quotaWindow keeps what one mailbox was sent, so that it is never sent more than the quota within any window, and nothing is held
// back before that. A token bucket, as in golang.org/x/time/rate, can't do both: a full bucket and what flows
// into it meanwhile come to twice the quota in one window.
//
// Requests are held when it is decided to send them, and spent when they have ended, since nobody knows when in between
// Graph counts them. All times are since the client began, by the monotonic clock: a clock that is set does no harm.
type quotaWindow struct {
	held  Cost
	spent []spending // the oldest first
}

type spending struct {
	until time.Duration // end of its tick
	Cost
}

// waitFor is how long it takes until the quota has room for the cost, if nothing else is held meanwhile; 0 means that it has. A cost
// of all the quota or more, as that of a message of 150 MB, gets its turn when next to nothing else is under way or
// in the window: whether Graph takes it, Graph has to say.
func (p *quotaWindow) waitFor(now time.Duration, c Cost) time.Duration {
	p.spent = slices.DeleteFunc(p.spent, func(s spending) bool { return s.until+requestsSpan <= now })
	ofRequests := func(c Cost) int64 { return c.Requests }
	ofBytes := func(c Cost) int64 { return c.Bytes }
	return max(p.waitForOne(now, c, ofRequests, maxRequests, requestsSpan), p.waitForOne(now, c, ofBytes, maxBytes, bytesSpan))
}

func (p *quotaWindow) waitForOne(now time.Duration, c Cost, of func(Cost) int64, limit int64, span time.Duration) time.Duration {
	need := min(of(c), limit-limit/100)
	if need <= 0 {
		return 0
	}
	sum := of(p.held) + need
	if sum > limit {
		return soon
	}
	for _, s := range slices.Backward(p.spent) { // the youngest first: what makes it too much has to be out of the window
		if s.until+span <= now {
			break
		}
		if sum += of(s.Cost); sum > limit {
			return s.until + span - now
		}
	}
	return 0
}

// reserve reserves the cost.
func (p *quotaWindow) reserve(c Cost) {
	p.held.Requests += c.Requests
	p.held.Bytes += c.Bytes
}

// unreserve gives back what was held and not spent.
func (p *quotaWindow) unreserve(c Cost) { p.reserve(Cost{-c.Requests, -c.Bytes}) }

// charge notes what was sent.
func (p *quotaWindow) charge(now time.Duration, c Cost) {
	until := now - now%tick + tick
	if last := len(p.spent) - 1; last < 0 || p.spent[last].until < until {
		p.spent = append(p.spent, spending{until: until})
	}
	last := &p.spent[len(p.spent)-1]
	last.Requests += c.Requests
	last.Bytes += c.Bytes
}

// idle says whether nothing would be lost if the pace were forgotten.
func (p *quotaWindow) idle(now time.Duration) bool {
	return p.held == Cost{} && (len(p.spent) == 0 || p.spent[len(p.spent)-1].until+requestsSpan <= now)
}
