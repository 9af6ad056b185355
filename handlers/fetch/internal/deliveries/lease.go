package deliveries

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
)

// leaseTries is how often one run acquires the lease. It has to be acquired again each time that storage was
// unavailable for longer than the lease lasts.
const leaseTries = 10

// workWithLease does the work of a run while it holds the lease, and returns errLeaseLost if it loses it.
func (r *run) workWithLease(outer context.Context) error {
	lease, err := r.acquireLease(outer)
	if err != nil {
		return err
	}
	defer lease.Release()
	r.Reporter.Begin(outer)
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	context.AfterFunc(lease.Context(), func() { cancel(context.Cause(lease.Context())) })
	r.lease, r.state = lease, &State{} // another holder of the lease may have changed it
	err = r.work(ctx)
	if err != nil && lease.Context().Err() != nil && outer.Err() == nil {
		return fmt.Errorf("%w: %w", errLeaseLost, err)
	}
	return err
}

// acquireLease acquires the state's lease, so that one instance reads deliveries at a time.
func (d *Intake) acquireLease(ctx context.Context) (*archive.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limits.storage+d.limits.lease)
	defer cancel()
	var lease *archive.Lease
	var held time.Time // when another instance was first seen to hold the lease
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		lease, err = d.Checkpoints.Lease(ctx, d.form.state)
		if errors.Is(err, archive.ErrLeased) {
			if held = cmp.Or(held, time.Now()); time.Since(held) < d.limits.lease {
				return retry.After(err, 0)
			}
		}
		return err
	})
	switch {
	case errors.Is(err, archive.ErrLeased):
		return nil, fmt.Errorf("%w: another fetch is at work and holds the lease", funchost.ErrBusy)
	case err != nil:
		return nil, fmt.Errorf("take the lease of the deliveries: %w", err)
	}
	return lease, nil
}
