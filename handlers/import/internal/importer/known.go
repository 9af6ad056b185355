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

// earlier is what the journal said of a line before this delivery. It is believed: the ledger may have lost rows when
// the storage account failed over, and is made good from here.
type earlier struct {
	record  *journal.Record         // its outcome; nil: none
	done    map[string]journal.Copy // copies that are in their mailboxes, by mailbox in lower case
	planned map[string]string       // mailboxes to which an earlier delivery may have written, by their lower case
	pending bool                    // one of these has no outcome
}

// earlierOf reads the state of one line.
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

// keepsOutcome reports whether the line keeps the outcome that it has, and its copies, though this delivery can make
// nothing of it: a replay takes up what was archived too, and adds to it.
func (e earlier) keepsOutcome() bool { return e.record != nil && len(e.done) > 0 }

// copyDone reports whether the mailbox has its copy already.
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

// setRecordOutcome notes the line's outcome, with what an earlier delivery knew and this one does not.
func (b *batch) setRecordOutcome(l *batchRecord, out journal.Record) {
	if known := l.earlier.record; known != nil {
		out.Records = max(out.Records, known.Records)
		out.Message = cmp.Or(out.Message, known.Message)
		out.Kind = cmp.Or(out.Kind, known.Kind)
		out.Original = cmp.Or(out.Original, known.Original)
		if out.Rendered == "" { // the message was not made again, so what it was made with stands too
			out.Rendered, out.Named = known.Rendered, known.Named
			if known.Named != "" {
				out.Mapping = known.Mapping
			}
		}
		out.Differs = out.Differs || known.Differs
		out.Mapping = cmp.Or(out.Mapping, known.Mapping)
	}
	out.Reason = strings.Join(slices.DeleteFunc(append([]string{out.Reason}, l.notes...), func(s string) bool { return s == "" }), "; ")
	b.journal.Record(out)
	b.reportProgress()
}

// quarantineRecord notes that no message can be made of the line, unless an earlier delivery has made one.
func (b *batch) quarantineRecord(l *batchRecord, reason string) {
	if l.earlier.keepsOutcome() {
		return
	}
	out := l.base
	out.Outcome, out.Reason = journal.Quarantined, reason
	b.setRecordOutcome(l, out)
}

// restoreRows restores the rows of all copies of the line that were made before, a few at a time.
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

// restoredAtOnce is how many rows of one line are restored at once: the table service takes 2,000 a second for a
// partition.
const restoredAtOnce = 16

// restoreRow puts the ledger's row of a copy that the journal has as done back where it was lost, and those of its
// message's later pieces. A row that is there stays.
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
		key := record.Key(p.ID, c.Mailbox)
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
