package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// earlier is what the journal holds about a line from before this delivery. It is authoritative: the ledger may have
// lost rows when the storage account failed over, and is restored from it.
type earlier struct {
	record  *journal.Record         // its outcome; nil: none
	done    map[string]journal.Copy // copies that are in their mailboxes, by mailbox in lower case
	planned map[string]string       // mailboxes that an earlier delivery may have written to, by their lower case
	pending bool                    // one of the planned copies has no outcome
}

// earlierOf returns what the journal's state holds about one line.
func earlierOf(state journal.State, number int) earlier {
	e := earlier{done: map[string]journal.Copy{}, planned: map[string]string{}}
	if r, ok := state.Record(number); ok {
		e.record = &r
	}
	copies, planned := state.Copies(number), state.Planned(number)
	e.pending = len(planned) > len(copies)
	for _, c := range copies {
		if inMailbox(c.Outcome) {
			e.done[strings.ToLower(c.Mailbox)] = c
		}
	}
	for _, id := range planned {
		e.planned[strings.ToLower(id)] = id
	}
	return e
}

// inMailbox reports whether the outcome means that the message is in the mailbox.
func inMailbox(o journal.Outcome) bool {
	return o == journal.Imported || o == journal.Duplicate || o == journal.Oversize
}

// keepsOutcome reports whether the line has an outcome and copies that stay even if this delivery can't make a message
// of it: a replay also processes archived records, and only adds to them.
func (e earlier) keepsOutcome() bool { return e.record != nil && len(e.done) > 0 }

// copyDone reports whether the mailbox already has its copy.
func (l *batchRecord) copyDone(mailbox string) bool {
	_, ok := l.earlier.done[strings.ToLower(mailbox)]
	return ok
}

// allCopiesDone reports whether a replay has nothing to add: the record is archived, and each mailbox that it goes to
// now has its copy.
func (l *batchRecord) allCopiesDone() bool {
	if l.earlier.record == nil || l.earlier.record.Outcome != journal.Archived {
		return false
	}
	for _, m := range l.matches {
		if !l.copyDone(m.Mailbox) {
			return false
		}
	}
	return true
}

// setRecordOutcome writes the line's outcome to the journal, completed by what only an earlier delivery knew.
func (b *batch) setRecordOutcome(l *batchRecord, out journal.Record) {
	if known := l.earlier.record; known != nil {
		out.Records = max(out.Records, known.Records)
		out.Message = cmp.Or(out.Message, known.Message)
		out.Kind = cmp.Or(out.Kind, known.Kind)
		out.Original = cmp.Or(out.Original, known.Original)
		if out.Rendered == "" { // the message was not rendered again, so the inputs of its rendering stay too
			out.Rendered, out.Named = known.Rendered, known.Named
			if known.Named != "" {
				out.Mapping = known.Mapping
			}
		}
		out.Differs = out.Differs || known.Differs
		out.Mapping = cmp.Or(out.Mapping, known.Mapping)
	}
	out.Reason = strings.Join(slices.DeleteFunc(append([]string{out.Reason}, l.notes...),
		func(s string) bool { return s == "" }), "; ")
	b.journal.Record(out)
	b.reportProgress()
}

// quarantineRecord sets the outcome of a line of which no message can be made, unless an earlier delivery made one.
func (b *batch) quarantineRecord(l *batchRecord, reason string) {
	if l.earlier.keepsOutcome() {
		return
	}
	out := l.base
	out.Outcome, out.Reason = journal.Quarantined, reason
	b.setRecordOutcome(l, out)
}

// restoreRows restores the ledger's rows of all copies of the line that were made before, a few concurrently.
func (b *batch) restoreRows(ctx context.Context, l *batchRecord) error {
	var group errgroup.Group
	group.SetLimit(restoredAtOnce)
	for _, c := range l.earlier.done {
		group.Go(func() error {
			return retry.Do(ctx, func(ctx context.Context) error { return b.restoreRow(ctx, l, c) })
		})
	}
	return group.Wait()
}

// restoredAtOnce is the number of rows of one line that are restored concurrently: the table service accepts 2,000
// operations a second per partition.
const restoredAtOnce = 16

// restoreRow inserts the ledger's row of a copy that the journal has as done, and those of its message's later parts,
// if they are missing. Rows that exist stay as they are.
func (b *batch) restoreRow(ctx context.Context, l *batchRecord, c journal.Copy) error {
	holder := ledger.Holder{Batch: b.name, Line: l.number, Invocation: b.invocation}
	fingerprint := l.fingerprint
	if c.Outcome == journal.Duplicate || (c.First != nil) != (l.rec != l.own) {
		fingerprint = partFingerprint // the message in the mailbox may have other content
	}
	if err := b.im.opts.Ledger.Settle(ctx, c.Key, holder, fingerprint, c.GraphID, string(c.Outcome)); err != nil {
		return fmt.Errorf("restore a row of the ledger: %w", err)
	}
	for _, p := range l.rec.Pieces {
		if p.Lost || p.ID == "" || p.ID == l.rec.ID {
			continue
		}
		key := record.Key(l.rec.Source, p.ID, c.Mailbox)
		if err := b.im.opts.Ledger.Settle(ctx, key, holder, partFingerprint, c.GraphID, string(c.Outcome)); err != nil {
			return fmt.Errorf("restore a row of the ledger: %w", err)
		}
	}
	b.reportProgress()
	return nil
}

// reportProgress calls the delivery's OnProgress.
func (b *batch) reportProgress() {
	if b.onProgress != nil {
		b.onProgress()
	}
}
