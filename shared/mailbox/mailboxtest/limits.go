package mailboxtest

import (
	"net/http"
	"strconv"
	"time"
)

// window is a sliding window: a count over the last seconds.
type window struct {
	counts []int64 // per second, a ring buffer
	last   int64   // the latest second that was counted
	sum    int64
}

// newWindow returns an empty window of length span.
func newWindow(span time.Duration) window {
	return window{counts: make([]int64, span/time.Second)}
}

// add counts n at the time now.
func (w *window) add(now time.Time, n int64) {
	sec := now.Unix()
	span := int64(len(w.counts))
	if sec-w.last >= span {
		clear(w.counts)
		w.sum, w.last = 0, sec
	}
	for ; w.last < sec; w.last++ { // a clock that is set back has no effect
		i := (w.last + 1) % span
		w.sum -= w.counts[i]
		w.counts[i] = 0
	}
	w.counts[w.last%span] += n
	w.sum += n
}

// wait returns the time until the count is at most limit, if nothing is added.
func (w *window) wait(limit int64) time.Duration {
	span := int64(len(w.counts))
	left := w.sum
	for i := int64(1); i <= span; i++ {
		left -= w.counts[(w.last+i)%span]
		if left <= limit {
			return time.Duration(i) * time.Second
		}
	}
	return time.Duration(span) * time.Second
}

// gate is the state of one mailbox's limits. The mailbox's lock guards it.
type gate struct {
	requests window
	bytes    window
	current  int // requests under way
	most     int // the most requests that were under way, with the refused ones
	refused  int // answers 429
}

// enter admits a request to the mailbox, or returns the 429. If it returns nil, leave must be called.
func (g *Graph) enter(b *mailbox) *reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, t := g.o.Limits, &b.gate
	if t.requests.counts == nil {
		t.requests, t.bytes = newWindow(10*time.Minute), newWindow(5*time.Minute)
	}
	now := g.o.Now()
	t.requests.add(now, 1) // Microsoft Graph: refused requests count too
	t.most = max(t.most, t.current+1)
	switch {
	case l.Off:
	case t.requests.sum > int64(l.PerTenMinutes):
		return t.throttled(now, t.requests.wait(int64(l.PerTenMinutes)-1),
			"Application is over its MailboxRequests limit.")
	case t.current >= l.Concurrent:
		return t.throttled(now, time.Second, "Application is over its MailboxConcurrency limit.")
	}
	t.current++
	return nil
}

// leave ends a request that enter admitted.
func (g *Graph) leave(b *mailbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gate.current--
}

// upload charges the bytes of a body to the mailbox, or returns the 429 and charges nothing.
func (g *Graph) upload(b *mailbox, n int64) *reply {
	g.count.change(func(c *Counters) { c.UploadedBytes += n })
	b.mu.Lock()
	defer b.mu.Unlock()
	l, t, now := g.o.Limits, &b.gate, g.o.Now()
	t.bytes.add(now, 0)
	if !l.Off && t.bytes.sum+n > l.UploadPerFiveMinutes {
		return t.throttled(now, t.bytes.wait(max(0, l.UploadPerFiveMinutes-n)),
			"Application is over its MailboxUpload limit.")
	}
	t.bytes.add(now, n)
	return nil
}

// throttled returns the 429. Retry-After is in seconds and a date alternately, since Graph may send either.
func (t *gate) throttled(now time.Time, wait time.Duration, message string) *reply {
	r := refuseWith(http.StatusTooManyRequests, "ApplicationThrottled", "%s", message)
	if t.refused++; t.refused%2 == 1 {
		r.header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	} else {
		r.header.Set("Retry-After", now.Add(wait+time.Second-time.Nanosecond).UTC().Format(http.TimeFormat))
	}
	return r
}

// application counts a request of the whole application, and returns the 429 if it exceeds the limit.
func (g *Graph) application() *reply {
	now := g.o.Now()
	g.appMu.Lock()
	defer g.appMu.Unlock()
	if g.app.counts == nil {
		g.app = newWindow(10 * time.Second)
	}
	g.app.add(now, 1)
	if g.o.Limits.Off || g.app.sum <= int64(g.o.Limits.PerTenSeconds) {
		return nil
	}
	r := refuseWith(http.StatusTooManyRequests, "TooManyRequests", "Too many requests of this application.")
	r.header.Set("Retry-After", strconv.Itoa(int(g.app.wait(int64(g.o.Limits.PerTenSeconds)-1)/time.Second)))
	return r
}
