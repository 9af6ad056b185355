package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// Options.InDoubt is how long a claim's holder counts as alive, by the table service's clock. A holder starts a write only
// with a claim younger than inDoubt/9, renews it every inDoubt/9, and aborts the request when that fails. No byte of a
// request is sent with a claim older than two ninths, however long the process was stopped in between, and no request
// takes more than six ninths. The rest is for Graph to finish what was aborted.
func maxWriteAge(inDoubt time.Duration) time.Duration { return inDoubt * 2 / 9 }
func maxClaimAge(inDoubt time.Duration) time.Duration { return inDoubt / 9 }
func settleDelay(inDoubt time.Duration) time.Duration { return inDoubt / 18 }

// RequestTimeout returns the longest time that a request to Graph may take, for mailbox.Config.Timeout.
func RequestTimeout(inDoubt time.Duration) time.Duration { return inDoubt * 2 / 3 }

// copyJob brings one copy, a record into a mailbox, to its outcome.
type copyJob struct {
	im      *Importer
	line    *batchRecord
	mailbox string
	holder  ledger.Holder
	key     string

	ticket             *mailbox.Ticket // at the mailbox, for the first try; nil from then on
	claim              *ledger.Claim   // ours, or nil
	uncertain          bool            // a request may have had an effect that nobody saw
	uncertainUntil     time.Time       // until then it may still have it
	createdID          string          // Graph's id of the message, which is there whole: only the ledger does not know yet
	partialID          string          // Graph's id of a message of ours that lacks attachments
	withoutAttachments bool            // the mailbox refuses the message's size: it goes there without its attachments
	out                journal.Copy
}

// run tries until the copy has an outcome or ctx ends. The error is one of the surroundings, never of the item.
func (c *copyJob) run(ctx context.Context) (journal.Copy, error) {
	err := mailbox.Retry(ctx, c.attempt)
	if err != nil {
		return journal.Copy{}, fmt.Errorf("import a copy: %w", err)
	}
	return c.out, nil
}

// cost is what the copy is about to ask of the mailbox.
func (c *copyJob) cost() mailbox.Cost {
	sizes := c.line.sizes
	if c.withoutAttachments {
		sizes = nil
	}
	cost := c.im.opts.Boxes.Cost(len(c.line.rec.Text), sizes)
	if c.uncertain {
		cost.Requests += 4 // look twice, and perhaps delete
	}
	return cost
}

