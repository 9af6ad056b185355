package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/lock"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// A message may be collected more than once, with different content under the same id. Every mailbox then gets the
// record that was collected first, whichever record's copies are scheduled first. Which record that is, is decided per
// message before any of its copies is claimed: within a batch by the order of the lines, within a window by the entry's
// Earlier, and otherwise by one row of the ledger, which the record that is imported first writes.
//
// A line whose record is not the first creates its copies from the first record's message. Lines, batches or processes
// that import one message concurrently therefore write the same content, whichever of them has the claim.

const (
	decidesAtOnce = 16               // rows of the ledger that are read concurrently
	tryTime       = 15 * time.Second // of one attempt to decide, or to read the first record
	maxAdopted    = 64 << 10         // bytes of a record of another batch that may be held beside those of the batch
	maxKeptBatch  = 2 << 20          // bytes of a batch that is cached for the next line that needs it
)

// The reasons in the journal why a record differs from the message in a mailbox with the same id. They are part of the
// stored format.
const (
	OtherContent = "a message with this id but other content is in the mailbox; the first one stays"
	ownContent   = "another record with this message id was collected first and has other content; this one was in " +
		"the mailbox already and stays"
	OtherPeople = "a message with this id but other people is in the mailbox; the first one stays"
	lostFirst   = "no message can be made any more of the record with this message id that was collected first; this " +
		"one is imported in its place"
)

// errLarge means that a line's message must be built while no other message of the batch is being built: a hundred such
// messages could exhaust the memory.
var errLarge = errors.New("the record collected first is large")

// otherBatch caches the batch from which a record was last read.
type otherBatch struct {
	lock lock.Mutex // held while it is read
	name string
	data []byte
}

// sameMessage is the lines of a batch that are records of one message, in the order of the batch.
type sameMessage struct {
	lines []*batchRecord

	deciding lock.Mutex  // held during the decision
	decided  atomic.Bool // whether the first record has been decided; set after all that the decision changes
}

// decideFirsts decides for each message which of its records is the first. It makes one short attempt per message: a
// row of the ledger, or another batch, that can't be read for now delays no other line.
func (b *batch) decideFirsts(ctx context.Context, data []byte, lines []*batchRecord) {
	var group errgroup.Group
	group.SetLimit(decidesAtOnce)
	for _, same := range b.sameMessages(data, lines) {
		group.Go(func() error {
			_ = b.tryToDecide(ctx, same) // decideLater tries again
			return nil
		})
	}
	_ = group.Wait()
}

// decideLater repeats the decision until it succeeds or ctx ends. It returns at once if it has been made.
func (b *batch) decideLater(ctx context.Context, same *sameMessage) error {
	return retry.Do(ctx, func(ctx context.Context) error { return b.tryToDecide(ctx, same) })
}

// tryToDecide makes one attempt to decide, unless the decision has been made.
func (b *batch) tryToDecide(ctx context.Context, same *sameMessage) error {
	if err := same.deciding.Lock(ctx); err != nil {
		return err
	}
	defer same.deciding.Unlock()
	if same.decided.Load() {
		return nil
	}
	err := withTryTimeout(ctx, func(ctx context.Context) error { return b.decideFirst(ctx, same.lines) })
	same.decided.Store(err == nil)
	return err
}

// withTryTimeout limits one attempt to tryTime. A timeout is returned as archive.ErrUnavailable.
func withTryTimeout(ctx context.Context, try func(context.Context) error) error {
	short, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	err := try(short)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: no answer within %v", archive.ErrUnavailable, tryTime)
	}
	return err
}

// sameMessages groups the batch's records by message, in the order of the lines. It includes the lines that already
// have their outcome, so that a later delivery decides as the first one did.
func (b *batch) sameMessages(data []byte, lines []*batchRecord) []*sameMessage {
	b.records = make(map[int]*record.Record, len(lines))
	for _, l := range lines {
		b.records[l.number] = l.own
	}
	var groups []*sameMessage
	of := map[string]*sameMessage{} // by record.MessageKey
	state, next := b.journal.State(), lines
	for number, text := range journal.BatchLines(data) {
		if number > MaxLines {
			break
		}
		var l *batchRecord
		if len(next) > 0 && next[0].number == number {
			l, next = next[0], next[1:]
		} else {
			l = &batchRecord{number: number, earlier: earlierOf(state, number)}
			if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 || l.readRecord(text) != nil ||
				l.own.Kind == record.System {
				continue
			}
			b.records[number] = l.own
		}
		if same := of[record.MessageKey(l.own.Source, l.own.ID)]; same != nil {
			l.same, same.lines = same, append(same.lines, l)
			continue
		}
		l.same = &sameMessage{lines: []*batchRecord{l}, deciding: lock.New()}
		for _, id := range messageIDs(l.own) {
			if key := record.MessageKey(l.own.Source, id); of[key] == nil {
				of[key] = l.same
			}
		}
		groups = append(groups, l.same)
	}
	return groups
}

