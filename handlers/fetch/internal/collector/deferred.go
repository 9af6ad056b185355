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
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// patienceWithSource is how long an item waits for what the source still owes: an attachment that is out of
// reach, a piece of a long SMS. It is measured in the source's time, from window to window, so that a catch-up
// after weeks does not wait for what is long overdue.
const patienceWithSource = 14 * 24 * time.Hour

// Why an item is in the waiting room.
const (
	waitsForMedia  = "media"
	waitsForPieces = "pieces"
)

const (
	// maxPatience is how long an item waits at most for a window that is still owed, or for its first tries.
	maxPatience = 3 * patienceWithSource

	// minTries is how often an attachment was asked for before it is given up without another try.
	minTries = 3

	// maxReleased bounds the keys that one run takes, maxPromised those of all open runs, and so the checkpoint. The next run
	// takes more.
	maxReleased = 5000
	maxPromised = 20_000

	// maxGroup bounds the pieces of one group, the oldest, that one run puts together.
	maxGroup = 2000
)

// deferred is an item that was set aside: one blob of the waiting room. It never disappears from it but into a batch.
type deferred struct {
	Reason  string                `json:"reason"`
	Run     string                `json:"run"`   // folder of the window that set it aside
	Since   time.Time             `json:"since"` // from when it has waited: the end of that window
	Entry   record.Entry          `json:"entry"`
	Piece   *longsms.Part         `json:"piece,omitempty"`   // with waitsForPieces; its Item is Entry's
	Ready   bool                  `json:"ready,omitempty"`   // its media are settled: it goes into the next batch
	Aside   time.Time             `json:"aside,omitzero"`    // when it was set aside
	Partial map[int]*partialState `json:"partial,omitempty"` // by attachment, those that come in more than one run
	Tries   int                   `json:"tries,omitempty"`   // how often its attachments were asked for, counted when a try begins
}

// deferredKey holds the run and the item's number in the window, so that the same item, seen again by a backfill, is an item of
// its own; read again with the same page, it is the same blob, whatever became of the items before it. In the order of their
// keys the items lie as they came.
func deferredKey(s *schedule.Window, number int, reason, itemSHA string) string {
	id := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%s", s.Folder, number, itemSHA))
	return fmt.Sprintf("%s%08d-%s", deferredPrefix(s, reason), number, hex.EncodeToString(id[:8]))
}

// deferredPrefix is what the keys of a window begin with.
func deferredPrefix(s *schedule.Window, reason string) string {
	return reason + "-" + s.To.UTC().Format("20060102T150405Z") + "-"
}

// deferredKeyBefore is the key that the version before gave: with the item's number among those that the run had set aside.
func deferredKeyBefore(s *schedule.Window, number int, reason, itemSHA string) string {
	id := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%s", s.Folder, number, itemSHA))
	return fmt.Sprintf("%s%07d-%s", deferredPrefix(s, reason), number, hex.EncodeToString(id[:8]))
}

// isDeferred reports whether an earlier reading of the page has set the item aside.
func (s *activeWindow) isDeferred(p *schedule.Progress, index int, reason, itemSHA string) bool {
	return s.past.aside[deferredKey(s.Window, s.Progress.Received+index, reason, itemSHA)] || s.past.aside[deferredKeyBefore(s.Window, p.SetAside+1, reason, itemSHA)]
}

// deferItem puts an item into the waiting room. index is its place in the page.
func (c *Collector) deferItem(ctx context.Context, s *activeWindow, p *schedule.Progress, index int, w deferred) error {
	w.Run, w.Since, w.Aside = s.Folder, s.To, c.now().UTC()
	if s.Kind == schedule.Backfill && w.Reason == waitsForMedia && s.Started.After(s.To) {
		w.Since = s.Started // its time of the source is long past, and yet the attachment was out of reach just now
	}
	p.SetAside++
	key := deferredKey(s.Window, s.Progress.Received+index, w.Reason, w.Entry.Items[0].SHA256)
	if w.Tries > 0 {
		s.inv.asked[key] = true
	}
	x := factsOf(&w)
	err := onStorage(ctx, func(ctx context.Context) error { return c.store.PutWaiting(ctx, key, w, x.encodeFacts()) })
	if err != nil {
		return fmt.Errorf("set an item aside: %w", err)
	}
	if s.inv.room != nil {
		s.inv.room.items[key] = x
	}
	return nil
}

