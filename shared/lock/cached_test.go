package lock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"o2archiver/shared/lock"
)

func TestCached(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	c := lock.NewCached[string](time.Minute, func() time.Time { return now })
	fault := errors.New("not now")
	var read int
	for i, step := range []struct {
		after  time.Duration
		expire bool
		err    error
		want   string
	}{
		{0, false, fault, ""},
		{0, false, nil, " then 2"},
		{59 * time.Second, false, fault, " then 2"},
		{time.Second, false, fault, ""},
		{0, false, nil, " then 2 then 4"},
		{time.Second, true, nil, " then 2 then 4 then 5"},
		{-time.Hour, false, nil, " then 2 then 4 then 5 then 6"}, // the clock was set back
	} {
		now = now.Add(step.after)
		if step.expire {
			if err := c.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got, err := c.Get(t.Context(), func(_ context.Context, former string, known bool) (string, error) {
			if read++; known != (former != "") {
				t.Errorf("step %d: the former value %q is known: %t", i, former, known)
			}
			return fmt.Sprintf("%s then %d", former, read), step.err
		})
		if got != step.want || (err != nil) != (step.want == "") {
			t.Errorf("step %d: %q, %v; want %q", i, got, err, step.want)
		}
	}
}

// A caller whose context ends does not wait for the read of another one.
func TestCachedEndsWithItsContext(t *testing.T) {
	c := lock.NewCached[int](time.Minute, time.Now)
	reading, done := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = c.Get(t.Context(), func(context.Context, int, bool) (int, error) {
			close(reading)
			<-done
			return 1, nil
		})
	}()
	<-reading
	defer close(done)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := c.Expire(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
