package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

const (
	claimTries = 4      // inserts: a row that made one fail may be released before it is read
	maxUnsure  = 10_000 // inserts with a lost answer that are remembered; see Ledger.remember
)

// Claim is a held claim: the exclusive right to write one copy. It is safe for concurrent use.
type Claim struct {
	ledger *Ledger
	key    string

	mu  sync.Mutex
	row Row

	// sent is when the last confirmed write of the row was sent, by this process's clock.
	// nil: the claim may be gone (Release was called), and no write may rely on it.
	sent atomic.Pointer[time.Time]

	unsure []string // marks of the writes since then whose answer was lost: any of them may have been done
}

// Claim claims a copy with one insert-if-absent of a pending row. It returns either the claim, if this call inserted
// the row, or the existing row, whatever its state. key identifies the copy: 64 hex digits.
//
// After ErrUnavailable the insert may have been done. If the same Ledger is called again with the same key and holder,
// it recognizes the row of the earlier call by its mark and returns the claim. It never returns a claim twice.
func (l *Ledger) Claim(ctx context.Context, key string, h Holder, fingerprint string) (*Claim, *Row, error) {
	if len(key) < 2 {
		return nil, nil, errors.New("claim a copy: its key is too short")
	}
	row := Row{State: Pending, Batch: h.Batch, Line: h.Line, Invocation: h.Invocation,
		Fingerprint: fingerprint, mark: l.remembered(key, h)}
	for range claimTries {
		sent := l.now()
		row.At = sent
		body, err := row.encode(key)
		if err != nil {
			return nil, nil, fmt.Errorf("claim a copy: %w", err)
		}
		added, err := l.table.AddEntity(ctx, body, nil)
		if err = translateError(ctx, err); err == nil {
			row.etag = added.ETag
			return l.claimed(key, h, row, sent), nil, nil
		}
		if errors.Is(err, errExists) {
			// The SDK repeats a request whose answer was lost, and the repetition then conflicts with the row that the
			// first request inserted.
			there, gerr := l.get(ctx, key)
			switch {
			case errors.Is(gerr, errNotFound):
				continue // released since the insert
			case gerr == nil && there.mark == row.mark:
				// Other holders count the claim's age from the insert that took effect, however long ago that was, so
				// this process has to count from there too.
				return l.claimed(key, h, *there, there.At), nil, nil
			case gerr == nil:
				l.forget(key, h)
				return nil, there, nil
			}
			err = gerr
		}
		l.remember(key, h, row.mark)
		return nil, nil, fmt.Errorf("claim a copy: %w", err)
	}
	return nil, nil, fmt.Errorf("claim a copy: %w: others claim it and give it back", ErrUnavailable)
}

// Settle inserts a row in state done, for a copy that is part of a message which is in the mailbox under another key.
// If the copy has a row, that row stays as it is and Settle returns nil. It is safe to call again after any error.
func (l *Ledger) Settle(ctx context.Context, key string, h Holder, fingerprint, graphID, outcome string) error {
	if len(key) < 2 {
		return errors.New("settle a copy: its key is too short")
	}
	row := Row{State: Done, Batch: h.Batch, Line: h.Line, Invocation: h.Invocation, At: l.now(),
		GraphID: graphID, Outcome: outcome, Fingerprint: fingerprint, mark: rand.Text()}
	body, err := row.encode(key)
	if err == nil {
		_, err = l.table.AddEntity(ctx, body, nil)
		err = translateError(ctx, err)
	}
	if err != nil && !errors.Is(err, errExists) {
		return fmt.Errorf("settle a copy: %w", err)
	}
	return nil
}

// TakeOver acquires the claim of a pending row whose holder can no longer be alive. The caller decides that, by the
// row's Age. The write is conditional on the row's ETag: TakeOver returns ErrLost if the row is not as it was read.
// The new holder does not know whether the copy's message is in the mailbox and MUST look for it before it writes.
func (l *Ledger) TakeOver(ctx context.Context, key string, row *Row, h Holder) (*Claim, error) {
	if row.State != Pending {
		return nil, fmt.Errorf("take over a copy: it is %s, not %s", row.State, Pending)
	}
	c := &Claim{ledger: l, key: key, row: *row}
	err := c.write(ctx, func(r *Row) { r.Batch, r.Line, r.Invocation = h.Batch, h.Line, h.Invocation })
	if err != nil {
		return nil, fmt.Errorf("take over a copy: %w", err)
	}
	return c, nil
}

// Renew renews the claim, so that other holders see that this one is alive. It returns ErrLost if another holder has
// taken the claim over.
func (c *Claim) Renew(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.write(ctx, func(*Row) {}); err != nil {
		return fmt.Errorf("renew a claim: %w", err)
	}
	return nil
}

// Fingerprint returns the fingerprint of the message that this holder writes or, after TakeOver, that the holder
// before was about to write.
func (c *Claim) Fingerprint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.row.Fingerprint
}

// Intend renews the claim and stores the outcome and the fingerprint of the message that its holder is about to write.
// A holder that takes the claim over and finds the message in the mailbox reads them from the row.
func (c *Claim) Intend(ctx context.Context, outcome, fingerprint string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.write(ctx, func(r *Row) { r.Outcome, r.Fingerprint = outcome, fingerprint }); err != nil {
		return fmt.Errorf("note what a copy will be: %w", err)
	}
	return nil
}

