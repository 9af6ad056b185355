package retry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errAway  = errors.New("away")
	errFinal = errors.New("final")
)

func judge(after time.Duration) Judge {
	return func(err error) (bool, time.Duration) { return errors.Is(err, errAway), after }
}

func TestDoOutlastsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		err := Do(t.Context(), judge(0), func(context.Context) error {
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
		err := Do(t.Context(), judge(20*time.Second), func(context.Context) error {
			if tries++; tries < 3 {
				return errAway
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
	err := Do(t.Context(), judge(0), func(context.Context) error { tries++; return errFinal })
	if !errors.Is(err, errFinal) || tries != 1 {
		t.Errorf("%d tries, error %v; want one try and the final error", tries, err)
	}
}

func TestDoNamesBothTheLastErrorAndTheEndOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := Do(ctx, judge(0), func(context.Context) error { return errAway })
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
		err := Do(ctx, judge(time.Hour), func(context.Context) error { return errAway })
		if time.Since(began) > 2*time.Second || !errors.Is(err, errAway) {
			t.Errorf("waited %v (%v), want to stop at the deadline", time.Since(began), err)
		}
	})
}

func TestTellSaysOnceAMinuteWhatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx := WithProgressLog(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		err := Do(ctx, judge(time.Second), func(context.Context) error {
			if time.Since(began) < 150*time.Second {
				return errAway
			}
			return nil
		})
		if n := strings.Count(log.String(), errAway.Error()); err != nil || n != 3 {
			t.Errorf("told %d times in two and a half minutes (%v), want 3:\n%s", n, err, log.String())
		}
		log.Reset()
		if err := Do(ctx, judge(0), func(context.Context) error { return errFinal }); err == nil || log.Len() != 0 {
			t.Errorf("nothing is waited for after %v, but told: %s", err, log.String())
		}
	})
}
