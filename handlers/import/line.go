package main

import (
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
	built       *message.Message // set by hold
	omitted     bool             // MAX_ITEM_SIZE keeps an attachment out of built

	mu        sync.Mutex
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

// importLine brings all copies of the line to their outcomes, and with them the record to its own.
func (b *batch) importLine(ctx context.Context, l *line) error {
	out := l.base
	out.Mapping = b.mapping
	if len(l.matches) == 0 {
		out.Outcome, out.Reason = journal.Unmapped, "no participant has a mailbox in the tenant"
		b.journal.Record(out)
		return nil
	}
	release, err := l.hold(ctx, b.im)
	var fault *record.Fault
	if errors.As(err, &fault) {
		out.Outcome, out.Reason = journal.Quarantined, "no message can be made of the item: "+fault.Error()
		for _, m := range l.matches { // they are planned
			b.journal.Copy(journal.Copy{Line: l.number, Key: record.Key(l.rec.ID, m.Mailbox), Mailbox: m.Mailbox,
				Outcome: journal.CopyFailed, Reason: out.Reason, By: m.By})
		}
		b.journal.Record(out)
		return nil
	}
	if err != nil {
		return err
	}
	defer release()

	// A mailbox that waits holds up the others of its line only when so many of them wait, and no other line's. More
	// at once would let one message to everybody in a large tenant fill the memory.
	var group errgroup.Group
	group.SetLimit(max(copiesAtOnce, b.im.config.concurrency))
	copies := make([]journal.Copy, len(l.matches))
	for i, m := range l.matches {
		group.Go(func() (err error) {
			c := &copier{im: b.im, line: l, mailbox: m.Mailbox, by: m.By,
				holder: ledger.Holder{Batch: b.name, Line: l.number, Invocation: b.invocation}}
			if copies[i], err = c.run(ctx); err == nil {
				b.journal.Copy(copies[i])
			}
			return err
		})
	}
	if err := group.Wait(); err != nil { // the first one says it
		return err
	}
	out.Outcome = journal.Archived
	for _, c := range copies {
		if c.Outcome == journal.CopyFailed {
			out.Outcome, out.Reason = journal.RecordFailed, "a copy of it failed: "+c.Reason
		}
	}
	if l.whole != nil {
		out.Rendered = l.whole.hash()
	}
	b.journal.Record(out)
	return nil
}

// copiesAtOnce is how many copies of one line are under way, or wait for their mailboxes, whatever IMPORT_CONCURRENCY is.
const copiesAtOnce = 64

// Why an attachment is left out, as the message's text has it behind the attachment's name, size and hash.
const (
	overLimit   = "with it, the item is larger than the limit that is set for one" + keptInStead
	overMailbox = "the mailbox does not take a message of this size" + keptInStead
	keptInStead = "; it is kept in the archive's storage, in the container media under its SHA-256"
)

// hold builds the line's message and reserves the memory that it will take, before any of its copies asks for a place at a
// mailbox: who holds such a place never waits for memory, so nobody waits in a circle.
func (l *line) hold(ctx context.Context, im *importer) (release func(), err error) {
	room := im.config.maxItem // for the attachments, which are asked about once each, in their order
	l.built, err = message.Build(l.rec, message.Options{Region: im.config.mapping.Region, Numbers: im.numbers, Omit: func(a record.Attachment) string {
		if a.Size <= room {
			room -= a.Size
			return ""
		}
		l.omitted = true
		return overLimit
	}})
	if err != nil {
		return nil, err
	}
	if !l.hasAttachments() {
		// It takes no more than its line of the batch, which is in memory anyway; and a text shall not wait for files
		// that wait for their mailbox.
		return func() {}, nil
	}
	w := weight(l.built)
	if err := im.memory.Acquire(ctx, w); err != nil {
		return nil, fmt.Errorf("wait for memory: %w", context.Cause(ctx))
	}
	return func() { im.memory.Release(w) }, nil
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
		msg, err = message.Build(l.rec, message.Options{Region: im.config.mapping.Region, Numbers: im.numbers,
			Omit: func(record.Attachment) string { return overMailbox }})
		if err != nil {
			return nil, err
		}
	}
	*kept, err = im.render(ctx, msg)
	return *kept, err
}
