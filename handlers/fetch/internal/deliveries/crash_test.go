package deliveries

import (
	"context"
	"slices"
	"strings"
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
	killAtEveryWrite(t, delivered, 12, 13, 100)
}

// The same with ZIPs of the folder imports.
func TestImportKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	killAtEveryWrite(t, func(t *testing.T) *world {
		w := newImports(t)
		for name, content := range threeZIPs(t) {
			w.shelf.put(name, content, old)
		}
		return w
	}, 7, 11, 30)
}

// killAtEveryWrite lets a process die after each of its first writes, and then after each one that is step further.
func killAtEveryWrite(t *testing.T, build func(t *testing.T) *world, first, step, least int) {
	t.Helper()
	var want map[string]string
	var outcomes []string
	inBubble(t, func(t *testing.T) {
		w := build(t)
		w.run()
		want, outcomes = w.batches(), slices.Sorted(slices.Values(strings.Fields(w.outcomes())))
	})
	n := 0
	for more := true; more; n++ {
		if n >= first {
			n += step - 1
		}
		if inBubble(t, func(t *testing.T) { more = killedAfter(t, build(t), n, want, outcomes) }); t.Failed() {
			t.Fatalf("killed after write %d", n)
		}
	}
	if n < least {
		t.Errorf("only %d writes", n)
	}
}

// killedAfter reports whether there is more to see after the next write.
func killedAfter(t *testing.T, w *world, n int, want map[string]string, outcomes []string) bool {
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
	if got := slices.Sorted(slices.Values(strings.Fields(w.outcomes()))); !slices.Equal(got, outcomes) {
		t.Errorf("outcomes %q, want %q", got, outcomes)
	}
	return death.Dead()
}
