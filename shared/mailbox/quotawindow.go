package mailbox

import (
	"slices"
	"time"
)

// Cost is an amount of a mailbox's quota.
type Cost struct {
	Requests int64
	Bytes    int64 // of their bodies
}

// Microsoft Graph: 10,000 requests in 10 minutes and 150 MB of upload in 5 minutes, for an application and mailbox;
// above that it answers 429. Whether its MB is 1,000,000 bytes or 1,048,576 is not documented.
const (
	maxRequests  = 10_000
	requestsSpan = 10 * time.Minute
	maxBytes     = 150_000_000
	bytesSpan    = 5 * time.Minute

	// tick is the resolution of the recorded times. What was charged in a tick counts until the end of the tick is out
	// of the window. A mailbox therefore gets 99 % of its requests and 98 % of its bytes in the long run, and at most
	// 121 entries are kept, one per tick.
	tick = 5 * time.Second

	// soon is the time until the next attempt if the quota becomes free only when another session's requests end.
	soon = time.Second
)

// quotaWindow is a sliding window over what one mailbox was sent. The mailbox is never sent more than its quota within
// any window, and nothing is delayed before the quota is used up. A token bucket, as in golang.org/x/time/rate, cannot
// do both: a full bucket and what flows into it in the meantime add up to twice the quota in one window.
//
// Requests are held from the moment it is decided to send them, and spent when they have ended, because it is unknown
// when in between Graph counts them. All times are durations since the client was created, by the monotonic clock, so
// that a change of the wall clock has no effect.
type quotaWindow struct {
	held  Cost       // reserved for requests that have not ended
	spent []spending // oldest first
}

// spending is what was spent in one tick.
type spending struct {
	until time.Duration // end of the tick
	Cost
}

// waitFor returns how long it takes until the quota has room for c, if nothing else is held meanwhile; 0 if there is
// room now. A cost of the whole quota or more, like that of a message of 150 MB, is admitted when almost nothing else
// is held or in the window. Whether it exceeds the quota is then Graph's decision.
func (p *quotaWindow) waitFor(now time.Duration, c Cost) time.Duration {
	p.spent = slices.DeleteFunc(p.spent, func(s spending) bool { return s.until+requestsSpan <= now })
	ofRequests := func(c Cost) int64 { return c.Requests }
	ofBytes := func(c Cost) int64 { return c.Bytes }
	return max(p.waitForOne(now, c, ofRequests, maxRequests, requestsSpan),
		p.waitForOne(now, c, ofBytes, maxBytes, bytesSpan))
}

// waitForOne is waitFor for one of the two limits, on requests or on bytes.
func (p *quotaWindow) waitForOne(
	now time.Duration, c Cost, of func(Cost) int64, limit int64, span time.Duration,
) time.Duration {
	need := min(of(c), limit-limit/100)
	if need <= 0 {
		return 0
	}
	sum := of(p.held) + need
	if sum > limit {
		return soon
	}
	// From the latest entry backwards: the one with which the sum exceeds the limit has to leave the window.
	for _, s := range slices.Backward(p.spent) {
		if s.until+span <= now {
			break
		}
		if sum += of(s.Cost); sum > limit {
			return s.until + span - now
		}
	}
	return 0
}

// reserve adds c to what is held.
func (p *quotaWindow) reserve(c Cost) {
	p.held.Requests += c.Requests
	p.held.Bytes += c.Bytes
}

// unreserve subtracts c from what is held.
func (p *quotaWindow) unreserve(c Cost) { p.reserve(Cost{-c.Requests, -c.Bytes}) }

// charge records c as spent now.
func (p *quotaWindow) charge(now time.Duration, c Cost) {
	until := now - now%tick + tick
	if last := len(p.spent) - 1; last < 0 || p.spent[last].until < until {
		p.spent = append(p.spent, spending{until: until})
	}
	last := &p.spent[len(p.spent)-1]
	last.Requests += c.Requests
	last.Bytes += c.Bytes
}

// idle reports whether nothing is held or in the window, so that the quota is whole.
func (p *quotaWindow) idle(now time.Duration) bool {
	return p.held == Cost{} && (len(p.spent) == 0 || p.spent[len(p.spent)-1].until+requestsSpan <= now)
}
