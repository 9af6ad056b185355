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
	"o2archiver/shared/retry"
)

// copyState is the progress of a copy as far as this process knows.
//
//	state      step              answer                                         next
//	unclaimed  acquireClaim      the row is inserted                            claimed, uncertain, created: see known
//	                             the row is another holder's and stale          uncertain, or created
//	                             the row is another holder's, who may be alive  unclaimed, retry
//	                             the row is done                                settled: duplicate or as in the row
//	claimed    createMessage     the mailbox has created the message            created
//	                             refused temporarily, and it can't be there     claimed, retry
//	                             refused or no answer, and it may be there      uncertain, retry
//	                             refused permanently                            claimed or uncertain, with the refusal
//	           releaseClaim      the row of a refused copy is deleted           settled: failed
//	uncertain  resolveUncertain  a complete message is found                    created
//	                             only a partial one, which is deleted           claimed
//	                             nothing, and a request may still take effect   uncertain, retry
//	                             nothing, and none can                          claimed
//	                             the mailbox refuses the search permanently     settled: failed, and the row stays
//	created    markDone          the row is done                                settled: imported or oversize
//	each                         the claim is lost to another holder            unclaimed, retry
//	each                         the ledger or the mailbox is unavailable       the same state, retry
//
// A crash needs no recovery step of its own, because the next holder starts in unclaimed. In the last row, failed is
// the outcome of a settled copy.
//
//	crash in   leaves                            the next holder
//	unclaimed  nothing, or a pending row         inserts the row, or takes it over once it is stale
//	claimed    a pending row                     takes it over, finds nothing, and creates the message
//	uncertain  a pending row, perhaps a message  takes it over, and marks what it finds as done, or creates it
//	created    a pending row and the message     takes it over, finds the message, and marks it as done
//	settled    a row that is done                takes the outcome from the row
//	failed     no row, or a pending row          as after a crash in unclaimed
type copyState int

const (
	unclaimed copyState = iota // the ledger's row is another holder's, or there is none
	claimed                    // the row is this copy's, and nothing of the message is in the mailbox
	uncertain                  // the row is this copy's, and a request may have had an effect that was not observed
	created                    // the message is in the mailbox, complete, and the ledger's row is still pending
	settled                    // the copy has its outcome
)

func (s copyState) String() string {
	return [...]string{"unclaimed", "claimed", "uncertain", "created", "settled"}[s]
}

// copyJob is the work on one copy, the message of a record in one mailbox, from its first attempt to its outcome.
type copyJob struct {
	im      *Importer
	ledger  claimer
	line    *batchRecord
	mailbox string
	holder  ledger.Holder
	key     string

	ticket *mailbox.Ticket // in the mailbox's queue, for the first attempt; nil after that
	state  copyState
	out    journal.Copy // its outcome is set in settled

	// These are set in claimed, uncertain and created. A copy that lost its claim is unclaimed again, but keeps all
	// other fields.
	claim              claim
	withoutAttachments bool // the mailbox refuses the message's size: it is written without its attachments

	// In claimed: why this attempt ends the copy as failed once nothing of it is in the mailbox; "" if it does not.
	refusal string

	// In uncertain.
	mayExist        bool      // a request may have had an effect that was not observed
	maySucceedUntil time.Time // until then, that request may still take effect
	partialID       string    // Graph's id of a message of this copy that lacks attachments; "" if none is known

	// In created: Graph's id of the message.
	createdID string
}

// run repeats attempts until the copy has an outcome or ctx ends. An error is caused by the environment, never by the
// item.
func (c *copyJob) run(ctx context.Context) (journal.Copy, error) {
	err := mailbox.Retry(ctx, c.attempt)
	if err != nil {
		return journal.Copy{}, fmt.Errorf("import a copy: %w", err)
	}
	return c.out, nil
}

// cost returns the number and size of the requests that the copy is about to send to the mailbox.
func (c *copyJob) cost() mailbox.Cost {
	sizes := c.line.sizes
	if c.withoutAttachments {
		sizes = nil
	}
	cost := c.im.opts.Boxes.Cost(len(c.line.rec.Text), sizes)
	if c.mayExist {
		cost.Requests += 4 // two searches, and possibly deletions
	}
	return cost
}

// attempt waits until the copy is admitted to its mailbox, and takes steps until the copy is settled or a step returns
// an error. It then releases everything but the claim. A copy that waits for its mailbox holds nothing that other
// mailboxes need.
func (c *copyJob) attempt(ctx context.Context) error {
	ticket := c.ticket
	c.ticket = nil
	if ticket == nil {
		ticket = c.im.opts.Boxes.Queue(c.mailbox, c.cost())
	}
	box, err := ticket.Admit(ctx, func(ctx context.Context) (func(), error) { return c.line.reserveMemory(ctx, c.im) })
	if err != nil {
		return err
	}
	defer box.Release()
	return c.steps(ctx, box)
}