// attempt is one attempt: claim, look if in doubt, create, note. It leaves the claim standing where the outcome is open.
//
// What it needs it takes in this order, as everybody does, so that nobody waits in a circle: the place at the mailbox, the
// memory, the place among the copies that are worked on, and for each request, inside of the mailbox's client, the permit. The
// mailbox's place comes first, with the quota for all of the copy's requests: copies that wait for a mailbox
// take nothing from the others. Where the mailbox closes later, the try fails and lets go of everything.
func (c *copyJob) attempt(ctx context.Context) error {
	turn := c.ticket
	if c.ticket = nil; turn == nil {
		turn = c.im.opts.Boxes.Queue(c.mailbox, c.cost())
	}
	slot, err := turn.Slot(ctx)
	if err != nil {
		return err
	}
	defer slot.Release()
	release, err := c.line.reserveMemory(ctx, c.im)
	if err != nil {
		return err
	}
	defer release()
	select {
	case c.im.workers <- struct{}{}:
		defer func() { <-c.im.workers }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if settled, err := c.acquireClaim(ctx); err != nil || settled {
		return err
	}
	if c.createdID != "" {
		slot.Release() // the rest is between us and the ledger
		return c.markDone(ctx, c.createdID)
	}
	if c.uncertain {
		if settled, err := c.resolveUncertain(ctx, slot); err != nil || settled {
			return err
		}
	}
	return c.createMessage(ctx, slot)
}

// acquireClaim makes the claim ours and fresh. settled: the ledger knows the outcome already.
func (c *copyJob) acquireClaim(ctx context.Context) (settled bool, err error) {
	if c.claim != nil {
		return false, c.renewIfStale(ctx)
	}
	claim, row, err := c.im.opts.Ledger.Claim(ctx, c.key, c.holder, c.line.fingerprint)
	switch {
	case err != nil:
		return false, err
	case row == nil:
		c.claim = claim
		return false, nil
	case row.State == ledger.Done:
		return true, c.finishFromLedger(ctx, row)
	}
	if row.Age < c.im.opts.InDoubt {
		return false, errClaimHeld
	}
	if c.claim, err = c.im.opts.Ledger.TakeOver(ctx, c.key, row, c.holder); err != nil {
		return false, err
	}
	c.uncertain = true
	c.withoutAttachments = row.Outcome == string(journal.Oversize)
	return false, nil
}

// renewIfStale renews the claim if it is too old for anything to be written with it.
func (c *copyJob) renewIfStale(ctx context.Context) error {
	if c.claim.Since() < maxClaimAge(c.im.opts.InDoubt) {
		return nil
	}
	return c.dropIfLost(c.claim.Renew(ctx))
}

// dropIfLost drops a claim that is somebody else's by now. The next try waits for him, or looks what he has left.
func (c *copyJob) dropIfLost(err error) error {
	if errors.Is(err, ledger.ErrLost) {
		c.claim = nil
	}
	return err
}

// finishFromLedger takes the outcome from the ledger: our own, where a try of this batch had come so far, or that of a message which
// is in the mailbox already.
func (c *copyJob) finishFromLedger(ctx context.Context, row *ledger.Row) error {
	if c.isOwnRow(row) {
		c.setOutcome(journal.Outcome(row.Outcome), row.GraphID, row.Fingerprint)
		return c.recordParts(ctx)
	}
	c.setOutcome(journal.Duplicate, row.GraphID, row.Fingerprint)
	return nil
}

// isOwnRow reports whether the row is of this very line, by this delivery or an earlier one.
func (c *copyJob) isOwnRow(row *ledger.Row) bool {
	return row.Batch == c.holder.Batch && row.Line == c.holder.Line
}

// setOutcome is the copy's outcome where a message is in the mailbox. content is its fingerprint.
func (c *copyJob) setOutcome(o journal.Outcome, id, content string) {
	c.out.Outcome, c.out.GraphID = o, id
	if o != journal.Duplicate && content == c.line.fingerprint {
		c.out.First = c.line.first
	}
	c.noteDifference(content)
	switch {
	case o == journal.Oversize && c.line.omitted != "" && !c.withoutAttachments:
		c.out.Reason = c.line.omitted + "; what was left out is kept in the archive's storage and named in the text"
	case o == journal.Oversize:
		c.out.Reason = "the mailbox does not take a message of this size; its attachments are kept in the archive's storage and named in the text"
	}
}

// noteDifference says for the journal how the record differs from the message in the mailbox, which has this fingerprint.
func (c *copyJob) noteDifference(content string) {
	l := c.line
	switch {
	case content == partFingerprint, l.rec.ID != l.own.ID: // the record is part of the message
		return
	case content != l.ownPrint:
		c.out.Differs, c.out.Reason = true, OtherContent
	case l.unlike == OtherContent:
		c.out.Differs, c.out.Reason = true, ownContent
	case l.unlike != "":
		c.out.Differs, c.out.Reason = true, l.unlike
	}
}

// resolveUncertain asks the mailbox what an earlier request left there. A complete message is the copy; one whose attachments are
// missing is taken away and made again. That nothing is there counts only once nothing can come any more: a gateway
// gives up before the mailbox does.
func (c *copyJob) resolveUncertain(ctx context.Context, slot *mailbox.Session) (settled bool, err error) {
	found, err := slot.Find(ctx, c.key)
	if err != nil {
		return c.failUnlessTransient(err)
	}
	if c.partialID != "" && !slices.ContainsFunc(found, func(f mailbox.Found) bool { return f.ID == c.partialID }) {
		found = append(found, mailbox.Found{ID: c.partialID, Partial: true}) // the mailbox's search does not know it yet
	}
	whole := ""
	for _, f := range found {
		if !f.Partial {
			whole = cmp.Or(whole, f.ID)
			continue
		}
		// Whoever took the claim over meanwhile may be about to complete it.
		if err := c.renewIfStale(ctx); err != nil {
			return false, err
		}
		if err := slot.Delete(c.writeContext(ctx), f.ID, c.claim.Renew); err != nil {
			return c.failUnlessTransient(err)
		}
		c.partialID = ""
	}
	if whole != "" {
		return true, c.markDone(ctx, whole)
	}
	if wait := c.uncertainUntil.Sub(c.im.opts.Now()); wait > 0 && len(found) == 0 {
		return false, retry.After(errMayStillLand, wait)
	}
	c.uncertain = false
	return false, nil
}

// writeContext returns the context for requests that write with the claim: none is sent with one that is too old.
func (c *copyJob) writeContext(ctx context.Context) context.Context {
	claim, limit := c.claim, maxWriteAge(c.im.opts.InDoubt)
	return mailbox.WithClaim(ctx, func() bool { return claim.Since() < limit })
}

// createMessage writes the message.
func (c *copyJob) createMessage(ctx context.Context, slot *mailbox.Session) error {
	r, err := c.line.renderedMessage(ctx, c.im, c.withoutAttachments)
	if err != nil {
		return c.handleAttachmentError(ctx, slot, err)
	}
	m, closeIt, err := r.read(c.key)
	if err != nil {
		return c.handleAttachmentError(ctx, slot, err)
	}
	defer closeIt()
	// Since the claim was taken, storage and Graph may have been waited for.
	switch {
	case c.withoutAttachments:
		err = c.dropIfLost(c.claim.Intend(ctx, string(journal.Oversize), c.line.fingerprint))
	case c.claim.Fingerprint() != c.line.fingerprint: // taken over from the holder of another record
		err = c.dropIfLost(c.claim.Intend(ctx, "", c.line.fingerprint))
	default:
		err = c.renewIfStale(ctx)
	}
	if err != nil {
		return err
	}
	id, err := slot.Import(c.writeContext(ctx), m, c.claim.Renew)
	if err == nil {
		slot.Release() // the rest is between us and the ledger
		return c.markDone(ctx, id)
	}
	c.partialID = id
	return c.handleCreateError(ctx, slot, err)
}

// handleCreateError decides what becomes of a copy that could not be created.
func (c *copyJob) handleCreateError(ctx context.Context, slot *mailbox.Session, err error) error {
	var graph *mailbox.Error
	if !errors.As(err, &graph) {
		c.uncertain = true
		return err
	}
	// Whatever the answer was: where the message had been created, its remains have to be looked for.
	if graph.Ambiguous {
		c.uncertain = true
		if graph.Kind != mailbox.Unclear { // Graph itself answered: nothing is under way any more
			c.uncertainUntil = c.im.opts.Now().Add(RequestTimeout(c.im.opts.InDoubt))
		}
	}
	if graph.Kind == mailbox.Lost {
		c.uncertain = true
		_ = c.dropIfLost(err)
	}
	again, after := graph.Transient()
	switch {
	case graph.Kind == mailbox.Content:
		return c.handleAttachmentError(ctx, slot, err)
	case graph.Ambiguous && again:
		return retry.After(err, max(settleDelay(c.im.opts.InDoubt), after))
	case again:
		return err
	case graph.Kind == mailbox.TooLarge && !c.withoutAttachments && c.line.hasAttachments():
		c.withoutAttachments = true
		return errRetryWithoutAttachments
	}
	if graph.Kind == mailbox.NoMailbox {
		c.im.opts.Users.Forget(c.mailbox)
	}
	return c.failPermanently(ctx, slot, refusalReason(graph))
}

// handleAttachmentError decides what becomes of a copy of which an attachment could not be read. What is away is waited for, what is
// denied is denied to all, and what lies in the archive tier is back when a person has rehydrated it: only what is wrong with the attachment itself ends the copy.
func (c *copyJob) handleAttachmentError(ctx context.Context, slot *mailbox.Session, err error) error {
	again, _ := retry.IsTransient(err)
	switch {
	case again, ctx.Err() != nil, errors.Is(err, archive.ErrDenied), errors.Is(err, archive.ErrArchived):
		return err
	case errors.Is(err, archive.ErrNotFound):
		return c.failPermanently(ctx, slot, "an attachment is no longer in the archive's storage")
	}
	return c.failPermanently(ctx, slot, "an attachment in the archive's storage could not be read as it was stored")
}

// failPermanently ends the copy as failed for good. The claim goes, so that a replay starts afresh.
func (c *copyJob) failPermanently(ctx context.Context, slot *mailbox.Session, why string) error {
	if c.uncertain {
		if settled, err := c.resolveUncertain(ctx, slot); err != nil || settled {
			return err
		}
	}
	if err := c.dropIfLost(c.claim.Release(ctx)); err != nil {
		return err
	}
	c.claim = nil
	c.out.Outcome, c.out.Reason = journal.CopyFailed, why
	return nil
}

// failUnlessTransient makes an error that is not of the surroundings end the copy instead of the batch.
func (c *copyJob) failUnlessTransient(err error) (settled bool, _ error) {
	graph, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		return false, err
	}
	if again, _ := graph.Transient(); again {
		return false, err
	}
	// Whether the copy is there can't be said, so the claim stands: a replay looks again.
	c.out.Outcome, c.out.Reason = journal.CopyFailed, refusalReason(graph)
	return true, nil
}

