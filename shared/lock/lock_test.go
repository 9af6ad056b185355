package lock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/lock"
)

func TestLockExcludes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := lock.New()
		var inside, most int
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if err := m.Lock(t.Context()); err != nil {
					t.Error(err)
					return
				}
				defer m.Unlock()
				inside++
				most = max(most, inside)
				time.Sleep(time.Second)
				inside--
			})
		}
		group.Wait()
		if most != 1 {
			t.Errorf("%d goroutines held the lock at the same time", most)
		}
	})
}

// TestLockEndsWithItsContext: a wait that was canceled leaves the lock to its holder, and free once that has unlocked
// it.
func TestLockEndsWithItsContext(t *testing.T) {
	m := lock.New()
	if err := m.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	reason := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if err := m.Lock(ctx); !errors.Is(err, reason) {
		t.Errorf("Lock = %v, want the context's cause", err)
	}
	m.Unlock()
	for range 20 {
		if err := m.Lock(ctx); err != nil {
			t.Fatalf("the lock is free: %v", err)
		}
		m.Unlock()
	}
}

func TestUnlockOfAnUnlockedMutexPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	lock.New().Unlock()
}