// steps takes steps, beginning with the copy's state, until the copy is settled or a step returns an error.
func (c *copyJob) steps(ctx context.Context, box session) error {
	c.refusal = ""
	if c.claim != nil {
		if err := c.renewIfStale(ctx); err != nil {
			c.state, err = c.interrupted(err)
			return err
		}
	}
	for c.state != settled {
		var err error
		if c.state, err = c.step(ctx, box); err != nil {
			return err
		}
	}
	return nil
}

// step takes the step of the copy's state. It returns the next state, also together with an error.
func (c *copyJob) step(ctx context.Context, box session) (copyState, error) {
	switch c.state {
	case unclaimed:
		return c.acquireClaim(ctx)
	case uncertain:
		return c.resolveUncertain(ctx, box)
	case created:
		box.LeaveMailbox() // the remaining requests are to the ledger only
		return c.markDone(ctx)
	}
	if c.refusal != "" {
		return c.releaseClaim(ctx)
	}
	return c.createMessage(ctx, box)
}

// known returns the state of a copy that is not settled, according to its fields.
func (c *copyJob) known() copyState {
	switch {
	case c.claim == nil:
		return unclaimed
	case c.createdID != "":
		return created
	case c.mayExist:
		return uncertain
	}
	return claimed
}

// interrupted returns err and the state in which the next attempt continues. A claim that was lost is dropped: the next
// attempt waits for its new holder, or searches for what that has left.
func (c *copyJob) interrupted(err error) (copyState, error) {
	if errors.Is(err, ledger.ErrLost) {
		c.claim = nil
	}
	return c.known(), err
}

// acquireClaim is the step of an unclaimed copy: it inserts the ledger's row or takes over a stale one, or settles the
// copy if the row is done.
func (c *copyJob) acquireClaim(ctx context.Context) (copyState, error) {
	claim, row, err := c.ledger.Claim(ctx, c.key, c.holder, c.line.fingerprint)
	switch {
	case err != nil:
		return c.interrupted(err)
	case row == nil:
		c.claim = claim
		return c.known(), nil
	case row.State == ledger.Done:
		if err := c.finishFromLedger(ctx, row); err != nil {
			return c.interrupted(err)
		}
		return settled, nil
	case row.Age < c.im.opts.InDoubt:
		return c.interrupted(errClaimHeld)
	}
	if c.claim, err = c.ledger.TakeOver(ctx, c.key, row, c.holder); err != nil {
		return c.interrupted(err)
	}
	c.mayExist = true
	c.withoutAttachments = row.Outcome == string(journal.Oversize)
	return c.known(), nil
}

// resolveUncertain is the step of an uncertain copy: it searches the mailbox for the result of an earlier request. A
// complete message is the copy; a message without its attachments is deleted and created again. Finding nothing counts
// only once no request can take effect any more, because a gateway may time out before the mailbox has finished.
func (c *copyJob) resolveUncertain(ctx context.Context, box session) (copyState, error) {
	found, err := box.Find(ctx, c.key)
	if err != nil {
		return c.failUnlessTransient(err)
	}
	if c.partialID != "" && !slices.ContainsFunc(found, func(f mailbox.Found) bool { return f.ID == c.partialID }) {
		// The mailbox's search index does not have it yet.
		found = append(found, mailbox.Found{ID: c.partialID, Partial: true})
	}
	whole := ""
	for _, f := range found {
		if !f.Partial {
			whole = cmp.Or(whole, f.ID)
			continue
		}
		// If the claim was taken over meanwhile, its new holder may be about to complete the message.
		if err := c.renewIfStale(ctx); err != nil {
			return c.interrupted(err)
		}
		if err := box.Delete(c.writeContext(ctx), f.ID, c.claim.Renew); err != nil {
			return c.failUnlessTransient(err)
		}
		c.partialID = ""
	}
	if whole != "" {
		c.createdID = whole
		return created, nil
	}
	if wait := c.maySucceedUntil.Sub(c.im.opts.Now()); wait > 0 && len(found) == 0 {
		return uncertain, retry.After(errMaySucceed, wait)
	}
	c.mayExist = false
	return claimed, nil
}

