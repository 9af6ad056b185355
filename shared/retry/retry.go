// Package retry waits out a service that is unavailable: it repeats an operation that is safe to repeat,
// with growing, jittered pauses, until it succeeds, fails for good or the invocation's time is up.
//
// Azure Functions host 4.1045: the five tries of a failed blob invocation take half a second in all, so an outage of
// seconds would send every batch to the poison queue. Waiting has to happen inside the invocation.
package retry

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Judge says of an error whether trying again can help, and what pause the service asked for (0: none).
type Judge func(error) (again bool, after time.Duration)

// Do runs op until it returns nil, returns an error that judge calls final, or ctx ends. The
// pauses grow from a quarter of a second to 30 seconds; a pause that the service asked for
// is kept, and stretched by up to a tenth so that many waiters do not come back at once.
// The error is op's last one; it also matches ctx's cause if the time ran out.
func Do(ctx context.Context, judge Judge, op func(context.Context) error) error {
	pauses := &backoff.ExponentialBackOff{
		InitialInterval: 250 * time.Millisecond, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 30 * time.Second,
	}
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		last = op(ctx)
		if last == nil {
			return struct{}{}, nil
		}
		again, after := judge(last)
		if !again {
			return struct{}{}, backoff.Permanent(last)
		}
		logWaiting(ctx, last)
		if after > 0 {
			after += time.Duration(rand.Int64N(int64(after)/10 + 1))
			return struct{}{}, &backoff.RetryAfterError{Duration: after}
		}
		return struct{}{}, last
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0))
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return errors.Join(last, cause)
	}
	return last
}

// Sleep pauses for d, stretched by up to a tenth, or until ctx ends, and then returns ctx's cause.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d + time.Duration(rand.Int64N(int64(d)/10+1)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tellEvery is how often a waiting is told: an outage of minutes is a handful of lines, whatever waits for it.
const tellEvery = time.Minute

type toldKey struct{}

// told is what a context carries: where to tell of a waiting, and when that was done last.
type told struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

// WithProgressLog gives a context in which Do tells log what it waits for, once a minute: without it an invocation that only waits
// looks like one that hangs. The texts of the operations' errors go into the log.
func WithProgressLog(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, toldKey{}, &told{log: log})
}

func logWaiting(ctx context.Context, err error) {
	t, ok := ctx.Value(toldKey{}).(*told)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.last.IsZero() || now.Sub(t.last) >= tellEvery {
		t.last = now
		t.log.Warn("waiting, and trying again until the time is up", "event", "host.waiting", "error", err.Error())
	}
}