// messageIDs returns the message ids that a record stands for: its own, and those of the parts of a long SMS.
func messageIDs(r *record.Record) []string {
	ids := []string{r.ID}
	for _, p := range r.Pieces {
		if p.ID != "" {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// decideFirst decides which record is the first for the lines of one message.
func (b *batch) decideFirst(ctx context.Context, same []*batchRecord) error {
	if !slices.ContainsFunc(same, func(l *batchRecord) bool { return len(l.matches) > 0 }) {
		return nil // no copy of it is imported
	}
	id, candidate := same[0].own.ID, firstOf(record.Place{Batch: b.name, Line: same[0].number}, same[0].own)
	for _, l := range same {
		at := l.decideFromKnown(b.name)
		if at == nil {
			continue
		}
		rec, _, err := b.loadRecord(ctx, *at, l.own)
		if err != nil {
			return err
		}
		if rec != nil {
			id, candidate = rec.ID, firstOf(*at, rec)
			break
		}
	}
	first, err := b.im.opts.Ledger.DecideFirst(ctx, record.MessageKey(same[0].own.Source, id), candidate)
	if err != nil {
		return err
	}
	for _, l := range same {
		l.followFirst(b.name, first)
	}
	return nil
}

// decideFromKnown returns the place of the first record if it is stored: in the journal, with the copy that an earlier
// delivery imported for the line, or in the entry that fetch wrote. Otherwise it returns nil.
func (l *batchRecord) decideFromKnown(batch string) *record.Place {
	for _, c := range l.earlier.done {
		switch {
		case c.Outcome == journal.Duplicate:
		case c.First != nil:
			return c.First
		default:
			return &record.Place{Batch: batch, Line: l.number}
		}
	}
	return l.refersTo
}

// firstOf returns the ledger's description of a record at a place.
func firstOf(at record.Place, r *record.Record) ledger.First {
	return ledger.First{Place: at, Fingerprint: r.Fingerprint(), Parties: r.Parties(), Gone: countGone(r)}
}

// countGone returns the number of a record's attachments that are permanently unavailable.
func countGone(r *record.Record) (n int) {
	for _, a := range r.Attachments {
		if a.Gone != "" {
			n++
		}
	}
	return n
}

// markDecided reports whether the line's copies can be planned without a request. If not, the line is planned later,
// out of the order of the batch. It does not wait for an attempt to decide that another line of the message has begun:
// the lines behind this one would wait too.
func (l *batchRecord) markDecided(batch string) bool {
	return l.same.decided.Load() && (l.first == nil || l.first.Batch == batch)
}

// followFirst sets the message's first record, unless that is the line's own or an equal one: a record with the same
// content for another owner results in the same message.
func (l *batchRecord) followFirst(batch string, first ledger.First) {
	l.first, l.unlike = nil, ""
	if first.Batch == batch && first.Line == l.number {
		return
	}
	switch own := firstOf(first.Place, l.own); {
	case own.Fingerprint != first.Fingerprint:
		l.unlike = OtherContent
	case !record.SameParties(own.Parties, first.Parties):
		l.unlike = OtherPeople
	case own.Gone == first.Gone:
		return
	}
	l.first = &first.Place
}

// adoptFirst makes the line use the first record's message, if that is another record. settled reports whether the line
// has its outcome because all its mailboxes have the message already: then nothing has to be read or rendered.
func (b *batch) adoptFirst(ctx context.Context, l *batchRecord, alone bool) (settled bool, err error) {
	if l.first == nil {
		return false, nil
	}
	// With copies done earlier, their ledger rows are restored together with the import of the missing copies.
	if len(l.earlier.done) == 0 && l.open == nil {
		if settled, err := b.settleFromLedger(ctx, l); err != nil || settled {
			return settled, err
		}
	}
	var (
		rec  *record.Record
		size int
	)
	err = retry.Do(ctx, func(ctx context.Context) error {
		return withTryTimeout(ctx, func(ctx context.Context) (err error) {
			rec, size, err = b.loadRecord(ctx, *l.first, l.own)
			return err
		})
	})
	switch {
	case err != nil:
		return false, err
	case rec == nil:
		l.dropFirst()
		return false, nil
	case size > maxAdopted && !alone:
		return false, errLarge
	}
	names, err := b.mapper.Resolve(ctx, []*record.Record{rec})
	if err != nil {
		return false, fmt.Errorf("find the mailboxes of the participants of the record collected first: %w", err)
	}
	l.rec, l.fingerprint, l.names = rec, rec.Fingerprint(), names[0].Matches
	l.base.Named = namingDigest(rec, addressesOf(l.names))
	if rec.ID != l.own.ID { // own is a part of a long SMS, and the mailboxes have the whole message
		l.unlike = ""
	}
	return false, nil
}

// dropFirst makes the line use its own record's message again, because no message can be made of the first record.
func (l *batchRecord) dropFirst() {
	l.rec, l.fingerprint, l.first = l.own, l.ownPrint, nil
	l.omitted, l.sizes, l.base.Named = "", nil, namingDigest(l.own, addressesOf(l.matches))
	if l.unlike != "" {
		l.unlike = lostFirst
	}
}

// settleFromLedger sets the line's outcome if the ledger has all its copies as done, and reports whether it did.
func (b *batch) settleFromLedger(ctx context.Context, l *batchRecord) (bool, error) {
	copies := make([]journal.Copy, 0, len(l.matches))
	for _, m := range l.matches {
		c := b.newCopier(l, m)
		row, err := b.im.opts.Ledger.Look(ctx, c.key)
		if err != nil || row == nil || row.State != ledger.Done || c.isOwnRow(row) {
			return false, err
		}
		if err := c.finishFromLedger(ctx, row); err != nil {
			return false, err
		}
		copies = append(copies, c.out)
	}
	out := l.base
	out.Outcome = journal.Archived
	for _, c := range copies {
		b.journal.Copy(c)
		out.Differs = out.Differs || c.Differs
	}
	b.setRecordOutcome(l, out)
	return true, nil
}

// loadRecord returns the record at a place and the size in bytes of its line. It returns nil if there is no such record
// (any more), if it is not of the same source and message id as own, or if it can't be archived. A batch that is not as
// it was written is an error: an operator has to restore its earlier version first.
func (b *batch) loadRecord(ctx context.Context, at record.Place, own *record.Record) (*record.Record, int, error) {
	rec, size := b.records[at.Line], 0
	if at.Batch != b.name {
		text, err := b.recordOf(ctx, at)
		switch {
		case errors.Is(err, archive.ErrNotFound), errors.Is(err, archive.ErrForeign):
			return nil, 0, nil
		case err != nil:
			return nil, 0, fmt.Errorf("read the record of a message that was collected first: %w", err)
		}
		l := batchRecord{number: at.Line}
		if len(text) == 0 || l.readRecord(text) != nil {
			return nil, 0, nil
		}
		rec, size = l.own, len(text)
	}
	if rec == nil || rec.Kind == record.System || rec.Source != own.Source ||
		!slices.Contains(messageIDs(rec), own.ID) {
		return nil, 0, nil
	}
	return rec, size, nil
}

// recordOf returns one line of another batch, or nil if the batch has no such line.
func (b *batch) recordOf(ctx context.Context, at record.Place) ([]byte, error) {
	e := &b.other
	if err := e.lock.Lock(ctx); err != nil {
		return nil, err
	}
	defer e.lock.Unlock()
	data := e.data
	if e.name != at.Batch {
		var err error
		if data, _, err = b.im.opts.Batches.Read(ctx, at.Batch); err != nil {
			return nil, err
		}
		e.name, e.data = "", nil
		if len(data) <= maxKeptBatch {
			e.name, e.data = at.Batch, data
		}
	}
	for number, text := range journal.BatchLines(data) {
		if number == at.Line && number <= MaxLines {
			return bytes.TrimRight(text, "\r\n"), nil
		}
	}
	return nil, nil
}
