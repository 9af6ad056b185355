package collector

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/telemessage"
)

// deferralTime is how long an item stays deferred while the source has not delivered an attachment or a part of a
// long SMS. It is measured in the source's time, from window to window, so that a catch-up after weeks does not wait
// again for an item whose time is over.
const deferralTime = 14 * 24 * time.Hour

// The reasons why an item is deferred, with which its key begins.
const (
	waitsForMedia = "media"  // an attachment is unavailable
	waitsForParts = "pieces" // parts of a long SMS are missing
)

const (
	// maxDeferralTime is the maximum time that an item stays deferred for a window that is not finished, or for its
	// first tries.
	maxDeferralTime = 3 * deferralTime

	// minTries is the number of times that an attachment is requested before it may be given up without another
	// request.
	minTries = 3

	// maxSelected is the maximum number of deferred items that one run takes, and maxReserved the maximum for all
	// open runs together. Both bound the size of the checkpoint. The next run takes the rest.
	maxSelected = 5000
	maxReserved = 20_000

	// maxGroup is the maximum number of parts of one group, the oldest, that one run joins.
	maxGroup = 2000
)

// deferred is a deferred item, stored as one blob. The blob is deleted only after the item has been written to a batch.
type deferred struct {
	Reason     string                `json:"reason"`
	Run        string                `json:"run"`   // folder of the window that deferred it
	Since      time.Time             `json:"since"` // start of its waiting time: normally the end of that window
	Entry      record.Entry          `json:"entry"`
	Part       *longsms.Part         `json:"piece,omitempty"`   // with waitsForParts; its Item is Entry's
	Ready      bool                  `json:"ready,omitempty"`   // its media are settled: it goes into the next batch
	DeferredAt time.Time             `json:"aside,omitzero"`    // when it was deferred
	Partial    map[int]*partialState `json:"partial,omitempty"` // by attachment: downloads that take more than one run
	Tries      int                   `json:"tries,omitempty"`   // requests for its attachments, each counted first
}

// deferredKey returns the key of an item that the window defers. It is derived from the run, the item's number in the
// window and its SHA-256. The same item seen again by a backfill therefore has another key, and an item read again with
// the same page has the same key, regardless of what happened to the items before it.
func deferredKey(win *schedule.Window, number int, reason, itemSHA string) string {
	id := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%s", win.Folder, number, itemSHA))
	return archive.DeferredKey(reason, win.To, number, hex.EncodeToString(id[:8]))
}

// deferredKeyBefore returns the key that an earlier version used: number counts the items that the run had deferred.
func deferredKeyBefore(win *schedule.Window, number int, reason, itemSHA string) string {
	id := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%s", win.Folder, number, itemSHA))
	return archive.FormerDeferredKey(reason, win.To, number, hex.EncodeToString(id[:8]))
}

// isDeferred reports whether an earlier attempt to read the page has deferred the item.
func (win *activeWindow) isDeferred(p *schedule.Progress, index int, reason, itemSHA string) bool {
	return win.earlier.deferredKeys[deferredKey(win.Window, win.Progress.Received+index, reason, itemSHA)] ||
		win.earlier.deferredKeys[deferredKeyBefore(win.Window, p.Deferred+1, reason, itemSHA)]
}

// deferItem stores an item as a deferred item. index is its position in the page. Called again, it has the same effect.
func (c *Collector) deferItem(ctx context.Context, win *activeWindow, p *schedule.Progress, index int,
	w deferred) error {
	w.Run, w.Since, w.DeferredAt = win.Folder, win.To, c.now().UTC()
	if win.Kind == schedule.Backfill && w.Reason == waitsForMedia && win.Started.After(win.To) {
		w.Since = win.Started // the end of the window is long past, but the attachment was unavailable only just now
	}
	p.Deferred++
	key := deferredKey(win.Window, win.Progress.Received+index, w.Reason, w.Entry.Items[0].SHA256)
	if w.Tries > 0 {
		win.inv.asked[key] = true
	}
	x := factsOf(&w)
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		return c.deferred.Put(ctx, key, w, x.encodeFacts())
	})
	if err != nil {
		return fmt.Errorf("defer an item: %w", err)
	}
	if win.inv.deferredItems != nil {
		win.inv.deferredItems.items[key] = x
	}
	return nil
}

