package importer

import (
	"context"
	"time"

	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
)

// Options.InDoubt is how long a claim's holder counts as alive, by the table service's clock. A holder starts a write
// only with a claim younger than InDoubt/9, renews it every InDoubt/9, and aborts the request if the renewal fails. No
// byte of a request is sent with a claim older than two ninths of InDoubt, however long the process was suspended in
// between, and no request takes longer than six ninths. The rest is time for Graph to finish what was aborted.

// maxWriteAge returns the age from which on no byte is sent with a claim.
func maxWriteAge(inDoubt time.Duration) time.Duration { return inDoubt * 2 / 9 }

// maxClaimAge returns the age from which on a claim is renewed before it is used for a write.
func maxClaimAge(inDoubt time.Duration) time.Duration { return inDoubt / 9 }

// settleDelay returns how long to wait after an ambiguous answer before the mailbox is searched.
func settleDelay(inDoubt time.Duration) time.Duration { return inDoubt / 18 }

// RequestTimeout returns the longest time that a request to Graph may take, for mailbox.Config.Timeout.
func RequestTimeout(inDoubt time.Duration) time.Duration { return inDoubt * 2 / 3 }

// renewIfStale renews the claim if it is too old for a write.
func (c *copyJob) renewIfStale(ctx context.Context) error {
	if c.claim.Since() < maxClaimAge(c.im.opts.InDoubt) {
		return nil
	}
	return c.claim.Renew(ctx)
}

// writeContext returns the context for requests that write under the claim: none is sent once the claim is too old.
func (c *copyJob) writeContext(ctx context.Context) context.Context {
	claim, limit := c.claim, maxWriteAge(c.im.opts.InDoubt)
	return mailbox.WithClaim(ctx, func() bool { return claim.Since() < limit })
}

// claimer is what a copy needs of the ledger. It is an interface so that tests can script the answers.
type claimer interface {
	// Claim inserts a pending row. It returns the claim if this holder now has the copy, otherwise the existing row.
	Claim(ctx context.Context, key string, h ledger.Holder, fingerprint string) (claim, *ledger.Row, error)

	// TakeOver acquires a pending row whose holder can't be alive any more. It returns ledger.ErrLost if the row has
	// changed.
	TakeOver(ctx context.Context, key string, row *ledger.Row, h ledger.Holder) (claim, error)

	// Settle inserts a row with state done if there is no row. It is idempotent.
	Settle(ctx context.Context, key string, h ledger.Holder, fingerprint, graphID, outcome string) error
}

// claim is what a copy needs of its row in the ledger. Every write returns ledger.ErrLost if the row has another
// holder.
type claim interface {
	Fingerprint() string
	Since() time.Duration
	Renew(ctx context.Context) error
	Intend(ctx context.Context, outcome, fingerprint string) error
	Done(ctx context.Context, graphID, outcome string) error
	Release(ctx context.Context) error
}

// session is what a copy needs of its mailbox slot. mailbox.Session implements it.
type session interface {
	Find(ctx context.Context, key string) ([]mailbox.Found, error)
	Delete(ctx context.Context, id string, renew func(context.Context) error) error
	Import(ctx context.Context, m *mailbox.Message, renew func(context.Context) error) (id string, err error)
	LeaveMailbox()
}

// claims adapts the ledger to claimer.
type claims struct{ *ledger.Ledger }

func (l claims) Claim(
	ctx context.Context, key string, h ledger.Holder, fingerprint string,
) (claim, *ledger.Row, error) {
	c, row, err := l.Ledger.Claim(ctx, key, h, fingerprint)
	if c == nil { // a nil pointer in an interface would not be nil
		return nil, row, err
	}
	return c, row, err
}

func (l claims) TakeOver(ctx context.Context, key string, row *ledger.Row, h ledger.Holder) (claim, error) {
	c, err := l.Ledger.TakeOver(ctx, key, row, h)
	if c == nil {
		return nil, err
	}
	return c, err
}
