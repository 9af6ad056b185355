package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/usermap"
)

// batchRecord is one line of a batch under work: a record and its copies.
type batchRecord struct {
	number      int
	own         *record.Record // the line's
	rec         *record.Record // whose message the copies are: own, or the one of its message that was collected first
	fingerprint string         // of rec
	ownPrint    string         // the fingerprint of own
	matches     []usermap.Match
	open        error            // why there may be more matches: the line gets no outcome yet
	notes       []string         // for the journal: what was left out of the mapping
	base        journal.Record   // its line of the journal, before the outcome
	earlier     earlier          // what an earlier delivery has noted of it
	built       *message.Message // set by build
	omitted     string           // why an attachment is kept out of built, for the journal; "" if none is
	sizes       []int64          // of the attachments in built

	refersTo *record.Place   // the entry's Earlier
	first    *record.Place   // of rec, if that is not own
	names    []usermap.Match // of rec, if that is not own: by what its participants are named
	unlike   string          // why own is not what the mailboxes have, for the journal; "" if it is
	same     *sameMessage    // the records of its message in the batch

	memoryLock chan struct{} // a mutex that respects a context: it holds one value while memory is reserved or released
	holders    int           // of the memory

	mu        sync.Mutex
	whole     renderCache // once for all copies
	oversized renderCache // without attachments, for mailboxes that refuse its size
}

// renderCache is one form of a line's message.
type renderCache struct {
	rendered *rendered // nil: not yet, or dropped
	sum      string    // hash of what was dropped
}

func (k *renderCache) evict() { k.rendered, k.sum = nil, k.hash() }

// hash is the SHA-256 of the form, or "" where no copy of it was read to its end.
func (k *renderCache) hash() string {
	if k.rendered != nil {
		return cmp.Or(k.sum, k.rendered.hash())
	}
	return k.sum
}

// setRecord takes up the parsed record.
func (l *batchRecord) setRecord(r *record.Record) {
	l.own, l.rec, l.ownPrint = r, r, r.Fingerprint()
	l.fingerprint = l.ownPrint
	l.base.Message, l.base.Kind, l.base.Original = record.MessageKey(r.ID), string(r.Kind), r.SHA256
	if r.Kind == record.System {
		return // no message is made of it, so none lacks anything
	}
	for _, a := range r.Attachments {
		if a.Gone != "" {
			l.base.Incomplete++
		}
	}
	l.base.LeftOut, l.base.Fields, l.base.Missing = len(r.LeftOut), fieldNames(r.LeftOut), r.Missing()
}

// element is the index in the name of a field, e.g. that of to[12].email.
var element = regexp.MustCompile(`\[\d+\]`)

