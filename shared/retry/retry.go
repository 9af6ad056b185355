// Package retry waits until a service is available again: it repeats an operation that is safe to repeat, with growing,
// jittered pauses, until it succeeds, fails permanently, or the context ends.
//
// Azure Functions host 4.1045: the five tries of a failed blob invocation take half a second in all, so an outage of
// seconds would send every batch to the poison queue. The waiting has to happen inside the invocation.
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

// transient is implemented by errors of conditions that pass without intervention: errors carry their own contract.
// after is the pause that the service asked for, 0 if none.
type transient interface {
	Transient() (again bool, after time.Duration)
}

// IsTransient reports whether a retry can help: whether an error in err's tree is transient, and no error before it, in
// the order of errors.Is, was made by Final. after is the pause that this error asks for.
func IsTransient(err error) (again bool, after time.Duration) {
	again, after, _ = searchTree(err)
	return again, after
}

// searchTree searches the tree. over reports that a Final error was found, after which no error counts.
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

// NewTransient returns a new transient error with that text, distinct from all others as one of errors.New.
func NewTransient(text string) error { return &transientError{text: text} }

// After returns err as a transient error that asks for a pause. It matches err.
func After(err error, pause time.Duration) error { return &transientError{cause: err, after: pause} }

// Final returns err as an error that a retry does not help, whatever it wraps.
func Final(err error) error { return &finalError{err} }

type transientError struct {
	text  string
	cause error // if not nil, text is not used
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

// Policy holds how often, and after which pauses, an operation is repeated.
type Policy struct {
	First  time.Duration // the first pause; each later one is twice as long
	Max    time.Duration // the longest pause
	Tries  uint          // maximum number of calls; 0: no limit
	Within time.Duration // maximum time in all: no pause begins that would end later; 0: no limit

	// Judge replaces IsTransient, if not nil, for a step that must not be repeated after every transient error.
	Judge func(error) (again bool, after time.Duration)
	// OnRetry, if not nil, is called before each pause, with the error of the call that will be repeated.
	OnRetry func(error)
}

// Outage returns the policy for a service that may be unavailable for minutes. Only the context limits it.
func Outage() Policy { return Policy{First: 250 * time.Millisecond, Max: 30 * time.Second} }

// Do runs op with the policy Outage.
func Do(ctx context.Context, op func(context.Context) error) error { return Outage().Do(ctx, op) }

// DoFor is Do for at most limit: the context of op ends then.
func DoFor(ctx context.Context, limit time.Duration, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return Do(ctx, op)
}

// Do runs op until it returns nil or an error that a retry does not help, until the policy's limits are reached, or
// until ctx ends. Pauses are jittered by ±30 %. A pause that the service asked for is observed, and extended by up to
// 10 %, so that many waiting callers do not retry at once. Do returns op's last error; if ctx has ended, it also
// matches ctx's cause.
func (p Policy) Do(ctx context.Context, op func(context.Context) error) error {
	pauses := &backoff.ExponentialBackOff{
		InitialInterval: p.First, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: p.Max}
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
		if after > 0 {
			return struct{}{}, &backoff.RetryAfterError{Duration: addJitter(after)}
		}
		return struct{}{}, last
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(p.Tries), backoff.WithMaxElapsedTime(p.Within),
		backoff.WithNotify(func(error, time.Duration) {
			if p.OnRetry != nil {
				p.OnRetry(last)
			}
			logWaiting(ctx, last)
		}))
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return errors.Join(last, cause)
	}
	return last
}

// addJitter returns d extended by up to 10 %.
func addJitter(d time.Duration) time.Duration { return d + rand.N(d/10+1) }

// logEvery is the minimum interval between two log lines about waiting, whatever number of callers wait.
const logEvery = time.Minute

type progressKey struct{}

// progress is the value in the context: the log, and when waiting was last logged.
type progress struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

// WithProgressLog returns a context in which Do logs what it waits for, at most once a minute: otherwise an invocation
// that waits could not be distinguished from one that hangs. The texts of op's errors are logged.
func WithProgressLog(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, progressKey{}, &progress{log: log})
}

type observerKey struct{}

// WithObserver returns a context in which Do calls observe before each pause, with the error that it waits for. observe
// MUST NOT block. It is called from any goroutine.
func WithObserver(ctx context.Context, observe func(error)) context.Context {
	return context.WithValue(ctx, observerKey{}, observe)
}

// logWaiting logs the error that a retry waits for, if the context has a log and the last line is a minute old. An
// observer is told in any case.
func logWaiting(ctx context.Context, err error) {
	if observe, ok := ctx.Value(observerKey{}).(func(error)); ok {
		observe(err)
	}
	t, ok := ctx.Value(progressKey{}).(*progress)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.last.IsZero() || now.Sub(t.last) >= logEvery {
		t.last = now
		t.log.Warn("waiting and retrying until the deadline", "event", "host.waiting", "error", err.Error())
	}
}
