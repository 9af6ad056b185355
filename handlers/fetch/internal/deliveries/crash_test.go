package deliveries

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
)

// delivered is a world with two ZIPs that are to be read.
func delivered(t *testing.T) *world {
	w := newWorld(t)
	w.shelf.put(nameOf(1), makeZIP(t, "a", 120), old)
	w.shelf.put(nameOf(2), sample(t, "password"), old)
	return w
}

// TestKilledAtEveryWrite lets the process die after its n-th write, and start again: the batches are those of a process
// that did not die. The step keeps it short: between two batches are hundreds of writes of media.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	var want map[string]string
	inBubble(t, func(t *testing.T) {
		w := delivered(t)
		w.run()
		want = w.batches()
	})
	n, step := 0, 1
	for more := true; more; n += step {
		if n == 12 {
			step = 13
		}
		if inBubble(t, func(t *testing.T) { more = killedAfter(t, n, want) }); t.Failed() {
			t.Fatalf("killed after write %d", n)
		}
	}
	if n < 100 {
		t.Errorf("only %d writes", n)
	}
}

// killedAfter reports whether there is more to see after the next write.
func killedAfter(t *testing.T, n int, want map[string]string) bool {
	w := delivered(t)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
	_, err := w.try(ctx, w.intake(w.OpenWith(w.Storage.Through(death.Rule))))
	if (err == nil) == death.Dead() {
		t.Errorf("killed: %v, error %v", death.Dead(), err)
	}
	w.run()
	if diff := cmp.Diff(want, w.batches()); diff != "" {
		t.Errorf("the batches differ (%d, want %d)", len(w.batches()), len(want))
	}
	if got := w.outcomes(); got != "complete incomplete" && got != "incomplete complete" {
		t.Errorf("outcomes %q", got)
	}
	return death.Dead()
}
