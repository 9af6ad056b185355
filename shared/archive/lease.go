package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
)

const leaseSeconds = 15 // the shortest that the service offers: how long a killed holder blocks the next one

// leaseTimes holds when a lease is renewed and when it counts as lost.
type leaseTimes struct {
	renew time.Duration // interval after a confirmed renewal
	retry time.Duration // interval after a renewal that was not confirmed
	lost  time.Duration // after sending the last confirmed renewal; before the service may grant it to another
	try   time.Duration // timeout of one request
}

func defaultLeaseTimes() leaseTimes {
	return leaseTimes{renew: 4 * time.Second, retry: time.Second, lost: 12 * time.Second, try: 4 * time.Second}
}

// Lease is the exclusive right to write a blob. It is renewed in the background until Release or until it is lost.
type Lease struct {
	id     string
	date   time.Time // the service's time when it was acquired; zero if the answer had none
	client *lease.BlobClient
	times  leaseTimes

	ctx      context.Context
	lose     context.CancelCauseFunc
	deadline *time.Timer
	done     chan struct{} // closed when renewing has ended
	once     sync.Once
}

// Lease acquires the lease of a blob, and first creates the blob with the content {} if there is none. It returns
// ErrLeased if there is another holder: one that died keeps the lease for up to 15 s. ctx applies to the acquisition
// only.
func (d *Documents) Lease(ctx context.Context, name string) (*Lease, error) {
	l, _, err := d.lease(ctx, name)
	if errors.Is(err, ErrNotFound) {
		_, err = d.Put(ctx, name, struct{}{}, "", nil)
		if err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, ErrLeased) {
			return nil, fmt.Errorf("create a blob to lease: %w", err)
		}
		l, _, err = d.lease(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("take a lease: %w", err)
	}
	return l, nil
}

// lease acquires the lease of an existing blob and returns the blob's ETag.
func (b blobs) lease(ctx context.Context, name string) (*Lease, string, error) {
	// The client proposes the same ID on every try. A second try, after an answer that was lost, is thus no conflict.
	client, err := lease.NewBlobClient(b.blob(name), nil)
	if err != nil {
		return nil, "", fmt.Errorf("choose a lease id: %w", err)
	}
	sent := time.Now()
	r, err := client.AcquireLease(b.store.times.quick(ctx, 1), leaseSeconds, nil)
	if err = translateError(ctx, err); err != nil {
		return nil, "", err
	}
	l := &Lease{
		id: *client.LeaseID(), date: valueOf(r.Date), client: client, times: b.store.times, done: make(chan struct{}),
	}
	l.ctx, l.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	l.deadline = time.AfterFunc(b.store.times.lost-time.Since(sent), func() {
		l.lose(fmt.Errorf("lease not renewed in time, it may be lost: %w", ErrChanged))
	})
	go l.keep()
	return l, textOf(r.ETag), nil
}

// quick returns a context with short retries for a request about a lease: a late answer is worthless.
func (t leaseTimes) quick(ctx context.Context, retries int32) context.Context {
	if retries == 0 {
		retries = -1 // in azcore, 0 means three
	}
	return policy.WithRetryOptions(ctx,
		policy.RetryOptions{MaxRetries: retries, RetryDelay: t.retry / 4, TryTimeout: t.try})
}

// keep renews the lease until it is released or lost. It does not retry by package retry: a renewal that failed is
// followed by the next one, and the lease's own time is the limit.
func (l *Lease) keep() {
	defer close(l.done)
	pause := l.times.renew
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(pause):
		}
		sent := time.Now()
		_, err := l.client.RenewLease(l.times.quick(l.ctx, 0), nil)
		switch err = translateError(l.ctx, err); {
		case err == nil:
			if l.deadline.Stop() {
				l.deadline.Reset(l.times.lost - time.Since(sent))
			}
			pause = l.times.renew
		case errors.Is(err, ErrChanged), errors.Is(err, ErrLeased), errors.Is(err, ErrNotFound):
			l.lose(fmt.Errorf("lease lost: %w", err))
			return
		default:
			pause = l.times.retry
		}
	}
}

// Context ends when the lease may be lost, that is when no renewal has been confirmed for 12 s, and on Release.
func (l *Lease) Context() context.Context { return l.ctx }

// Time returns the service's time when the lease was acquired; zero if the answer had none.
func (l *Lease) Time() time.Time { return l.date }

// Release releases the lease and ends its Context. If the service can't be reached, the lease expires within 15 s. It
// may be called twice.
func (l *Lease) Release() {
	l.once.Do(func() {
		lost := l.ctx.Err() != nil
		l.lose(fmt.Errorf("lease released: %w", context.Canceled)) // this also aborts a renewal
		<-l.done
		l.deadline.Stop()
		if lost {
			return // another holder may have it by now
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), l.times.try)
		defer cancel()
		// An error has no consequence: the lease expires.
		_, _ = l.client.ReleaseLease(l.times.quick(ctx, 1), nil)
	})
}
