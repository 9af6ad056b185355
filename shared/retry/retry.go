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

// Errors carry their own contract: one of something that passes without anyone's doing has the method Transient. after is
// the pause that the service asked for, and 0 if it asked for none.
type transient interface {
	Transient() (again bool, after time.Duration)
}

// IsTransient reports whether trying again can help: whether some error in err's tree is transient, and none before it, in the
// order of errors.Is, was made by Final. after is the pause that the first of them asks for.
func IsTransient(err error) (again bool, after time.Duration) {
	again, after, _ = searchTree(err)
	return again, after
}

// searchTree goes through the tree. over: a Final error was found, and what comes behind it does not count.
func searchTree(err error) (again bool, after time.Duration, over bool) {
	if err == nil {
		return false, 0, false
	}
	if _, final := err.(*finalError); final {
		return false, 0, true
	}
	if t, ok := err.(transient); ok {
		if again, after = t.Transient(); again {
			return again, after, false
		}
	}
	switch inner := err.(type) {
	case interface{ Unwrap() error }:
		return searchTree(inner.Unwrap())
	case interface{ Unwrap() []error }:
		for _, each := range inner.Unwrap() {
			if again, after, over = searchTree(each); again || over {
				return again, after, over
			}
		}
	}
	return false, 0, false
}

// NewTransient returns an error of its own, as errors.New does, for something that passes without anyone's doing.
func NewTransient(text string) error { return &transientError{text: text} }

// After returns err as a transient one, to be tried again after the pause.
func After(err error, pause time.Duration) error { return &transientError{cause: err, after: pause} }

// Final returns err as one that trying again does not help, whatever it wraps.
func Final(err error) error { return &finalError{err} }

type transientError struct {
	text  string
	cause error // instead of text
	after time.Duration
}

func (e *transientError) Error() string {
	if e.cause != nil {
		return e.cause.Error()
	}
	return e.text
}

func (e *transientError) Unwrap() error { return e.cause }

func (e *transientError) Transient() (bool, time.Duration) { return true, e.after }

type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// Policy says how often, and after which pauses, an operation is repeated.
type Policy struct {
	First  time.Duration // the first pause; each later one is twice as long
	Max    time.Duration // the longest pause
	Tries  uint          // 0: no limit
	Within time.Duration // no pause begins that would end later; 0: no limit

	// Judge decides in place of IsTransient, for a step that has fewer reasons to be repeated than its error has.
	Judge func(error) (again bool, after time.Duration)
}

// Outage is the policy for a service that may be unavailable for minutes, while the invocation has time.
func Outage() Policy { return Policy{First: 250 * time.Millisecond, Max: 30 * time.Second} }

// Do runs op by the policy Outage.
func Do(ctx context.Context, op func(context.Context) error) error { return Outage().Do(ctx, op) }

// Do runs op until it returns nil or an error that trying again does not help, until the policy's limits, or until ctx ends. Pauses are
// jittered by three tenths. A pause that the service asked for is kept, and stretched by up to a tenth, so that many
// waiters do not come back at once. The error is op's last one; it also matches ctx's cause if ctx has ended.
func (p Policy) Do(ctx context.Context, op func(context.Context) error) error {
	pauses := &backoff.ExponentialBackOff{InitialInterval: p.First, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: p.Max}
	judge := p.Judge
	if judge == nil {
		judge = IsTransient
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
			return struct{}{}, &backoff.RetryAfterError{Duration: addJitter(after)}
		}
		return struct{}{}, last
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(p.Tries), backoff.WithMaxElapsedTime(p.Within))
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return errors.Join(last, cause)
	}
	return last
}

func addJitter(d time.Duration) time.Duration { return d + rand.N(d/10+1) }

// Sleep pauses for d, stretched by up to a tenth, or until ctx ends, and then returns ctx's cause.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(addJitter(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// logEvery is how often a wait is logged: an outage of minutes is a handful of lines, whatever waits for it.
const logEvery = time.Minute

type progressKey struct{}

// progress is what a context carries: where a wait is logged, and when that was done last.
type progress struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

// WithProgressLog returns a context in which Do logs what it waits for, once a minute: otherwise an invocation that only
// waits looks like one that hangs. The texts of the operations' errors go into the log.
func WithProgressLog(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, progressKey{}, &progress{log: log})
}

func logWaiting(ctx context.Context, err error) {
	t, ok := ctx.Value(progressKey{}).(*progress)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.last.IsZero() || now.Sub(t.last) >= logEvery {
		t.last = now
		t.log.Warn("waiting, and trying again until the time is up", "event", "host.waiting", "error", err.Error())
	}
}
