package collector

import (
	"bytes"
	"context"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/client"
)

// pageReading processes one page while it is read. The page's connection must not be idle for the minutes that an
// attachment may take, or the page would break off at the same place each time. Therefore the first item that needs an
// attachment from the site, and all items after it, are held in their order until the page has been read. If they
// exceed the limit, items with attachments are deferred at once, and their attachments requested when the window has
// been read.
type pageReading struct {
	*Collector
	s      *activeWindow
	after  *schedule.Progress
	writer *batchWriter
	parts  *longsms.Groups

	index int // position of the last item in the page, from 1
	held  []heldItem
	size  int  // bytes of the held items
	full  bool // the limit was exceeded: no more items are held
}

type heldItem struct {
	item  client.Item
	index int
}

// takeItem processes an item, or holds it until finishPage.
func (r *pageReading) takeItem(ctx context.Context, it client.Item) error {
	r.index++
	r.after.Received++
	r.s.watch.noteItem(it.SHA256)
	if it.Big == nil && !r.full && (len(r.held) > 0 || needsSite(it.Raw)) {
		if r.size += len(it.Raw); r.size <= r.s.inv.limits.held {
			r.held = append(r.held, heldItem{it, r.index})
			return nil
		}
		r.full = true
		if err := r.drainHeld(ctx, true); err != nil {
			return err
		}
	}
	r.s.onlyTexts = true
	return r.processItem(ctx, r.s, r.after, r.writer, r.parts, it, r.index)
}

// finishPage processes the held items. A window that had a slow try before requests no attachments until its texts are
// written.
func (r *pageReading) finishPage(ctx context.Context) error { return r.drainHeld(ctx, r.s.Slow > 1) }

// drainHeld processes the held items in their order. onlyTexts defers those that need an attachment from the site.
func (r *pageReading) drainHeld(ctx context.Context, onlyTexts bool) error {
	r.s.onlyTexts = onlyTexts
	for _, h := range r.held {
		if err := r.processItem(ctx, r.s, r.after, r.writer, r.parts, h.item, h.index); err != nil {
			return err
		}
	}
	r.held = nil
	return nil
}

// needsSite reports whether an item has an attachment with an address at the site. If the item holds the content as
// well, the address is needed only if that content turns out to be unusable.
func needsSite(raw []byte) bool {
	if !bytes.Contains(raw, []byte("attachment")) {
		return false
	}
	outline, err := telemessage.Peek(raw)
	if err != nil || outline.Kind == record.System {
		return false
	}
	for _, a := range outline.Attachments {
		if a.ContentURL != "" {
			return true
		}
	}
	return false
}