// writeDeferred takes out of the waiting room what has become complete, or has waited long enough, and writes it as batches of this
// run. What it takes is decided once and saved before the first batch, so that a crash in between repeats the same batches.
func (c *Collector) writeDeferred(ctx context.Context, state *savedState, s *activeWindow, log *slog.Logger) error {
	if s.Progress.Emptied {
		return nil
	}
	if !s.Progress.Chosen {
		r, err := c.openRoom(ctx, s.inv)
		if err != nil {
			return err
		}
		if s.Progress.Released, err = c.selectDeferred(ctx, state, s, r); err != nil {
			return err
		}
		s.Progress.Chosen = true
		if err := state.save(ctx); err != nil {
			return err
		}
		if len(r.items) > 0 {
			log.Info("waiting room", "items", len(r.items), "entries_taken", len(s.Progress.Released))
		}
	}
	if s.firsts == nil { // an earlier invocation read the pages
		if _, err := c.readEarlierAttempt(ctx, s); err != nil {
			return err
		}
	}
	after := s.Progress
	w := c.newWriter(s, &after)
	for _, keys := range s.Progress.Released {
		entries, err := c.deferredEntry(ctx, state, s, keys, log)
		if err != nil {
			return err
		}
		after.Taken += len(keys)
		for _, entry := range entries {
			if err := w.add(ctx, entry); err != nil {
				return err
			}
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	after.Emptied = true
	s.Progress = after
	return state.save(ctx)
}

// deferredEntry makes the entry of one item, or of a long message's pieces. An item that can't be read has an entry of
// its own.
func (c *Collector) deferredEntry(ctx context.Context, state *savedState, s *activeWindow, keys []string,
	log *slog.Logger) (entries []record.Entry, err error) {
	var set longsms.Message
	for _, key := range keys {
		item, err := c.readDeferred(ctx, key)
		if errors.Is(err, errUnreadable) {
			entry, err := c.unreadable(ctx, state, s, key, err, log)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
			continue
		}
		if err != nil {
			return nil, err
		}
		if item.Piece == nil { // its parts are there still if the process died before it took them away
			return []record.Entry{item.Entry}, c.deleteParts(ctx, key, &item)
		}
		item.Piece.Item, item.Piece.Media, item.Piece.Until = item.Entry.Items[0], item.Entry.Media, item.Entry.Until
		set.Parts = append(set.Parts, *item.Piece)
	}
	if len(set.Parts) > 0 {
		entries = append(entries, set.Entry())
	}
	return entries, nil
}

// selectDeferred returns which keys this run takes, those of one entry together.
func (c *Collector) selectDeferred(ctx context.Context, state *savedState, s *activeWindow, r *deferredItems) ([][]string, error) {
	space := max(0, min(maxReleased, maxPromised-len(state.Reserved(s.Window))))
	chosen, err := c.selectWithMedia(ctx, state, s, r, space)
	if err != nil {
		return nil, err
	}
	if chosen, err = c.selectParts(ctx, state, s, r, chosen, space); err != nil {
		return nil, err
	}
	return r.chooseUnreadable(state, s, chosen, space), nil
}

// selectWithMedia returns the items, at most space of them, whose attachments are settled, after asking for them in the order of
// their tries: what was tried the least comes first, so that some that stay out of reach keep no run from asking for the others.
func (c *Collector) selectWithMedia(ctx context.Context, state *savedState, s *activeWindow, r *deferredItems, space int) (chosen [][]string, err error) {
	keys := r.candidatesFor(state, s.Window, waitsForMedia)
	// In any order among equals.
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	slices.SortStableFunc(keys, func(a, b string) int {
		x, y := r.items[a], r.items[b]
		if x.Ready != y.Ready {
			return map[bool]int{true: -1, false: 1}[x.Ready]
		}
		return cmp.Compare(x.Tries, y.Tries)
	})
	for _, key := range keys {
		if len(chosen) == space {
			break
		}
		ready, err := c.settleMedia(ctx, state, s, r, key)
		if err != nil {
			return nil, err
		}
		if ready {
			chosen = append(chosen, []string{key})
		}
	}
	slices.SortFunc(chosen, slices.Compare)
	return chosen, nil
}

// askModeOf returns how the item is asked for in this window, and whether at all.
func (state *savedState) askModeOf(s *activeWindow, key string, x deferredFacts) (how askMode, ask bool) {
	last := state.isDue(x, s.Window)
	timeLeft := s.inv.attachmentBudget(s.Window, 1) > 0
	switch {
	case last && timeLeft:
		return lastTime, true
	case last && (x.Tries >= minTries || !s.To.Before(x.sinceTime().Add(maxPatience))):
		return givenUp, true
	}
	return patientWith, timeLeft && !s.inv.asked[key] && s.contentAway < contentTries
}

// settleMedia tries the item's missing attachments once more. The try is counted, in the waiting room, before it begins, and
// what is learnt is written there too, so that the batch can be made again from it, byte for byte.
func (c *Collector) settleMedia(ctx context.Context, state *savedState, s *activeWindow, r *deferredItems, key string) (ready bool, err error) {
	x := r.items[key]
	if x.Ready {
		return true, c.renewReady(ctx, r, key, x)
	}
	how, ask := state.askModeOf(s, key, x)
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
	s.inv.asked[key] = true
	if how == lastTime && item.isPartlyRead() && s.To.Before(x.sinceTime().Add(maxPatience)) {
		how = patientWith // it comes, run by run
	}
	if how != givenUp {
		item.Tries++
		if err := c.replaceDeferred(ctx, r, key, &item); err != nil {
			return false, err
		}
	}
	came := item.isPartlyRead()
	here := &deferredAt{key: key, item: &item, save: func(ctx context.Context) error { return c.replaceDeferred(ctx, r, key, &item) }}
	media, away, err := c.storeMedia(ctx, s, item.Entry.Items[0].Raw, outline.Attachments, item.Entry.Media, how, here)
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

// deleteParts takes away what was kept of the item's attachments until they were whole.
func (c *Collector) deleteParts(ctx context.Context, key string, item *deferred) error {
	if len(item.Partial) == 0 {
		return nil
	}
	return onStorage(ctx, func(ctx context.Context) error { return c.store.DeleteParts(ctx, key) })
}

// deferredAt is where an item waits whose attachments are asked for.
type deferredAt struct {
	key  string
	item *deferred
	save func(context.Context) error
}

// renewReady renews the media of an item that became ready in a run that did not come to write it.
func (c *Collector) renewReady(ctx context.Context, r *deferredItems, key string, x deferredFacts) error {
	if c.reusable(x.asideTime().Format(dayForm)) {
		return nil // none of its media is older
	}
	item, err := c.readDeferred(ctx, key)
	if errors.Is(err, errUnreadable) {
		return nil // selectDeferred decides what becomes of it
	}
	if err != nil {
		return err
	}
	if renewed, err := c.renewMedia(ctx, item.Entry.Media); err != nil || !renewed {
		return err
	}
	return c.replaceDeferred(ctx, r, key, &item)
}

// deleteWritten empties the waiting room of what the finished run has taken.
func (c *Collector) deleteWritten(ctx context.Context, s *activeWindow) error {
	for _, key := range slices.Concat(s.Progress.Released...) {
		err := onStorage(ctx, func(ctx context.Context) error { return c.store.DeleteWaiting(ctx, key) })
		if err != nil && !errors.Is(err, archive.ErrNotFound) {
			return fmt.Errorf("empty the waiting room: %w", err)
		}
		if s.inv.room != nil {
			delete(s.inv.room.items, key)
		}
	}
	return nil
}
