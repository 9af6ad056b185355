package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/usermap"
)

// line is one line of a batch under work: a record and its copies.
type line struct {
	number      int
	rec         *record.Record
	fingerprint string
	matches     []usermap.Match
	base        journal.Record   // what the journal says of it before its outcome
	built       *message.Message // set by build
	omitted     bool             // MAX_ITEM_SIZE keeps an attachment out of built
	sizes       []int64          // of the attachments in built

	turn    chan struct{} // holds one value while somebody reserves the memory, or gives it back
	holders int           // of the memory

	mu        sync.Mutex
	sum       string    // hash of what was dropped
	whole     *rendered // once for all copies
	oversized *rendered // without attachments, for mailboxes that refuse its size
}

// take takes up the parsed record.
func (l *line) take(r *record.Record) {
	l.rec, l.fingerprint = r, r.Fingerprint()
	l.base.Message, l.base.Kind, l.base.Original = record.MessageKey(r.ID), string(r.Kind), r.SHA256
	for _, a := range r.Attachments {
		if a.Gone != "" {
			l.base.Incomplete++
		}
	}
}

func (l *line) hasAttachments() bool {
	for _, a := range l.rec.Attachments {
		if a.Gone == "" {
			return true
		}
	}
	return false
}

// begin builds the line's message and puts its copies into the lines of their mailboxes. No copies: the line has its outcome.
func (b *batch) begin(ctx context.Context, l *line) ([]*copier, error) {
	out := &l.base
	out.Mapping = b.mapping
	if len(l.matches) == 0 {
		out.Outcome, out.Reason = journal.Unmapped, "no participant has a mailbox in the tenant"
		b.journal.Record(*out)
		return nil, nil
	}
	err := l.build(ctx, b.im)
	var fault *record.Fault
	if errors.As(err, &fault) {
		out.Outcome, out.Reason = journal.Quarantined, "no message can be made of the item: "+fault.Error()
		for _, m := range l.matches { // they are planned
			b.journal.Copy(journal.Copy{Line: l.number, Key: record.Key(l.rec.ID, m.Mailbox), Mailbox: m.Mailbox,
				Outcome: journal.CopyFailed, Reason: out.Reason, By: m.By})
		}
		b.journal.Record(*out)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	copies := make([]*copier, len(l.matches))
	for i, m := range l.matches {
		c := &copier{im: b.im, line: l, mailbox: m.Mailbox, by: m.By,
			holder: ledger.Holder{Batch: b.name, Line: l.number, Invocation: b.invocation}}
		if i < b.im.copiesAtOnce() { // it will run now: nobody stands in a line who can't go when it is his turn
			c.turn = b.im.boxes.Turn(c.mailbox, c.cost())
		}
		copies[i] = c
	}
	return copies, nil
}

// importLine brings all copies of the line to their outcomes, and with them the record to its own.
func (b *batch) importLine(ctx context.Context, l *line, copies []*copier) error {
	// A mailbox that waits holds up the others of its line only when so many of them wait, and no other line's.
	var group errgroup.Group
	group.SetLimit(b.im.copiesAtOnce())
	outcomes := make([]journal.Copy, len(copies))
	for i, c := range copies {
		group.Go(func() (err error) {
			if outcomes[i], err = c.run(ctx); err == nil {
				b.journal.Copy(outcomes[i])
			}
			return err
		})
	}
	if err := group.Wait(); err != nil { // the first one says it
		return err
	}
	out := l.base
	out.Outcome = journal.Archived
	for _, c := range outcomes {
		if c.Outcome == journal.CopyFailed {
			out.Outcome, out.Reason = journal.RecordFailed, "a copy of it failed: "+c.Reason
		}
	}
	out.Rendered = l.hash()
	b.journal.Record(out)
	return nil
}

// copiesAtOnce is how many copies of one line are under way, or wait for their mailboxes: one message to everybody in a
// large tenant shall not fill the memory.
func (im *importer) copiesAtOnce() int { return max(64, im.config.concurrency) }

// Why an attachment is left out, as the message's text has it behind the attachment's name, size and hash.
const (
	overLimit   = "with it, the item is larger than the limit that is set for one" + keptInStead
	overMailbox = "the mailbox does not take a message of this size" + keptInStead
	keptInStead = "; it is kept in the archive's storage, in the container media under its SHA-256"
)

// build makes the line's message. Of the attachments it reads no more than message.Options.Peek says.
func (l *line) build(ctx context.Context, im *importer) (err error) {
	room := im.config.maxItem // for the attachments, which are asked about once each, in the order of the message
	o := im.options(ctx)
	o.Omit = func(a record.Attachment) string {
		if a.Size <= room {
			room -= a.Size
			l.sizes = append(l.sizes, a.Size)
			return ""
		}
		l.omitted = true
		return overLimit
	}
	l.built, err = message.Build(l.rec, o)
	return err
}

// options are those of every message, whatever is left out of it.
func (im *importer) options(ctx context.Context) message.Options {
	return message.Options{Region: im.config.mapping.Region, Workshop: im.workshop, Peek: im.peek(ctx)}
}

// hold reserves the memory that the line's message takes, once for all copies that are worked on at a time. They have
// their places at their mailboxes by then, and whoever waits for a place holds no memory: so nobody waits in a circle,
// and a mailbox that lets nothing in takes nothing from the others. What was rendered goes with the last of these copies.
func (l *line) hold(ctx context.Context, im *importer) (release func(), err error) {
	if !l.hasAttachments() {
		// It takes no more than its line of the batch, which is in memory anyway; and a text shall not wait for files.
		return func() {}, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for memory: %w", context.Cause(ctx))
	}
	w := weight(l.built)
	if l.holders == 0 {
		if err := im.memory.Acquire(ctx, w); err != nil {
			return nil, fmt.Errorf("wait for memory: %w", context.Cause(ctx))
		}
	}
	l.holders++
	return func() {
		l.turn <- struct{}{} // soon: who has it waits for memory only where nobody holds any
		defer func() { <-l.turn }()
		if l.holders--; l.holders == 0 {
			l.drop()
			im.memory.Release(w)
		}
	}, nil
}

// drop lets go of what was rendered.
func (l *line) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.whole != nil {
		l.sum = cmp.Or(l.sum, l.whole.hash())
	}
	l.whole, l.oversized = nil, nil
}

// hash is the SHA-256 of the message, or "" where no copy of it was read to its end.
func (l *line) hash() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.whole != nil {
		return l.whole.hash()
	}
	return l.sum
}

// message is the line's message, rendered once, or its form without attachments.
func (l *line) message(ctx context.Context, im *importer, oversize bool) (_ *rendered, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept, msg := &l.whole, l.built
	if oversize {
		kept = &l.oversized
	}
	if *kept != nil {
		return *kept, nil
	}
	if oversize {
		o := im.options(ctx)
		o.Omit = func(record.Attachment) string { return overMailbox }
		msg, err = message.Build(l.rec, o)
		if err != nil {
			return nil, err
		}
	}
	*kept, err = im.render(ctx, msg)
	return *kept, err
}
