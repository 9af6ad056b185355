package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
		b.journal.Record(out)
		return nil
	}
	if err != nil {
		return err
	}
	defer release()

	var (
		group  sync.WaitGroup
		copies = make([]journal.Copy, len(l.matches))
		failed = make([]error, len(l.matches))
	)
	for i, m := range l.matches {
		group.Go(func() {
			c := &copier{im: b.im, line: l, mailbox: m.Mailbox, by: m.By,
				holder: ledger.Holder{Batch: b.name, Line: l.number, Invocation: b.invocation}}
			if copies[i], failed[i] = c.run(ctx); failed[i] == nil {
				b.journal.Copy(copies[i])
			}
		})
	}
	group.Wait()
	if err := errors.Join(failed...); err != nil {
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

// hold builds the line's message and reserves the memory that it will take, before any of its copies asks for a place at a
// mailbox: who holds such a place never waits for memory, so nobody waits in a circle.
func (l *line) hold(ctx context.Context, im *importer) (release func(), err error) {
	l.built, err = message.Build(l.rec, message.Options{Region: im.config.mapping.Region, Numbers: im.numbers, Omit: func(a record.Attachment) string {
		if a.Size <= im.config.maxItem {
			return ""
		}
		l.omitted = true
		return "it is larger than the limit that is set for one item"
	}})
	if err != nil {
		return nil, err
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
			Omit: func(record.Attachment) string { return "the mailbox does not take a message of this size" }})
		if err != nil {
			return nil, err
		}
	}
	*kept, err = im.render(ctx, msg)
	return *kept, err
}
