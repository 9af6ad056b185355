package mailbox

import (
	"context"
	"sync"
	"time"

	"o2archiver/shared/lock"
)

// claimRenewer renews the caller's claim on a message as long as an import lasts, even while the import waits for
// memory, a pause of the mailbox or a slow answer. If a renewal fails, its context is canceled.
type claimRenewer struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	renew  func(context.Context) error
	every  time.Duration

	renewing lock.Mutex // held during a renewal, so that one runs at a time; guards last and err
	last     time.Time  // when the last successful renewal began
	err      error      // the error of the renewal that failed; it stays

	done sync.WaitGroup
}

// startRenewer starts the renewals, every interval of every. The claim counts as renewed now. stop MUST be called.
func startRenewer(ctx context.Context, renew func(context.Context) error, every time.Duration) *claimRenewer {
	k := &claimRenewer{renew: renew, every: every, renewing: lock.New(), last: time.Now()}
	k.ctx, k.cancel = context.WithCancelCause(ctx)
	if renew != nil {
		k.done.Go(k.run)
	}
	return k
}

// stop ends the renewals and waits for one that is under way.
func (k *claimRenewer) stop() {
	k.cancel(nil)
	k.done.Wait()
}

// run renews the claim until the context ends or a renewal fails.
func (k *claimRenewer) run() {
	ticker := time.NewTicker(k.every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if k.renewIfOlder(k.every/2) != nil {
				return
			}
		case <-k.ctx.Done():
			return
		}
	}
}

// renewIfOld is called before each larger step. It renews the claim unless it is less than half an interval old.
func (k *claimRenewer) renewIfOld() error { return k.renewIfOlder(k.every / 2) }

// renewIfOlder renews the claim if its age is at least age. After a failed renewal it always returns an *Error of kind
// Lost. If the context ended during the renewal, the outcome of the renewal is unknown and the error is not Lost.
func (k *claimRenewer) renewIfOlder(age time.Duration) error {
	k.lock()
	defer k.renewing.Unlock()
	if k.renew == nil || k.err == nil && time.Since(k.last) < age {
		return nil
	}
	if k.err == nil {
		began := time.Now()
		ctx, cancel := context.WithTimeout(k.ctx, k.every)
		err := k.renew(ctx)
		cancel()
		if err != nil {
			if k.ctx.Err() != nil {
				return &Error{Kind: Unavailable, Code: "NotSent", cause: context.Cause(k.ctx)}
			}
			k.err = err
			k.cancel(err)
		} else {
			k.last = began
		}
	}
	if k.err != nil {
		return &Error{Kind: Lost, cause: k.err}
	}
	return nil
}

// lock waits for a renewal that is under way, which ends with k.ctx at the latest.
func (k *claimRenewer) lock() { _ = k.renewing.Lock(context.WithoutCancel(k.ctx)) }

// lost returns the error of the renewal that failed, or nil.
func (k *claimRenewer) lost() error {
	k.lock()
	defer k.renewing.Unlock()
	return k.err
}
