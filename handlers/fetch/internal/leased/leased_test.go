package leased

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
)

const name = "document.json"

func document(w *fetchtest.World) Document {
	return Document{In: w.Store.Checkpoints(), Name: name, Title: "the document", Wait: time.Minute,
		Patience: 5 * time.Minute}
}

// Work whose lease is lost hears of it at once, is called again, and up to maxTries times; its context ends with the
// caller's, too, and then it is not called again.
func TestWorkHearsOfTheLoss(t *testing.T) {
	for test, want := range map[string]struct {
		losses, calls int
		err           error
	}{
		"never": {0, 1, nil}, "once": {1, 2, nil}, "each time": {maxTries, maxTries, ErrLost},
		"the caller's time ends": {-1, 1, context.DeadlineExceeded},
	} {
		t.Run(test, func(t *testing.T) {
			fetchtest.Virtual(t, func(t *testing.T) {
				w, calls := fetchtest.NewWorld(t), 0
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err := document(w).Work(ctx, slog.New(slog.NewJSONHandler(w.Log, nil)),
					func(ctx context.Context, lease *archive.Lease) error {
						calls++
						if _, err := w.Store.Checkpoints().Put(ctx, name, calls, "*", lease); err != nil {
							t.Errorf("write under the lease: %v", err)
						}
						switch {
						case want.losses < 0:
							<-ctx.Done()
						case calls <= want.losses:
							w.BreakLease(name)
							<-ctx.Done()
						}
						return context.Cause(ctx)
					})
				if !errors.Is(err, want.err) || (err == nil) != (want.err == nil) || calls != want.calls {
					t.Errorf("%d calls and %v, want %d and %v", calls, err, want.calls, want.err)
				}
				if told := w.Log.Has(slog.LevelWarn, "the lease of the document was lost"); told != (want.losses > 0) {
					t.Errorf("the log tells of a loss: %v", told)
				}
			})
		})
	}
}

// Another holder is waited for as long as Wait, and not longer. After the work the lease is free.
func TestWorkWaitsForAnotherHolder(t *testing.T) {
	for test, want := range map[string]struct {
		after time.Duration
		busy  bool
	}{"released in time": {30 * time.Second, false}, "released too late": {4 * time.Minute, true}} {
		t.Run(test, func(t *testing.T) {
			fetchtest.Virtual(t, func(t *testing.T) {
				w := fetchtest.NewWorld(t)
				other, err := w.Store.Checkpoints().Lease(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(want.after, other.Release)
				began := time.Now()
				err = document(w).Work(t.Context(), slog.New(slog.DiscardHandler),
					func(context.Context, *archive.Lease) error { return nil })
				if errors.Is(err, funchost.ErrBusy) != want.busy || (err == nil) == want.busy {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took > 2*time.Minute {
					t.Errorf("it took %v", took)
				}
				time.Sleep(time.Until(began.Add(want.after + time.Second)))
				free, err := w.Store.Checkpoints().Lease(t.Context(), name)
				if err != nil {
					t.Fatalf("the lease is not free: %v", err)
				}
				free.Release()
			})
		})
	}
}

func TestStatus(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"success", nil, 200},
		{"not transient", broken, 500},
		{"storage is unavailable", fmt.Errorf("read: %w", archive.ErrUnavailable), 503},
		{"one of several is transient", errors.Join(broken, archive.ErrUnavailable), 503},
		{"not to be retried in this run", retry.Final(archive.ErrUnavailable), 500},
		{"the lease was lost", fmt.Errorf("%w: %w", ErrLost, broken), 503},
		{"the lease was lost after another failure", errors.Join(retry.Final(broken), ErrLost), 503},
		{"another instance is at work", fmt.Errorf("%w: %w", funchost.ErrBusy, ErrLost), 409},
		{"has the status already", fmt.Errorf("%w: %w", funchost.ErrUnavailable, ErrLost), 503},
	} {
		got := Status(tt.err)
		if funchost.Status(got) != tt.want || !errors.Is(got, tt.err) {
			t.Errorf("%s: %v with status %d, want %d", tt.name, got, funchost.Status(got), tt.want)
		}
		same := tt.err == nil || tt.want != 503 || errors.Is(tt.err, funchost.ErrUnavailable)
		if same && got != tt.err {
			t.Errorf("%s: %v, want the error as it is", tt.name, got)
		}
	}
}
