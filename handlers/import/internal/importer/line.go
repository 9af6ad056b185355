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
	"o2archiver/shared/lock"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/usermap"
)

// batchRecord is one line of a batch while it is processed: a record and its copies.
type batchRecord struct {
	number      int
	own         *record.Record // the record of the line itself
	rec         *record.Record // whose message is written: own, or the record of the message collected first
	fingerprint string         // fingerprint of rec
	ownPrint    string         // the fingerprint of own
	matches     []usermap.Match
	open        error            // why matches may be incomplete: the line gets no outcome yet
	notes       []string         // for the journal: what was left out of the mapping
	base        journal.Record   // the line's record in the journal, before the outcome
	earlier     earlier          // what earlier deliveries noted about the line
	built       *message.Message // set by build
	omitted     string           // why an attachment is left out of built, for the journal; "" if none is
	sizes       []int64          // of the attachments in built, in bytes

	refersTo *record.Place   // Earlier of the entry
	first    *record.Place   // the place of rec, if that is not own
	names    []usermap.Match // the matches of rec, if that is not own: they decide how participants are named
	unlike   string          // why own differs from the message in the mailboxes, for the journal; "" if it does not
	same     *sameMessage    // the batch's records of the same message

	memoryLock lock.Mutex // guards holders and the reservation
	holders    int        // copies that share the reserved memory

	mu        sync.Mutex  // guards the fields below
	whole     renderCache // the complete message, rendered once for all copies
	oversized renderCache // without attachments, for mailboxes that refuse its size
}

// renderCache holds one form of a line's message.
type renderCache struct {
	rendered *rendered // nil: not yet, or dropped
	sum      string    // hash of the form that was dropped
}

// evict drops the rendered form and keeps its hash.
func (k *renderCache) evict() { k.rendered, k.sum = nil, k.hash() }

// hash returns the SHA-256 of the form, or "" if no copy has been read to its end.
func (k *renderCache) hash() string {
	if k.rendered != nil {
		return cmp.Or(k.sum, k.rendered.hash())
	}
	return k.sum
}

// setRecord sets the parsed record.
func (l *batchRecord) setRecord(r *record.Record) {
	l.own, l.rec, l.ownPrint = r, r, r.Fingerprint()
	l.fingerprint = l.ownPrint
	l.base.Message, l.base.Kind, l.base.Original = record.MessageKey(r.Source, r.ID), string(r.Kind), r.SHA256
	if r.Kind == record.System {
		return // no message is made of it, so nothing can be missing
	}
	for _, a := range r.Attachments {
		if a.Gone != "" {
			l.base.Incomplete++
		}
	}
	l.base.LeftOut, l.base.Fields, l.base.Missing = len(r.LeftOut), fieldNames(r.LeftOut), r.Missing()
}

// element matches the index in the name of a field, e.g. that of to[12].email.
var element = regexp.MustCompile(`\[\d+\]`)

