package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"o2archiver/shared/funchost"
)

// Without the password nothing is asked of the site; what was planned is fetched by the next run.
func TestPasswordThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   error
		level  slog.Level
		status int
	}{
		{funchost.ErrUnavailable, slog.LevelWarn, 503}, {funchost.ErrSettings, slog.LevelError, 500},
	} {
		t.Run(tt.kind.Error(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.daysBack(2)
			fails, reads := true, 0
			w.collector.signIn = func(context.Context) error {
				if reads++; fails {
					return fmt.Errorf("%w: the vault says no", tt.kind)
				}
				return nil
			}
			want := Result{Open: 2, Watermark: w.collector.from}
			if res, err := w.try(w.collector, ""); funchost.Status(err) != tt.status || res != want {
				t.Errorf("%+v, %v", res, err)
			}
			const event = `"event":"fetch.passwordUnreadable","error":`
			if !w.Log.Has(tt.level, event) || w.Log.Count(event, "the vault says no") != 1 {
				t.Errorf("the log:\n%s", w.Log)
			}
			w.items(0)
			fails = false
			if res := w.run(); res.Slices != 2 || res.Received != 2 || reads != 2 {
				t.Errorf("%+v after %d reads", res, reads)
			}
		})
	}
}

// An invocation whose time is up while the password is read says so, and nothing of the vault.
func TestTimeIsUpWhileThePasswordIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	w.collector.signIn = func(ctx context.Context) error {
		cancel(funchost.ErrStopped)
		return context.Cause(ctx)
	}
	if _, err := w.invoke(ctx, w.collector, "", ""); !errors.Is(err, funchost.ErrStopped) ||
		w.Log.Count("fetch.passwordUnreadable") != 0 {
		t.Errorf("%v\n%s", err, w.Log)
	}
}
