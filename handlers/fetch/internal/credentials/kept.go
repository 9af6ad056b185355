package credentials

import (
	"context"
	"sync"
)

// Kept is a secret, or several that belong together, as one run uses it: it is read when the run starts, and once more
// if it is refused in the middle of the run. It is safe for concurrent use.
type Kept[T any] struct {
	Read func(ctx context.Context) (T, error) // retries by itself
	Same func(a, b T) bool

	mu      sync.Mutex
	value   T
	renewed bool // it was read once more in this run
}

// Value returns the secret as it was read last; the zero value before Refresh.
func (k *Kept[T]) Value() T {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.value
}

// Refresh reads the secret at the start of a run. After an error the former value stays.
func (k *Kept[T]) Refresh(ctx context.Context) error {
	value, err := k.Read(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.value, k.renewed = value, false
	return nil
}

// Renew reads the secret once more after it was refused, and reports whether it is another one than before. It does so
// once after each Refresh: what is refused twice in one run is wrong, and more tries may lock the account. If the
// context ends meanwhile, its cause is returned, and the next refusal reads the secret.
func (k *Kept[T]) Renew(ctx context.Context) (changed bool, err error) {
	k.mu.Lock()
	skip := k.renewed
	k.mu.Unlock()
	if skip {
		return false, nil
	}
	value, err := k.Read(ctx)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.renewed = true
	if err != nil || k.Same(value, k.value) {
		return false, err
	}
	k.value = value
	return true, nil
}
