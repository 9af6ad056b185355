// Package leased does work under the lease of a document, so that one instance does it at a time. The document is what
// is kept from one run to the next.
package leased

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
)

// maxTries is how often one Work acquires the lease. It has to be acquired again each time that storage was unavailable
// for longer than the lease lasts.
const maxTries = 10

// ErrLost reports that the lease was lost: another instance may hold it already, or acquire it soon. Work that cannot
// write the document, because another instance has written it, MUST return an error that matches it.
var ErrLost = retry.NewTransient("the lease was lost")

// Document is a document whose lease is held while its content is worked on.
type Document struct {
	In       *archive.Documents
	Name     string
	Title    string        // in errors and log lines, such as "the checkpoint"
	Wait     time.Duration // how long to wait for another holder of the lease
	Patience time.Duration // how long one acquisition may take, with its retries and Wait
}

// Work acquires the lease and calls work with it. The context of work ends when ctx ends or the lease may be lost. If
// the lease was lost, it is acquired again and work is called once more, up to maxTries times in all: another holder
// may have written the document meanwhile, so work MUST read it each time. The error matches funchost.ErrBusy if
// another instance still holds the lease after Wait, and ErrLost if it was lost the last time, too.
func (d Document) Work(ctx context.Context, log *slog.Logger,
	work func(ctx context.Context, lease *archive.Lease) error) error {
	// This is no retry with pauses: acquire waits as long as the lease is held, or storage is unavailable.
	for try := 1; ; try++ {
		err := d.workOnce(ctx, work)
		if !errors.Is(err, ErrLost) || ctx.Err() != nil || try == maxTries {
			return err
		}
		log.Warn("the lease of "+d.Title+" was lost and is acquired again: storage was unavailable for longer than it "+
			"lasts", "error", err.Error())
	}
}

func (d Document) workOnce(outer context.Context, work func(context.Context, *archive.Lease) error) error {
	lease, err := d.acquire(outer)
	if err != nil {
		return err
	}
	defer lease.Release()
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	defer context.AfterFunc(lease.Context(), func() { cancel(context.Cause(lease.Context())) })()
	err = work(ctx, lease)
	if err != nil && lease.Context().Err() != nil && outer.Err() == nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}

func (d Document) acquire(ctx context.Context) (lease *archive.Lease, err error) {
	var held time.Time // when another instance was first seen to hold the lease
	err = retry.DoFor(ctx, d.Patience, func(ctx context.Context) (err error) {
		lease, err = d.In.Lease(ctx, d.Name)
		if errors.Is(err, archive.ErrLeased) {
			if held = cmp.Or(held, time.Now()); time.Since(held) < d.Wait {
				return retry.After(err, 0)
			}
		}
		return err
	})
	switch {
	case errors.Is(err, archive.ErrLeased):
		return nil, fmt.Errorf("%w: another fetch is at work and holds the lease of %s", funchost.ErrBusy, d.Title)
	case err != nil:
		return nil, fmt.Errorf("take the lease of %s: %w", d.Title, err)
	}
	return lease, nil
}

// Status wraps the error of a run with funchost.ErrUnavailable if a later run may succeed: if the error is transient,
// or the lease was lost. It returns any other error, and one that matches funchost.ErrBusy, as it is.
func Status(err error) error {
	again, _ := retry.IsTransient(err)
	if err == nil || !again && !errors.Is(err, ErrLost) || errors.Is(err, funchost.ErrBusy) ||
		errors.Is(err, funchost.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
}
