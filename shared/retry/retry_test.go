package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errAway  = NewTransient("away")
	errFinal = errors.New("final")
)

func TestDoOutlastsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		err := Do(t.Context(), func(context.Context) error {
			tries++
			if time.Since(began) < 10*time.Minute {
				return errAway
			}
			return nil
		})
		if err != nil {
			t.Fatalf("after an outage of 10 minutes: %v", err)
		}
		if tries > 60 {
			t.Errorf("%d tries in 10 minutes: the pauses don't grow", tries)
		}
	})
}

func TestDoKeepsTheServicesPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		err := Do(t.Context(), func(context.Context) error {
			if tries++; tries < 3 {
				return After(errAway, 20*time.Second)
			}
			return nil
		})
		if took := time.Since(began); err != nil || took < 40*time.Second || took > 44*time.Second {
			t.Errorf("two pauses of 20 s took %v (%v), want 40 to 44 s", took, err)
		}
	})
}

func TestDoStopsAtOnceOnAFinalError(t *testing.T) {
	tries := 0
	err := Do(t.Context(), func(context.Context) error { tries++; return errFinal })
	if !errors.Is(err, errFinal) || tries != 1 {
		t.Errorf("%d tries, error %v; want one try and the final error", tries, err)
	}
}

func TestDoNamesBothTheLastErrorAndTheEndOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := Do(ctx, func(context.Context) error { return errAway })
		if !errors.Is(err, errAway) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the outage and the deadline", err)
		}
	})
}

func TestDoIsEndedByTheDeadlineDuringALongPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := Do(ctx, func(context.Context) error { return After(errAway, time.Hour) })
		if time.Since(began) > 2*time.Second || !errors.Is(err, errAway) {
			t.Errorf("waited %v (%v), want to stop at the deadline", time.Since(began), err)
		}
	})
}

func TestProgressIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx := WithProgressLog(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		err := Do(ctx, func(context.Context) error {
			if time.Since(began) < 150*time.Second {
				return After(errAway, time.Second)
			}
			return nil
		})
		if n := strings.Count(log.String(), errAway.Error()); err != nil || n != 3 {
			t.Errorf("told %d times in two and a half minutes (%v), want 3:\n%s", n, err, log.String())
		}
		log.Reset()
		if err := Do(ctx, func(context.Context) error { return errFinal }); err == nil || log.Len() != 0 {
			t.Errorf("nothing is waited for after %v, but told: %s", err, log.String())
		}
	})
}

func TestIsTransient(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		again bool
		after time.Duration
	}{
		{"nil", nil, false, 0},
		{"no part knows", fmt.Errorf("read: %w", errFinal), false, 0},
		{"transient", errAway, true, 0},
		{"wrapped", fmt.Errorf("read: %w", errAway), true, 0},
		{"with a pause", After(errFinal, time.Minute), true, time.Minute},
		{"the first that knows decides",
			fmt.Errorf("%w: %w", After(errFinal, time.Second), After(errAway, time.Minute)), true, time.Second},
		{"final around transient", fmt.Errorf("read: %w", Final(errAway)), false, 0},
		{"transient around final", After(Final(errAway), time.Second), true, time.Second},
		{"final before transient", errors.Join(Final(errFinal), errAway), false, 0},
		{"final behind transient", errors.Join(errAway, Final(errFinal)), true, 0},
		{"joined behind one that does not know", errors.Join(errFinal, errAway), true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if again, after := IsTransient(tt.err); again != tt.again || after != tt.after {
				t.Errorf("%t after %v, want %t after %v", again, after, tt.again, tt.after)
			}
		})
	}
	if err := Final(errAway); err.Error() != "away" || !errors.Is(err, errAway) ||
		!errors.Is(After(errFinal, 1), errFinal) {
		t.Error("a wrapper hides what it wraps")
	}
}

func TestPolicyHasLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		again := func(context.Context) error { tries++; return errAway }
		if err := (Policy{First: time.Second, Max: time.Second, Tries: 5}).Do(t.Context(), again); !errors.Is(err,
			errAway) || tries != 5 {
			t.Errorf("%d tries (%v), want 5", tries, err)
		}
		began := time.Now()
		err := Policy{First: time.Second, Max: time.Second, Within: 20 * time.Second}.Do(t.Context(), again)
		if took := time.Since(began); !errors.Is(err, errAway) || took > 20*time.Second || took < 18*time.Second {
			t.Errorf("took %v (%v), want about 20 s", took, err)
		}
		tries = 0
		never := Policy{First: time.Second, Max: time.Second,
			Judge: func(error) (bool, time.Duration) { return false, 0 }}
		if err := never.Do(t.Context(), again); !errors.Is(err, errAway) || tries != 1 {
			t.Errorf("%d tries (%v), want one: Judge decides", tries, err)
		}
	})
}

func TestDoForEndsAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := DoFor(t.Context(), time.Minute, func(context.Context) error { return errAway })
		if took := time.Since(began); !errors.Is(err, errAway) || !errors.Is(err, context.DeadlineExceeded) ||
			took != time.Minute {
			t.Errorf("took %v (%v), want a minute, the outage and the deadline", took, err)
		}
		began = time.Now()
		err = DoFor(t.Context(), time.Minute, func(ctx context.Context) error { <-ctx.Done(); return errFinal })
		if took := time.Since(began); !errors.Is(err, errFinal) || took != time.Minute {
			t.Errorf("one call that does not end took %v (%v), want a minute", took, err)
		}
		if err := DoFor(t.Context(), time.Minute, func(context.Context) error { return nil }); err != nil {
			t.Errorf("without an outage: %v", err)
		}
	})
}

// After the last of its tries nothing is waited for, so no pause is announced.
func TestOnRetryIsCalledBeforeEachPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen, observed []time.Duration
		began := time.Now()
		p := Policy{First: time.Second, Max: time.Second, Tries: 3, OnRetry: func(err error) {
			if !errors.Is(err, errAway) {
				t.Errorf("called with %v", err)
			}
			seen = append(seen, time.Since(began).Round(time.Second))
		}}
		ctx := WithObserver(t.Context(), func(error) {
			observed = append(observed, time.Since(began).Round(time.Second))
		})
		err := p.Do(ctx, func(context.Context) error { return After(errAway, time.Minute) })
		if !errors.Is(err, errAway) {
			t.Errorf("%v", err)
		}
		if len(seen) != 2 || seen[0] != 0 || seen[1] < time.Minute || !slices.Equal(seen, observed) {
			t.Errorf("called after %v, observed after %v; want both at once and after a minute", seen, observed)
		}
		seen = nil
		err = p.Do(ctx, func(context.Context) error { return errFinal })
		if !errors.Is(err, errFinal) || len(seen) != 0 {
			t.Errorf("called %d times before the end with %v", len(seen), err)
		}
	})
}

func TestObserverIsToldOfEachPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []error
		ctx := WithObserver(t.Context(), func(err error) { seen = append(seen, err) })
		tries := 0
		err := Do(ctx, func(context.Context) error {
			if tries++; tries < 3 {
				return errAway
			}
			return errFinal
		})
		if !errors.Is(err, errFinal) || len(seen) != 2 || !errors.Is(seen[0], errAway) {
			t.Errorf("told of %v (%v), want two outages", seen, err)
		}
	})
}
