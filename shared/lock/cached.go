package lock

import (
	"context"
	"time"
)

// Cached is a value that is used for a certain time before it is read again, by one caller at a time. It MUST be made
// by NewCached.
type Cached[T any] struct {
	age time.Duration
	now func() time.Time

	lock  Mutex // guards the fields below
	read  time.Time
	fresh bool // the value may be used until it is too old
	value T
	known bool
}

// NewCached returns a Cached without a value. now is the clock of its age.
func NewCached[T any](age time.Duration, now func() time.Time) *Cached[T] {
	return &Cached[T]{age: age, now: now, lock: New()}
}

// Get returns the value. If it is too old, it is read first, with the former value; known reports whether there was
// one. After an error the former value is kept, and the next call reads again.
func (c *Cached[T]) Get(ctx context.Context, read func(ctx context.Context, former T, known bool) (T, error)) (
	T, error) {
	var none T
	if err := c.lock.Lock(ctx); err != nil {
		return none, err
	}
	defer c.lock.Unlock()
	age := c.now().Sub(c.read)
	if c.fresh && age >= 0 && age < c.age { // it is negative if the clock was set back
		return c.value, nil
	}
	value, err := read(ctx, c.value, c.known)
	if err != nil {
		return none, err
	}
	c.value, c.known, c.fresh, c.read = value, true, true, c.now()
	return value, nil
}

// Expire makes the next Get read the value.
func (c *Cached[T]) Expire(ctx context.Context) error {
	if err := c.lock.Lock(ctx); err != nil {
		return err
	}
	defer c.lock.Unlock()
	c.fresh = false
	return nil
}