// Done marks the row as done: the message is in the mailbox. It may be called again after ErrUnavailable. ErrLost
// means that another holder has taken the claim over; the message is in the mailbox and the other holder finds it by
// its key.
func (c *Claim) Done(ctx context.Context, graphID, outcome string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.write(ctx, func(r *Row) { r.State, r.GraphID, r.Outcome = Done, graphID, outcome })
	if err != nil {
		return fmt.Errorf("note a copy as done: %w", err)
	}
	return nil
}

// Release deletes the row. It MUST be called only if it is certain that nothing was written to the mailbox. It may be
// called again after ErrUnavailable. The row may be gone by then, so from the call of Release on the claim counts as
// too old to write with; only a successful Renew makes it usable again.
func (c *Claim) Release(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.Store(nil)
	for range 2 {
		_, err := c.ledger.table.DeleteEntity(ctx, c.key[:2], c.key,
			&aztables.DeleteEntityOptions{IfMatch: &c.row.etag})
		err = translateError(ctx, err)
		if err == nil || errors.Is(err, errNotFound) { // not found: an earlier try deleted it
			return nil
		}
		if errors.Is(err, errChanged) {
			err = c.reread(ctx) // a renewal of this claim may have changed it
		}
		if err != nil {
			return fmt.Errorf("give a claim back: %w", err)
		}
	}
	return fmt.Errorf("give a claim back: %w", ErrLost)
}

// Since returns the age of the claim: the time since the last confirmed write of its row, a claim or a renewal, was
// sent. It is the longest duration if the claim may have been released.
//
// The result is the longer of the times by the monotonic clock and by the wall clock. The monotonic clock stops while
// a virtual machine is suspended, and the wall clock may be set back; both continue while a process is stopped.
//
// Since does not wait for a renewal that is under way.
func (c *Claim) Since() time.Duration {
	sent := c.sent.Load()
	if sent == nil {
		return math.MaxInt64
	}
	now := c.ledger.now()
	return max(now.Sub(*sent), now.Round(0).Sub(sent.Round(0)))
}

// write replaces the row with its changed form, on condition that the row is still the one of c.row. On success c.row
// is the new one. It returns ErrLost if another holder has changed or deleted the row. c.mu must be held, or the claim
// not yet shared.
func (c *Claim) write(ctx context.Context, change func(*Row)) error {
	for range 2 { // the second time if an earlier write of this claim, whose answer was lost, had been done
		sent := c.ledger.now()
		next := c.row
		change(&next)
		next.At, next.mark = sent, rand.Text()
		body, err := next.encode(c.key)
		if err != nil {
			return err
		}
		r, err := c.ledger.table.UpdateEntity(ctx, body,
			&aztables.UpdateEntityOptions{IfMatch: &c.row.etag, UpdateMode: aztables.UpdateModeReplace})
		err = translateError(ctx, err)
		if err == nil {
			next.etag = r.ETag
			c.row, c.unsure = next, nil
			c.sent.Store(&sent)
			return nil
		}
		if errors.Is(err, errNotFound) {
			return ErrLost
		}
		c.unsure = append(c.unsure, next.mark)
		if !errors.Is(err, errChanged) {
			return err
		}
		if err := c.reread(ctx); err != nil {
			return err
		}
		if c.row.mark == next.mark {
			c.unsure = nil
			c.sent.Store(&sent)
			return nil
		}
	}
	return ErrLost
}

// reread reads the row again after a failed condition. If the row carries the mark of a write of this claim, the
// answer to that write was lost: the row becomes c.row. Any other mark is another holder's, and reread returns
// ErrLost.
func (c *Claim) reread(ctx context.Context) error {
	there, err := c.ledger.get(ctx, c.key)
	switch {
	case errors.Is(err, errNotFound):
		return ErrLost
	case err != nil:
		return err
	case there.mark != c.row.mark && !slices.Contains(c.unsure, there.mark):
		return ErrLost
	}
	c.row = *there
	return nil
}

// claimed returns the claim of a row that this Ledger inserted, and forgets the mark, so that the claim is returned
// only once.
func (l *Ledger) claimed(key string, h Holder, row Row, sent time.Time) *Claim {
	l.forget(key, h)
	c := &Claim{ledger: l, key: key, row: row}
	c.sent.Store(&sent)
	return c
}

// remembered returns the mark of this holder's earlier insert whose answer was lost, or a new mark.
func (l *Ledger) remembered(key string, h Holder) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mark, ok := l.unsure[claimant{key, h}]; ok {
		return mark
	}
	return rand.Text()
}

// remember stores the mark of an insert whose answer was lost. If there are too many, all are dropped: their rows then
// count as another holder's until they are old enough to be taken over.
func (l *Ledger) remember(key string, h Holder, mark string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.unsure) >= maxUnsure {
		clear(l.unsure)
	}
	l.unsure[claimant{key, h}] = mark
}

// forget drops the mark of an insert whose outcome is known.
func (l *Ledger) forget(key string, h Holder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.unsure, claimant{key, h})
}