// createMessage is the step of a claimed copy: it creates the message in the mailbox.
func (c *copyJob) createMessage(ctx context.Context, box session) (copyState, error) {
	r, err := c.line.renderedMessage(ctx, c.im, c.withoutAttachments)
	if err != nil {
		return c.handleAttachmentError(ctx, err)
	}
	m, closeMessage, err := r.read(c.key)
	if err != nil {
		return c.handleAttachmentError(ctx, err)
	}
	defer closeMessage()
	// Waiting for storage and Graph may have taken long since the claim was acquired.
	switch {
	case c.withoutAttachments:
		err = c.claim.Intend(ctx, string(journal.Oversize), c.line.fingerprint)
	case c.claim.Fingerprint() != c.line.fingerprint: // taken over from the holder of another record
		err = c.claim.Intend(ctx, "", c.line.fingerprint)
	default:
		err = c.renewIfStale(ctx)
	}
	if err != nil {
		return c.interrupted(err)
	}
	id, err := box.Import(c.writeContext(ctx), m, c.claim.Renew)
	if err == nil {
		c.createdID = id
		return created, nil
	}
	c.partialID = id
	return c.handleCreateError(ctx, err)
}

// handleCreateError returns the state of the copy after Import failed with err. With an error, the copy is attempted
// again later; otherwise it fails permanently.
func (c *copyJob) handleCreateError(ctx context.Context, err error) (copyState, error) {
	graph, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		c.mayExist = true
		return c.interrupted(err)
	}
	// Whatever the answer was: if the message may have been created, it has to be searched for.
	if graph.Ambiguous {
		c.mayExist = true
		if graph.Kind != mailbox.Unclear { // with Unclear, Graph itself has answered: no request is under way any more
			c.maySucceedUntil = c.im.opts.Now().Add(RequestTimeout(c.im.opts.InDoubt))
		}
	}
	if graph.Kind == mailbox.Lost { // the claim could not be renewed while the message was being written
		c.mayExist = true
	}
	again, after := graph.Transient()
	switch {
	case graph.Kind == mailbox.Content:
		return c.handleAttachmentError(ctx, err)
	case graph.Ambiguous && again:
		return c.interrupted(retry.After(err, max(settleDelay(c.im.opts.InDoubt), after)))
	case again:
		return c.interrupted(err)
	case graph.Kind == mailbox.TooLarge && !c.withoutAttachments && c.line.hasAttachments():
		c.withoutAttachments = true
		return c.interrupted(errRetryWithoutAttachments)
	}
	if graph.Kind == mailbox.NoMailbox {
		c.im.opts.Users.Forget(c.mailbox)
	}
	return c.failPermanently(refusalReason(graph))
}

// handleAttachmentError returns the state of the copy after one of its attachments could not be read. The copy is
// attempted again after an outage, if access was denied (that is no fault of this attachment), and if the attachment is
// in the archive tier, from which an operator can rehydrate it. Only a fault of the attachment itself ends the copy.
func (c *copyJob) handleAttachmentError(ctx context.Context, err error) (copyState, error) {
	again, _ := retry.IsTransient(err)
	switch {
	case again, ctx.Err() != nil, errors.Is(err, archive.ErrDenied), errors.Is(err, archive.ErrArchived):
		return c.interrupted(err)
	case errors.Is(err, archive.ErrNotFound):
		return c.failPermanently("an attachment is no longer in the archive's storage")
	}
	return c.failPermanently("an attachment in the archive's storage could not be read as it was stored")
}

// failPermanently records why the copy fails. This attempt ends it as failed once nothing of it is in the mailbox.
func (c *copyJob) failPermanently(why string) (copyState, error) {
	c.refusal = why
	return c.known(), nil
}

// releaseClaim is the last step of a copy that failed permanently. It releases the claim, so that a replay starts over.
func (c *copyJob) releaseClaim(ctx context.Context) (copyState, error) {
	if err := c.claim.Release(ctx); err != nil {
		return c.interrupted(err)
	}
	c.claim = nil
	c.out.Outcome, c.out.Reason = journal.CopyFailed, c.refusal
	return settled, nil
}

// failUnlessTransient settles the copy as failed if the error is a permanent one of Graph. Whether the copy is in the
// mailbox is unknown then, so the claim stays: a replay searches again.
func (c *copyJob) failUnlessTransient(err error) (copyState, error) {
	graph, ok := errors.AsType[*mailbox.Error](err)
	if !ok {
		return c.interrupted(err)
	}
	if again, _ := graph.Transient(); again {
		return c.interrupted(err)
	}
	c.out.Outcome, c.out.Reason = journal.CopyFailed, refusalReason(graph)
	return settled, nil
}

// markDone is the step of a copy whose message is in the mailbox: it marks the row as done.
func (c *copyJob) markDone(ctx context.Context) (copyState, error) {
	outcome := journal.Imported
	if c.withoutAttachments || c.line.omitted != "" {
		outcome = journal.Oversize
	}
	content := c.claim.Fingerprint()
	if err := c.claim.Done(ctx, c.createdID, string(outcome)); err != nil {
		return c.interrupted(err)
	}
	c.claim = nil
	c.setOutcome(outcome, c.createdID, content)
	if err := c.recordParts(ctx); err != nil {
		return c.interrupted(err)
	}
	return settled, nil
}
