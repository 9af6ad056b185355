package importer

import (
	"context"
	"fmt"

	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/record"
)

// finishFromLedger sets the outcome from the ledger's row: this copy's own outcome if an attempt of this batch wrote
// the row, otherwise that of a duplicate.
func (c *copyJob) finishFromLedger(ctx context.Context, row *ledger.Row) error {
	if c.isOwnRow(row) {
		c.setOutcome(journal.Outcome(row.Outcome), row.GraphID, row.Fingerprint)
		return c.recordParts(ctx)
	}
	c.setOutcome(journal.Duplicate, row.GraphID, row.Fingerprint)
	return nil
}

// isOwnRow reports whether the row was written for this line of this batch, by this delivery or an earlier one.
func (c *copyJob) isOwnRow(row *ledger.Row) bool {
	return row.Batch == c.holder.Batch && row.Line == c.holder.Line
}

// setOutcome sets the outcome of a copy whose message is in the mailbox. content is that message's fingerprint.
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
		c.out.Reason = "the mailbox does not take a message of this size; its attachments are kept in the archive's " +
			"storage and named in the text"
	}
}

// noteDifference sets whether and how the record differs from the message in the mailbox, whose fingerprint is content.
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

// partFingerprint stands in the ledger for the fingerprint of a later part of a long SMS, which has none of its own.
const partFingerprint = ""

// recordParts marks the later parts of a long SMS as imported too. A part that is collected again, alone or as the rest
// of a message whose first part is missing, is then a duplicate.
func (c *copyJob) recordParts(ctx context.Context) error {
	for _, p := range c.line.rec.Pieces {
		if p.Lost || p.ID == "" || p.ID == c.line.rec.ID {
			continue
		}
		key := record.Key(c.line.rec.Source, p.ID, c.mailbox)
		err := c.ledger.Settle(ctx, key, c.holder, partFingerprint, c.out.GraphID, string(c.out.Outcome))
		if err != nil {
			return err
		}
	}
	return nil
}

// refusalReason returns in plain words why Graph refused a copy permanently.
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