// fieldNames returns the names of fields without the indexes of their elements, sorted, each once.
func fieldNames(fields []string) []string {
	var names []string
	for _, f := range fields {
		f, _, _ = strings.Cut(f, " (") // the reason
		names = append(names, element.ReplaceAllString(f, "[]"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (l *batchRecord) hasAttachments() bool {
	for _, a := range l.rec.Attachments {
		if a.Gone == "" {
			return true
		}
	}
	return false
}

// planCopies builds the line's message and queues its copies for their mailboxes, except those that the journal has as
// done. It returns nil if the line has its outcome.
func (b *batch) planCopies(ctx context.Context, l *batchRecord, alone bool) ([]*copyJob, error) {
	out := &l.base
	out.Mapping, out.Named = b.mappingVersion, namingDigest(l.own, addressesOf(l.matches))
	if len(l.matches) == 0 && l.open != nil {
		return nil, l.open
	}
	if len(l.matches) == 0 && len(l.earlier.done) > 0 {
		out.Outcome, out.Reason = journal.Archived, "no participant has a mailbox any more; the copies that were made before stay"
		b.setRecordOutcome(l, *out)
		return nil, nil
	}
	if len(l.matches) == 0 {
		out.Outcome, out.Reason = journal.Unmapped, "no participant has a mailbox in the tenant"
		b.setRecordOutcome(l, *out)
		return nil, nil
	}
	if settled, err := b.adoptFirst(ctx, l, alone); err != nil || settled {
		return nil, err
	}
	err := l.buildMessage(ctx, b.im)
	if err != nil && l.rec != l.own && !errors.Is(err, errNotRead) && ctx.Err() == nil {
		l.dropFirst() // the first record is quarantined for it, and this one is no worse for that
		err = l.buildMessage(ctx, b.im)
	}
	if err != nil && (errors.Is(err, errNotRead) || ctx.Err() != nil) {
		return nil, err
	}
	if err != nil { // whatever else keeps the message from being built is of the item, and so would be there the next time too
		reason := "no message can be made of the item: " + err.Error()
		for _, m := range l.matches { // they are planned
			if l.copyDone(m.Mailbox) {
				continue
			}
			c := l.plannedCopy(m)
			c.Outcome, c.Reason = journal.CopyFailed, reason
			b.journal.Copy(c)
		}
		b.quarantineRecord(l, reason)
		return nil, nil
	}
	copies := make([]*copyJob, 0, len(l.matches))
	for _, m := range l.matches {
		if l.copyDone(m.Mailbox) {
			continue
		}
		c := b.newCopier(l, m)
		if len(copies) < b.im.maxCopiesPerRecord() { // it will run now: no copy queues that could not use its slot
			c.ticket = b.im.opts.Boxes.Queue(c.mailbox, c.cost())
		}
		copies = append(copies, c)
	}
	return copies, nil
}

func (b *batch) newCopier(l *batchRecord, m usermap.Match) *copyJob {
	planned := l.plannedCopy(m)
	// Where an earlier delivery may have written, the mailbox is searched first, whether or not the ledger knows of it.
	return &copyJob{
		im: b.im, ledger: claims{b.im.opts.Ledger}, line: l, mailbox: m.Mailbox, key: planned.Key, out: planned,
		mayExist: l.earlier.planned[strings.ToLower(m.Mailbox)] != "",
		holder:   ledger.Holder{Batch: b.name, Line: l.number, Invocation: b.invocation},
	}
}

// plannedCopy returns the journal's entry of one of the line's copies, before the outcome.
func (l *batchRecord) plannedCopy(m usermap.Match) journal.Copy {
	return journal.Copy{Line: l.number, Key: record.Key(l.rec.ID, m.Mailbox), Mailbox: m.Mailbox, By: m.By, Whose: m.Participants}
}

// importCopies brings all copies of the line to their outcomes, and with them the record to its own.
func (b *batch) importCopies(ctx context.Context, l *batchRecord, copies []*copyJob) error {
	// A mailbox that waits holds up the others of its line only when so many of them wait, and no other line's.
	var group errgroup.Group
	group.SetLimit(b.im.maxCopiesPerRecord())
	outcomes := make([]journal.Copy, len(copies))
	for i, c := range copies {
		group.Go(func() (err error) {
			if outcomes[i], err = c.run(ctx); err == nil {
				if c.withoutAttachments && outcomes[i].Outcome == journal.Oversize {
					outcomes[i].Rendered = l.renderedHash(&l.oversized)
				} else if l.base.Named != "" && outcomes[i].Outcome == journal.Imported {
					// A later delivery may go by another mapping, and the record has the hash of the latest form only.
					outcomes[i].Rendered = l.renderedHash(&l.whole)
				}
				b.journal.Copy(outcomes[i])
				b.reportProgress()
			}
			return err
		})
	}
	restored := b.restoreRows(ctx, l) // meanwhile
	if err := cmp.Or(group.Wait(), restored); err != nil {
		return err
	}
	if l.open != nil {
		return l.open
	}
	out := l.base
	out.Outcome = journal.Archived
	for _, c := range outcomes {
		out.Differs = out.Differs || c.Differs
		if c.Outcome == journal.CopyFailed {
			out.Outcome, out.Reason = journal.RecordFailed, "a copy of it failed: "+c.Reason
		}
	}
	out.Rendered = l.renderedHash(&l.whole)
	b.setRecordOutcome(l, out)
	return nil
}

// maxCopiesPerRecord returns the number of copies of one line that are processed, or queue for their mailboxes,
// concurrently: one message to all users of a large tenant must not fill the memory.
func (im *Importer) maxCopiesPerRecord() int { return max(64, im.opts.Concurrency) }

// errPanicked stands for a panic of the package message on a record: it ends one item, not the process with all others.
var errPanicked = errors.New("it has a form that the program was not made for")

// buildMessage builds the line's message. Of the attachments it reads no more than message.Options.Peek documents. Its
// error holds nothing of the content; it matches errNotRead if storage failed.
func (l *batchRecord) buildMessage(ctx context.Context, im *Importer) (err error) {
	defer func() {
		if recover() != nil { // the panic's text may quote the item
			err = errPanicked
		}
	}()
	room := im.opts.MaxItem // for the attachments, which are asked about once each, in the order of the message
	sessions := im.opts.UploadSessions
	o := im.messageOptions(ctx, l.namingMatches())
	o.Omit = func(a record.Attachment) string {
		if !sessions && a.Size > mailbox.MaxSinglePost {
			l.omitted = cmp.Or(l.omitted, "this cloud's mailboxes do not take a file of that size")
			return message.OverCloud.Of(a)
		}
		if a.Size <= room {
			room -= a.Size
			l.sizes = append(l.sizes, a.Size)
			return ""
		}
		l.omitted = cmp.Or(l.omitted, "the item is larger than MAX_ITEM_SIZE")
		return message.OverLimit.Of(a)
	}
	l.built, err = message.Build(l.rec, o)
	return err
}

// namingMatches is what the participants of the message are named by.
func (l *batchRecord) namingMatches() []usermap.Match {
	if l.rec != l.own {
		return l.names
	}
	return l.matches
}

// messageOptions are those of every message, whatever is left out of it.
func (im *Importer) messageOptions(ctx context.Context, matches []usermap.Match) message.Options {
	return message.Options{Region: im.opts.MapOptions.Region, Numbers: im.opts.Numbers, Peek: im.peekAttachment(ctx), Addresses: addressesOf(matches)}
}

// longText is the size in bytes from which on a message without attachments counts as one with: any batch but that of a
// single item is smaller.
const longText = 1 << 20

// reserveMemory reserves the memory that the line's message takes, once for all copies that are processed at a time.
// They hold their mailbox slots by then, and a copy that waits for a slot holds no memory: so there is no deadlock,
// and a mailbox that admits nothing takes nothing from the others. What was rendered is dropped with the last of
// these copies.
func (l *batchRecord) reserveMemory(ctx context.Context, im *Importer) (release func(), err error) {
	if !l.hasAttachments() && l.built.Size() <= longText {
		// It takes little more than its line of the batch, which is in memory anyway; and a text shall not wait for
		// files.
		return func() {}, nil
	}
	select {
	case l.memoryLock <- struct{}{}:
		defer func() { <-l.memoryLock }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for memory: %w", context.Cause(ctx))
	}
	w := renderWeight(l.built, len(l.rec.Text))
	if l.holders == 0 {
		if err := im.opts.Memory.Acquire(ctx, w); err != nil {
			return nil, fmt.Errorf("wait for memory: %w", context.Cause(ctx))
		}
	}
	l.holders++
	return func() {
		l.memoryLock <- struct{}{} // soon: its holder waits for memory only while no copy of the line holds any
		defer func() { <-l.memoryLock }()
		if l.holders--; l.holders == 0 {
			l.dropRendered()
			im.opts.Memory.Release(w)
		}
	}, nil
}

// dropRendered lets go of what was rendered.
func (l *batchRecord) dropRendered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole.evict()
	l.oversized.evict()
}

// renderedHash is that of one of the line's forms.
func (l *batchRecord) renderedHash(k *renderCache) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return k.hash()
}

// renderedMessage is the line's message, rendered once, or its form without attachments.
func (l *batchRecord) renderedMessage(ctx context.Context, im *Importer, oversize bool) (_ *rendered, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, msg := &l.whole, l.built
	if oversize {
		k = &l.oversized
	}
	if k.rendered != nil {
		return k.rendered, nil
	}
	if oversize {
		o := im.messageOptions(ctx, l.namingMatches())
		o.Omit = func(a record.Attachment) string { return message.OverMailbox.Of(a) }
		msg, err = message.Build(l.rec, o)
		if err != nil {
			return nil, err
		}
	}
	k.rendered, err = im.renderMessage(ctx, msg)
	return k.rendered, err
}
