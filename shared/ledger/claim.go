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
	claimTries = 4      // between inserting and asking, the row may come and go
	maxUnsure  = 10_000 // lost answers that are remembered; more only means waiting for some claims
)

// Claim is the right to write one copy. It is safe for concurrent use.
type Claim struct {
	ledger *Ledger
	key    string

	mu  sync.Mutex
	row Row

	sent atomic.Pointer[time.Time] // when the last confirmed write was sent, by our clock; nil: not to be counted on

	unsure []string // marks of writes since then that may have been done
}

// Claim inserts a pending row for the copy. Exactly one of claim and row comes back: a claim if the copy is ours now, the row if it
// is somebody's, whatever its state. key is the copy's: 64 hex digits.
//
// After ErrUnavailable the insert may have been done; the same Ledger, asked again, takes it for its own. A claim that was
// handed out is never handed out twice.
func (l *Ledger) Claim(ctx context.Context, key string, h Holder, fingerprint string) (*Claim, *Row, error) {
	if len(key) < 2 {
		return nil, nil, errors.New("claim a copy: its key is too short")
	}
	row := Row{State: Pending, Batch: h.Batch, Line: h.Line, Invocation: h.Invocation, Fingerprint: fingerprint, mark: l.remembered(key, h)}
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
			// The SDK asks again when an answer is lost, and then meets the row of its own first try.
			there, gerr := l.get(ctx, key)
			switch {
			case errors.Is(gerr, errNotFound):
				continue // given back in between
			case gerr == nil && there.mark == row.mark:
				// Others count the claim's age from the insert that had its effect, however long ago that was.
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

// Settle inserts a row that is done: the copy is part of a message that is in the mailbox under another key. Whatever row is there
// already stays. It is harmless when called twice.
func (l *Ledger) Settle(ctx context.Context, key string, h Holder, fingerprint, graphID, outcome string) error {
	if len(key) < 2 {
		return errors.New("settle a copy: its key is too short")
	}
	row := Row{State: Done, Batch: h.Batch, Line: h.Line, Invocation: h.Invocation, At: l.now(), GraphID: graphID, Outcome: outcome,
		Fingerprint: fingerprint, mark: rand.Text()}
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

// TakeOver makes a pending row ours whose holder can no longer be alive: the caller judges that by the row's At. ErrLost if the row
// is not as it was read. Whether the copy's message is in the mailbox is open then.
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

// Renew says that the holder is alive. ErrLost if somebody has taken over.
func (c *Claim) Renew(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.write(ctx, func(*Row) {}); err != nil {
		return fmt.Errorf("renew a claim: %w", err)
	}
	return nil
}

// Fingerprint is that of the message which its holder writes, or which a holder that died was about to write.
func (c *Claim) Fingerprint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.row.Fingerprint
}

// Intend renews the claim and notes which outcome, with which content, its holder is about to bring about, for the holder that takes
// over and finds the message there.
func (c *Claim) Intend(ctx context.Context, outcome, fingerprint string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.write(ctx, func(r *Row) { r.Outcome, r.Fingerprint = outcome, fingerprint }); err != nil {
		return fmt.Errorf("note what a copy will be: %w", err)
	}
	return nil
}

// Done notes that the message is in the mailbox. It may be called again after ErrUnavailable. ErrLost if somebody has taken
// over: the message is there, and whoever has the claim now finds it.
func (c *Claim) Done(ctx context.Context, graphID, outcome string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.write(ctx, func(r *Row) { r.State, r.GraphID, r.Outcome = Done, graphID, outcome })
	if err != nil {
		return fmt.Errorf("note a copy as done: %w", err)
	}
	return nil
}

// Release takes the row away: nothing was written, for sure. It may be called again after ErrUnavailable; the row may be gone then, so
// the claim counts as old, and only Renew makes it good again.
func (c *Claim) Release(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.Store(nil)
	for range 2 {
		_, err := c.ledger.table.DeleteEntity(ctx, c.key[:2], c.key, &aztables.DeleteEntityOptions{IfMatch: &c.row.etag})
		err = translateError(ctx, err)
		if err == nil || errors.Is(err, errNotFound) { // not found: an earlier try took it away
			return nil
		}
		if errors.Is(err, errChanged) {
			err = c.reread(ctx) // a renewal of ours may have changed it
		}
		if err != nil {
			return fmt.Errorf("give a claim back: %w", err)
		}
	}
	return fmt.Errorf("give a claim back: %w", ErrLost)
}

// Since is how long ago the claim, or its last renewal, was sent: the holder counts as alive from then on. It is the longer of the
// times by the monotonic clock and by the wall clock: the one stands still while a virtual machine is suspended, the
// other may be set back. Both go on while a process is stopped.
//
// It does not wait for a renewal that is under way.
func (c *Claim) Since() time.Duration {
	sent := c.sent.Load()
	if sent == nil {
		return math.MaxInt64
	}
	now := c.ledger.now()
	return max(now.Sub(*sent), now.Round(0).Sub(sent.Round(0)))
}

// write replaces the row by its changed form, if it is as we know it. On success c has the new one.
func (c *Claim) write(ctx context.Context, change func(*Row)) error {
	for range 2 { // once more after finding that an earlier write, whose answer was lost, had been done
		sent := c.ledger.now()
		next := c.row
		change(&next)
		next.At, next.mark = sent, rand.Text()
		body, err := next.encode(c.key)
		if err != nil {
			return err
		}
		r, err := c.ledger.table.UpdateEntity(ctx, body, &aztables.UpdateEntityOptions{IfMatch: &c.row.etag, UpdateMode: aztables.UpdateModeReplace})
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

// reread takes up the row as it is, if a write of this claim made it: its answer may have been lost. Otherwise the claim is.
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

// claimed hands out a claim, once.
func (l *Ledger) claimed(key string, h Holder, row Row, sent time.Time) *Claim {
	l.forget(key, h)
	c := &Claim{ledger: l, key: key, row: row}
	c.sent.Store(&sent)
	return c
}

// remembered is the mark of this holder's insert whose answer was lost, or a new one.
func (l *Ledger) remembered(key string, h Holder) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mark, ok := l.unsure[claimant{key, h}]; ok {
		return mark
	}
	return rand.Text()
}

func (l *Ledger) remember(key string, h Holder, mark string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.unsure) >= maxUnsure {
		clear(l.unsure)
	}
	l.unsure[claimant{key, h}] = mark
}

func (l *Ledger) forget(key string, h Holder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.unsure, claimant{key, h})
}
