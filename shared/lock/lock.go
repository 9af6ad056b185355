// Package lock is a mutex that respects a context.
package lock

import "context"

// Mutex is a mutual exclusion lock. Unlike with a sync.Mutex, the wait for it ends with a context, so it may be held
// during a request. It MUST be made by New, and may be copied.
type Mutex struct{ held chan struct{} }

// New returns an unlocked Mutex.
func New() Mutex { return Mutex{make(chan struct{}, 1)} }

// Lock waits for the lock. If ctx ends first, the lock is not held and the error is ctx's cause. A lock that is free is
// acquired whether ctx has ended or not.
func (m Mutex) Lock(ctx context.Context) error {
	select {
	case m.held <- struct{}{}:
		return nil
	default: // select chooses at random if ctx has ended too
	}
	select {
	case m.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Unlock releases the lock. It panics if the lock is not held.
func (m Mutex) Unlock() {
	select {
	case <-m.held:
	default:
		panic("lock: unlock of an unlocked Mutex")
	}
}