// writeDeferred writes the deferred items that have become complete, or have waited long enough, as batches of this
// run. The selection is saved before the first batch is written, so that a run resumed after a crash writes the same
// batches.
func (c *Collector) writeDeferred(ctx context.Context, state *savedState, win *activeWindow, log *slog.Logger) error {
	if win.Progress.SelectionWritten {
		return nil
	}
	if !win.Progress.SelectionSaved {
		r, err := c.listDeferred(ctx, win.inv)
		if err != nil {
			return err
		}
		if win.Progress.Selected, err = c.selectDeferred(ctx, state, win, r); err != nil {
			return err
		}
		win.Progress.SelectionSaved = true
		if err := state.save(ctx); err != nil {
			return err
		}
		if len(r.items) > 0 {
			log.Info("deferred items", "items", len(r.items), "entries_taken", len(win.Progress.Selected))
		}
	}
	if win.firsts == nil { // an earlier invocation read the pages
		if _, err := c.readEarlierAttempt(ctx, win); err != nil {
			return err
		}
	}
	after := win.Progress
	w := c.newWriter(win, &after)
	for i := 0; i < len(win.Progress.Selected); {
		keys := win.Progress.Selected[i]
		entries, err := c.deferredEntry(ctx, state, win, keys, log)
		if errors.Is(err, errInArchiveTier) {
			// Left to a later run. The selection is saved before another batch is written, for a run resumed after a
			// crash must not write the item, nor delete it.
			win.Progress.Selected = slices.Delete(slices.Clone(win.Progress.Selected), i, i+1)
			after.Selected = win.Progress.Selected
			if err := state.save(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		after.Taken += len(keys)
		for _, entry := range entries {
			if err := w.add(ctx, entry); err != nil {
				return err
			}
		}
		i++
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	after.SelectionWritten = true
	win.Progress = after
	return state.save(ctx)
}

// deferredEntry returns the entry of one deferred item, or of the parts of a long message. An item that can't be read
// has an entry of its own.
func (c *Collector) deferredEntry(ctx context.Context, state *savedState, win *activeWindow, keys []string,
	log *slog.Logger) (entries []record.Entry, err error) {
	var set longsms.Message
	for _, key := range keys {
		item, err := c.readDeferred(ctx, key)
		if errors.Is(err, errUnreadable) {
			entry, err := c.unreadable(ctx, state, win, key, err, log)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
			continue
		}
		if errors.Is(err, errInArchiveTier) {
			win.inv.archived[key] = true
		}
		if err != nil {
			return nil, err
		}
		if item.Part == nil { // its chunks are still stored if the process died before it deleted them
			return []record.Entry{item.Entry}, c.deleteParts(ctx, key, &item)
		}
		item.Part.Item, item.Part.Media, item.Part.Until = item.Entry.Items[0], item.Entry.Media, item.Entry.Until
		set.Parts = append(set.Parts, *item.Part)
	}
	if len(set.Parts) > 0 {
		entries = append(entries, set.Entry())
	}
	return entries, nil
}

// selectDeferred returns the keys that this run takes, grouped by entry.
func (c *Collector) selectDeferred(ctx context.Context, state *savedState, win *activeWindow, r *deferredItems) (
	[][]string, error) {
	space := max(0, min(maxSelected, maxReserved-len(state.Reserved(win.Window))))
	selected, err := c.selectWithMedia(ctx, state, win, r, space)
	if err != nil {
		return nil, err
	}
	if selected, err = c.selectParts(ctx, state, win, r, selected, space); err != nil {
		return nil, err
	}
	return r.selectUnreadable(state, win, selected, space), nil
}

// selectWithMedia returns the keys of at most space items whose attachments are settled, after requesting the missing
// ones. Items with the fewest tries come first, so that attachments that stay unavailable do not prevent a run from
// requesting the others.
func (c *Collector) selectWithMedia(ctx context.Context, state *savedState, win *activeWindow, r *deferredItems,
	space int) (selected [][]string, err error) {
	keys := r.candidatesFor(state, win.Window, waitsForMedia)
	// Items with equally many tries are in random order.
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	slices.SortStableFunc(keys, func(a, b string) int {
		x, y := r.items[a], r.items[b]
		if x.Ready != y.Ready {
			return map[bool]int{true: -1, false: 1}[x.Ready]
		}
		return cmp.Compare(x.Tries, y.Tries)
	})
	for _, key := range keys {
		if len(selected) == space {
			break
		}
		ready, err := c.settleMedia(ctx, state, win, r, key)
		if err != nil {
			return nil, err
		}
		if ready {
			selected = append(selected, []string{key})
		}
	}
	slices.SortFunc(selected, slices.Compare)
	return selected, nil
}

// requestModeOf returns how the item's attachments are requested in this window; ask reports whether they are at all.
func (state *savedState) requestModeOf(win *activeWindow, key string, x deferredFacts) (how requestMode, ask bool) {
	last := state.isDue(x, win.Window)
	timeLeft := win.inv.attachmentBudget(win.Window, 1) > 0
	switch {
	case last && timeLeft:
		return requestLast, true
	case last && (x.Tries >= minTries || !win.To.Before(x.sinceTime().Add(maxDeferralTime))):
		return requestNone, true
	}
	return requestAgain, timeLeft && !win.inv.asked[key] && win.mediaUnavailable < contentTries
}

// settleMedia requests the item's missing attachments once more and reports whether the item is ready. The try is
// counted and saved with the deferred item before it begins, and so is its result, so that the batch can be written
// again from the deferred item, byte for byte.
func (c *Collector) settleMedia(ctx context.Context, state *savedState, win *activeWindow, r *deferredItems,
	key string) (
	ready bool, err error) {
	x := r.items[key]
	if x.Ready {
		return c.renewReady(ctx, r, key, x)
	}
	how, ask := state.requestModeOf(win, key, x)
	if !ask {
		return false, nil
	}
	item, err := c.readDeferred(ctx, key)
	if err != nil {
		return false, r.passOver(key, err)
	}
	outline, err := telemessage.Peek(item.Entry.Items[0].Raw)
	if err != nil {
		return false, r.passOver(key, errUnreadable)
	}
	win.inv.asked[key] = true
	if how == requestLast && item.isPartlyRead() && win.To.Before(x.sinceTime().Add(maxDeferralTime)) {
		how = requestAgain // more of it arrives with every run
	}
	if how != requestNone {
		item.Tries++
		if err := c.replaceDeferred(ctx, r, key, &item); err != nil {
			return false, err
		}
	}
	came := item.isPartlyRead()
	here := &requestedItem{key: key, item: &item,
		save: func(ctx context.Context) error { return c.replaceDeferred(ctx, r, key, &item) }}
	media, away, err := c.storeMedia(ctx, win, item.Entry.Items[0].Raw, outline.Attachments, item.Entry.Media, how,
		here)
	if errors.Is(err, archive.ErrArchived) { // chunks of an attachment
		return false, r.passOver(key, fmt.Errorf("%w: %w", errInArchiveTier, err))
	}
	if err != nil {
		return false, err
	}
	if away && slices.Equal(media, item.Entry.Media) && !came && !item.isPartlyRead() {
		return false, nil
	}
	if _, err := c.renewMedia(ctx, media); err != nil {
		return false, err
	}
	item.Entry.Media, item.Ready = media, !away
	if err := c.replaceDeferred(ctx, r, key, &item); err != nil {
		return false, err
	}
	if item.Ready {
		return true, c.deleteParts(ctx, key, &item)
	}
	return false, nil
}

// deleteParts deletes the stored chunks of the item's attachments.
func (c *Collector) deleteParts(ctx context.Context, key string, item *deferred) error {
	if len(item.Partial) == 0 {
		return nil
	}
	return retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		return c.deferred.DeleteParts(ctx, key)
	})
}

// requestedItem is a deferred item whose attachments are being requested, and how to save it.
type requestedItem struct {
	key  string
	item *deferred
	save func(context.Context) error
}

// renewReady renews the media of an item that became ready in a run that did not get to write it. It reports whether
// the item is still ready.
func (c *Collector) renewReady(ctx context.Context, r *deferredItems, key string, x deferredFacts) (bool, error) {
	if c.reusable(layout.Day(x.deferredTime())) {
		return true, nil // none of its media is older
	}
	item, err := c.readDeferred(ctx, key)
	if errors.Is(err, errUnreadable) {
		return true, nil // selectDeferred decides what happens to it
	}
	if err != nil {
		return false, r.passOver(key, err)
	}
	if renewed, err := c.renewMedia(ctx, item.Entry.Media); err != nil || !renewed {
		return err == nil, err
	}
	return true, c.replaceDeferred(ctx, r, key, &item)
}

// deleteWritten deletes the deferred items that the finished run has written. Called again, it has no further effect.
func (c *Collector) deleteWritten(ctx context.Context, win *activeWindow) error {
	for _, key := range slices.Concat(win.Progress.Selected...) {
		err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error { return c.deferred.Delete(ctx, key) })
		if err != nil && !errors.Is(err, archive.ErrNotFound) {
			return fmt.Errorf("delete the deferred items that were written: %w", err)
		}
		if win.inv.deferredItems != nil {
			delete(win.inv.deferredItems.items, key)
		}
	}
	return nil
}
