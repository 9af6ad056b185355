package mailbox

import (
	"context"
	"sync"
	"time"
)

// claimRenewer renews the caller's claim on a message while an import lasts, also while it waits for
// memory, a gate or a slow answer. When renewing fails, its context ends.
type claimRenewer struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	renew  func(context.Context) error
	every  time.Duration

	mu   sync.Mutex // one renewal at a time
	last time.Time
	err  error

	done sync.WaitGroup
}

// startRenewer begins. The claim counts as renewed at this moment. stop must be called.
func startRenewer(ctx context.Context, renew func(context.Context) error, every time.Duration) *claimRenewer {
	k := &claimRenewer{renew: renew, every: every, last: time.Now()}
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

// renewIfOld is for the moment before a big step: the claim then is at most half an interval old.
func (k *claimRenewer) renewIfOld() error { return k.renewIfOlder(k.every / 2) }

func (k *claimRenewer) renewIfOlder(age time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
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

// lost is renew's error, or nil.
func (k *claimRenewer) lost() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}