func (c *copyJob) markDone(ctx context.Context, id string) error {
	outcome := journal.Imported
	if c.withoutAttachments || c.line.omitted != "" {
		outcome = journal.Oversize
	}
	c.createdID = id
	content := c.claim.Fingerprint()
	if err := c.dropIfLost(c.claim.Done(ctx, id, string(outcome))); err != nil {
		return err
	}
	c.claim = nil
	c.setOutcome(outcome, id, content)
	return c.recordParts(ctx)
}

// partFingerprint stands in the ledger for the fingerprint of a long SMS's later piece: it has none of its own.
const partFingerprint = ""

// recordParts notes the later pieces of a long SMS as imported too, so that a piece that comes once more, alone or as the
// rest of a message whose first piece is missing, is a duplicate.
func (c *copyJob) recordParts(ctx context.Context) error {
	for _, p := range c.line.rec.Pieces {
		if p.Lost || p.ID == "" || p.ID == c.line.rec.ID {
			continue
		}
		err := c.im.opts.Ledger.Settle(ctx, record.Key(p.ID, c.mailbox), c.holder, partFingerprint, c.out.GraphID, string(c.out.Outcome))
		if err != nil {
			return err
		}
	}
	return nil
}

// refusalReason says in plain words why Graph refused a copy for good.
func refusalReason(e *mailbox.Error) string {
	switch {
	case e.Code == "ErrorQuotaExceeded":
		return "the mailbox, or its table of named properties, is full"
	case e.Kind == mailbox.NoMailbox:
		return "the user has no mailbox any more"
	case e.Kind == mailbox.Denied:
		return "access to the mailbox is denied: it is outside the scope that the app was given"
	case e.Kind == mailbox.TooLarge:
		return "the mailbox refuses the message for its size, even without attachments"
	}
	return fmt.Sprintf("the mailbox refuses the message (HTTP %d, %s)", e.Status, e.Code)
}
