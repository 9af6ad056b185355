package progress

import (
	"sync"
	"time"

	"o2archiver/shared/status"
)

const (
	rateTime   = 10 * time.Minute // of which a rate is
	leastRate  = 10 * time.Second
	maxSamples = 100
)

// rates holds what the pages of this process have seen of the window that fetch works on. Of a window of an earlier
// invocation, nothing else tells how much this invocation has received. It is safe for concurrent use.
type rates struct {
	mu      sync.Mutex
	run     string
	began   time.Time // of the invocation
	samples []sample  // the oldest first
}

type sample struct {
	at   time.Time
	done int64
}

// perMinute notes how far a window is, and returns the items a minute since the oldest note of late; 0: not known.
func (r *rates) perMinute(p status.Progress, w status.Window) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.samples); r.run != w.Run || !r.began.Equal(p.Began) || n > 0 && w.Received < r.samples[n-1].done {
		r.run, r.began, r.samples = w.Run, p.Began, nil
	}
	if n := len(r.samples); n == 0 || p.At.After(r.samples[n-1].at) {
		r.samples = append(r.samples, sample{p.At, w.Received})
	}
	for len(r.samples) > maxSamples || p.At.Sub(r.samples[0].at) > rateTime {
		r.samples = r.samples[1:]
	}
	first := r.samples[0]
	span := p.At.Sub(first.at)
	if span < leastRate {
		return 0
	}
	return (w.Received - first.done) * int64(time.Minute) / int64(span)
}
