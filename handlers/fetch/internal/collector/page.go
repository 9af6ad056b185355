package collector

import (
	"bytes"
	"context"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// pageReading is one page while it is read. The connection that it comes through must not be left alone for the minutes that an
// attachment may take, or the page breaks off each time at the same place. So what comes from the first item on that the site has to
// be asked for is held until the page is there, in its order. Where that is too much, such items are set aside at once, and
// their attachments asked for when the window has been read.
type pageReading struct {
	*Collector
	s      *activeWindow
	after  *schedule.Progress
	writer *batchWriter
	parts  *longsms.Groups

	index int // of the item in the page, from 1
	held  []heldItem
	size  int  // bytes of the held ones
	full  bool // nothing more is held
}

type heldItem struct {
	item  telemessage.Item
	index int
}

// takeItem deals with an item, or holds it.
func (r *pageReading) takeItem(ctx context.Context, it telemessage.Item) error {
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

// finishPage deals with what was held. A window that took a whole invocation before asks for no attachment before its texts are in.
func (r *pageReading) finishPage(ctx context.Context) error { return r.drainHeld(ctx, r.s.Slow > 1) }

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

// needsSite reports whether an item has an attachment at an address of the site. One whose content is in the item as well needs it
// only if the content can't be used, which shows later.
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