// fieldNames returns the names of fields without the indexes of their elements, sorted and without repetitions.
func fieldNames(fields []string) []string {
	var names []string
	for _, f := range fields {
		f, _, _ = strings.Cut(f, " (") // the reason
		names = append(names, element.ReplaceAllString(f, "[]"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hasAttachments reports whether the message has an attachment that is available.
func (l *batchRecord) hasAttachments() bool {
	for _, a := range l.rec.Attachments {
		if a.Gone == "" {
			return true
		}
	}
	return false
}

// planCopies builds the line's message and queues its copies for their mailboxes, except those that the journal has as
// done. It returns nil if the line has its outcome already. alone reports whether no other line of the batch is being
// processed; if it is false, planCopies may return errLarge.
func (b *batch) planCopies(ctx context.Context, l *batchRecord, alone bool) ([]*copyJob, error) {
	out := &l.base
	out.Mapping, out.Named = b.mappingVersion, namingDigest(l.own, addressesOf(l.matches))
	if len(l.matches) == 0 && l.open != nil {
		return nil, l.open
	}
	if len(l.matches) == 0 && len(l.earlier.done) > 0 {
		out.Outcome, out.Reason = journal.Archived,
			"no participant has a mailbox any more; the copies that were made before stay"
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
	err := l.buildMessage(ctx, b.im, b.rules.MaxItem)
	if err != nil && l.rec != l.own && !errors.Is(err, errNotRead) && ctx.Err() == nil {
		l.dropFirst() // the fault is in the first record, which is quarantined for it; this record may be fine
		err = l.buildMessage(ctx, b.im, b.rules.MaxItem)
	}
	if err != nil && (errors.Is(err, errNotRead) || ctx.Err() != nil) {
		return nil, err
	}
	if err != nil { // any other error is caused by the item, so every later attempt would meet it too
		reason := "no message can be made of the item: " + err.Error()
		for _, m := range l.matches { // they are in the journal's plan, so each needs an outcome
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
		if len(copies) < b.im.maxCopiesPerRecord() { // it runs at once: a copy must not queue for a slot it can't use
			c.ticket = b.im.opts.Boxes.Queue(c.mailbox, c.cost())
		}
		copies = append(copies, c)
	}
	return copies, nil
}

// newCopier returns the copy of the line's message for one mailbox.
func (b *batch) newCopier(l *batchRecord, m usermap.Match) *copyJob {
	planned := l.plannedCopy(m)
	// If an earlier delivery may have written the message, the mailbox is searched first, whether or not the ledger
	// has a row for the copy.
	return &copyJob{
		im: b.im, ledger: claims{b.im.opts.Ledger}, line: l, mailbox: m.Mailbox, key: planned.Key, out: planned,
		mayExist: l.earlier.planned[strings.ToLower(m.Mailbox)] != "",
		holder:   ledger.Holder{Batch: b.name, Line: l.number, Invocation: b.invocation},
	}
}

// plannedCopy returns the journal's record of one of the line's copies, before the outcome.
func (l *batchRecord) plannedCopy(m usermap.Match) journal.Copy {
	return journal.Copy{Line: l.number, Key: record.Key(l.rec.Source, l.rec.ID, m.Mailbox), Mailbox: m.Mailbox,
		By: m.By, Whose: m.Participants}
}

// importCopies brings all copies of the line, and with them the record, to their outcomes.
func (b *batch) importCopies(ctx context.Context, l *batchRecord, copies []*copyJob) error {
	// Copies that wait for their mailboxes delay others of the same line only if they use up the limit, and never
	// another line's.
	var group errgroup.Group
	group.SetLimit(b.im.maxCopiesPerRecord())
	outcomes := make([]journal.Copy, len(copies))
	for i, c := range copies {
		group.Go(func() (err error) {
			if outcomes[i], err = c.run(ctx); err == nil {
				if c.withoutAttachments && outcomes[i].Outcome == journal.Oversize {
					outcomes[i].Rendered = l.renderedHash(&l.oversized)
				} else if l.base.Named != "" && outcomes[i].Outcome == journal.Imported {
					// A later delivery may use another mapping, and the record keeps only the hash of the latest form.
					outcomes[i].Rendered = l.renderedHash(&l.whole)
				}
				b.journal.Copy(outcomes[i])
				b.reportProgress()
			}
			return err
		})
	}
	restored := b.restoreRows(ctx, l) // runs while the copies are imported
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

// errPanicked stands for a panic in package message on a record. It fails one item instead of the process.
var errPanicked = errors.New("it has a form that the program was not made for")

// buildMessage builds the line's message, with at most maxItem bytes of attachments. Of these it reads no more than
// message.Options.Peek documents. Its error holds nothing of the content; it matches errNotRead if storage failed.
func (l *batchRecord) buildMessage(ctx context.Context, im *Importer, maxItem int64) (err error) {
	defer func() {
		if recover() != nil { // the panic's text may quote the item
			err = errPanicked
		}
	}()
	room := maxItem // bytes left for attachments; Omit is called once for each, in the order of the message
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

// namingMatches returns the matches that decide how the message names its participants.
func (l *batchRecord) namingMatches() []usermap.Match {
	if l.rec != l.own {
		return l.names
	}
	return l.matches
}

// messageOptions returns the options that are the same for every form of the message.
func (im *Importer) messageOptions(ctx context.Context, matches []usermap.Match) message.Options {
	return message.Options{Region: im.opts.Region, Numbers: im.opts.Numbers, Peek: im.peekAttachment(ctx),
		Addresses: addressesOf(matches)}
}

// longText is the size in bytes above which a message without attachments reserves memory, as one with attachments
// does. Every batch is smaller, except one of a single item.
const longText = 1 << 20

// reserveMemory reserves the memory of the line's message, once for all copies that are processed concurrently. There
// is no deadlock: the copies hold their mailbox slots by then, and a copy that waits for a slot holds no memory. A
// mailbox that admits nothing therefore takes nothing from the others. The last of these copies to call release also
// drops what was rendered.
func (l *batchRecord) reserveMemory(ctx context.Context, im *Importer) (release func(), err error) {
	if !l.hasAttachments() && l.built.Size() <= longText {
		// It takes little more than its line of the batch, which is in memory anyway, and a text must not wait for
		// attachments.
		return func() {}, nil
	}
	if err := l.memoryLock.Lock(ctx); err != nil {
		return nil, fmt.Errorf("wait for memory: %w", err)
	}
	defer l.memoryLock.Unlock()
	w := renderWeight(l.built, len(l.rec.Text))
	if l.holders == 0 {
		if err := im.opts.Memory.Acquire(ctx, w); err != nil {
			return nil, fmt.Errorf("wait for memory: %w", context.Cause(ctx))
		}
	}
	l.holders++
	return func() {
		// The wait is short: the lock's holder waits for memory only while holders is 0.
		_ = l.memoryLock.Lock(context.Background()) // a context that never ends: no error
		defer l.memoryLock.Unlock()
		if l.holders--; l.holders == 0 {
			l.dropRendered()
			im.opts.Memory.Release(w)
		}
	}, nil
}

// dropRendered drops the rendered forms and keeps their hashes.
func (l *batchRecord) dropRendered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole.evict()
	l.oversized.evict()
}

// renderedHash returns the hash of one of the line's forms.
func (l *batchRecord) renderedHash(k *renderCache) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return k.hash()
}

// renderedMessage returns the line's message, or its form without attachments. Each form is rendered once.
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
