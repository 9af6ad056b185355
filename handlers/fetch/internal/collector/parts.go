package collector

import (
	"context"
	"slices"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// maxHeldPart is the size, in bytes, up to which a part is held until its page has been read. A larger one is deferred
// at once.
const maxHeldPart = 64 << 10

// processPart processes a part of a long SMS. Normally it is added to parts, to be joined with the others when the page
// has been read. A part that is large, or whose attachment is unavailable, is deferred at once. index is its position
// in the page.
func (c *Collector) processPart(ctx context.Context, win *activeWindow, p *schedule.Progress, parts *longsms.Groups,
	o telemessage.Outline, entry record.Entry, index int) error {
	part := newPart(o, entry, index)
	away := false
	if part.Files > 0 {
		if win.isDeferred(p, index, waitsForParts, part.Item.SHA256) {
			p.Deferred++
			return nil
		}
		if part.Media = win.earlier.media[part.Item.SHA256]; len(part.Media) != part.Files {
			var err error
			if part.Media, away, err = c.storeMedia(
				ctx, win, part.Item.Raw, o.Attachments, nil, requestAgain); err != nil {
				return err
			}
		}
	}
	if away || part.Size > maxHeldPart {
		return c.deferPart(ctx, win, p, part, !away)
	}
	parts.Add(part)
	return nil
}

// newPart returns the part of a long SMS that an item holds. index is its position in the page.
func newPart(o telemessage.Outline, entry record.Entry, index int) longsms.Part {
	part := longsms.NewPart(longsms.Segment{
		ID: o.Segment.ID, Number: o.Segment.Number, Total: o.Segment.Total, MessageID: o.MessageID, Sent: o.Time,
		Parties: o.Parties, Sides: o.Sides, Files: len(o.Attachments),
	}, entry.Items[0])
	part.Index, part.Until = index, entry.Until
	return part
}

// deferPart defers a part, unless an earlier attempt has deferred it. settled reports whether the outcome of all its
// attachments is known.
func (c *Collector) deferPart(ctx context.Context, win *activeWindow, p *schedule.Progress, part longsms.Part,
	settled bool) error {
	if win.isDeferred(p, part.Index, waitsForParts, part.Item.SHA256) {
		p.Deferred++
		return nil
	}
	return c.deferItem(ctx, win, p, part.Index, deferred{
		Reason: waitsForParts, Part: &part, Ready: settled && part.Files > 0,
		Entry: record.Entry{Version: 1, Until: part.Until, Items: []record.Item{part.Item}, Media: part.Media}})
}

// writeLongMessages writes the long messages whose parts are all in the page, and defers the other parts.
func (c *Collector) writeLongMessages(ctx context.Context, win *activeWindow, p *schedule.Progress, w *batchWriter,
	parts *longsms.Groups) error {
	for _, set := range parts.NearbyMessages() {
		if set.IsComplete() && set.FitsOneEntry() {
			if err := w.add(ctx, set.Entry()); err != nil {
				return err
			}
			continue
		}
		for _, part := range set.Parts {
			if err := c.deferPart(ctx, win, p, part, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// selectParts appends to selected the keys of the long messages that are complete or overdue. space is the number of
// keys that this run may take in all.
func (c *Collector) selectParts(ctx context.Context, state *savedState, win *activeWindow, r *deferredItems,
	selected [][]string, space int) ([][]string, error) {
	taken := len(selected)
	for _, set := range r.partsFor(state, win.Window).AllMessages() {
		if taken+len(set.Parts) > space || !set.IsComplete() && !set.IsOverdue() {
			continue
		}
		ready, err := c.settlePartMedia(ctx, state, win, r, set)
		if err != nil {
			return nil, err
		}
		if !ready {
			continue
		}
		entries := set.SplitBySize()
		for _, one := range entries {
			if len(entries) > 1 {
				if err := c.notePartsElsewhere(ctx, r, one, entries); err != nil {
					return nil, err
				}
			}
			selected = append(selected, one.Keys())
		}
		taken += len(set.Parts)
	}
	return selected, nil
}

// settlePartMedia requests the attachments that the parts still lack, and renews those that are too old. ready reports
// whether all are settled: a message waits for an unavailable attachment until it has been deferred for long enough.
func (c *Collector) settlePartMedia(ctx context.Context, state *savedState, win *activeWindow, r *deferredItems,
	set *longsms.Message) (ready bool, err error) {
	ready = true
	for _, p := range set.Parts {
		if p.Files == 0 {
			continue
		}
		settled, err := c.settleMedia(ctx, state, win, r, p.Key)
		if err != nil {
			return false, err
		}
		ready = ready && settled
	}
	return ready, nil
}

// notePartsElsewhere writes into the deferred item of the first part which parts of the message are in other entries.
// It is called before the selection of the entries is saved.
func (c *Collector) notePartsElsewhere(ctx context.Context, r *deferredItems, one *longsms.Message,
	entries []*longsms.Message) error {
	key := one.Parts[0].Key
	item, err := c.readDeferred(ctx, key)
	if err != nil {
		return r.passOver(key, err)
	}
	if item.Part.Apart = one.PartsElsewhere(entries); len(item.Part.Apart) == 0 {
		return nil
	}
	return c.replaceDeferred(ctx, r, key, &item)
}

// partsFor returns the parts of those long messages that may be complete or have an overdue part.
func (r *deferredItems) partsFor(state *savedState, win *schedule.Window) *longsms.Groups {
	groups := map[string][]longsms.Part{}
	var order []string
	archived := r.groupsInArchiveTier()
	for _, key := range r.candidatesFor(state, win, waitsForParts) {
		x := r.items[key]
		if archived[x.Group] {
			continue
		}
		p := x.partOf(key)
		p.Due = state.isDue(x, win)
		if groups[x.Group] == nil {
			order = append(order, x.Group)
		}
		if len(groups[x.Group]) < maxGroup {
			groups[x.Group] = append(groups[x.Group], p)
		}
	}
	loose := map[string]bool{} // threads with a part that lacks a participant: it may belong to any group of the thread
	for _, all := range groups {
		for _, p := range all {
			if slices.Contains(p.Sides[:], "") && p.Thread != "" {
				loose[p.Thread] = true
			}
		}
	}
	parts := longsms.NewGroups()
	for _, group := range order {
		all := groups[group]
		if !loose[all[0].Thread] && len(all) < all[0].Total &&
			!slices.ContainsFunc(all, func(p longsms.Part) bool { return p.Due || len(all) >= p.Total }) {
			continue
		}
		for _, p := range all {
			parts.Add(p)
		}
	}
	return parts
}
