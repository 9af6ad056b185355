package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/record"
	"o2archiver/shared/staging"
	"o2archiver/shared/telemessage"
)

// patienceWithSource is how long an item waits for what the source still owes: an attachment that is out of
// reach, a piece of a long SMS. It is measured in the source's time, from slice to slice, so that a catch-up
// after weeks does not wait for what is long overdue.
const patienceWithSource = 14 * 24 * time.Hour

// Why an item is in the waiting room.
const (
	waitsForMedia  = "media"
	waitsForPieces = "pieces"
)

// maxReleased bounds the keys that one run takes, and so the checkpoint. The next run takes more.
const maxReleased = 5000

// waiting is an item that was set aside: one blob of the waiting room. It never disappears from it but into a batch.
type waiting struct {
	Reason string       `json:"reason"`
	Run    string       `json:"run"`   // folder of the slice that set it aside
	Since  time.Time    `json:"since"` // from when it has waited: the end of that slice
	Entry  record.Entry `json:"entry"`
	Piece  *piece       `json:"piece,omitempty"` // with waitsForPieces; its Item is Entry's
	Ready  bool         `json:"ready,omitempty"` // its media are settled: it goes into the next batch
}

// waitingKey holds the run and the item's number among those that the run sets aside, so that the same item, seen again
// by a backfill, is an item of its own; read again with the same page, it is the same blob. In the order of their keys
// the items lie as they came.
func waitingKey(s *slice, number int, reason, itemSHA string) string {
	id := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%s", s.Folder, number, itemSHA))
	return fmt.Sprintf("%s-%s-%07d-%s", reason, s.To.UTC().Format("20060102T150405Z"), number, hex.EncodeToString(id[:8]))
}

// setAside puts an item into the waiting room.
func (f *fetcher) setAside(ctx context.Context, s *slice, p *progress, w waiting) error {
	w.Run, w.Since = s.Folder, s.To
	if s.Kind == backfill && w.Reason == waitsForMedia && s.Started.After(s.To) {
		w.Since = s.Started // its time of the source is long past, and yet the attachment was out of reach just now
	}
	p.SetAside++
	key := waitingKey(s, p.SetAside, w.Reason, w.Entry.Items[0].SHA256)
	err := onStorage(ctx, func(ctx context.Context) error { return f.store.PutWaiting(ctx, key, w) })
	if err != nil {
		return fmt.Errorf("set an item aside: %w", err)
	}
	s.inv.asked[key] = true
	return nil
}

// release takes out of the waiting room what has become complete, or has waited long enough, and writes it as batches of this
// run. What it takes is decided once and saved before the first batch, so that a crash in between repeats the same batches.
func (f *fetcher) release(ctx context.Context, state *savedState, s *slice, log *slog.Logger) error {
	if s.Progress.Emptied {
		return nil
	}
	if !s.Progress.Chosen {
		keys, err := f.keys(ctx)
		if err != nil {
			return err
		}
		if s.Progress.Released, err = f.choose(ctx, state, s, keys); err != nil {
			return err
		}
		s.Progress.Chosen = true
		if err := state.save(ctx); err != nil {
			return err
		}
		if len(keys) > 0 {
			log.Info("waiting room", "items", len(keys), "entries_taken", len(s.Progress.Released))
		}
	}
	after := s.Progress
	w := f.newWriter(s.Folder, &after)
	for _, keys := range s.Progress.Released {
		entry, err := f.released(ctx, keys)
		if err != nil {
			return err
		}
		after.Taken += len(keys)
		if err := w.add(ctx, entry); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	after.Emptied = true
	s.Progress = after
	return state.save(ctx)
}

// released makes the entry of one item, or of a long message's pieces.
func (f *fetcher) released(ctx context.Context, keys []string) (record.Entry, error) {
	var set pieceSet
	for _, key := range keys {
		item, err := f.waitingItem(ctx, key)
		if err != nil || item.Piece == nil {
			return item.Entry, err
		}
		item.Piece.Item = item.Entry.Items[0]
		set.parts = append(set.parts, *item.Piece)
	}
	return set.entry(), nil
}

// choose says which keys this run takes, those of one entry together. It leaves alone what another open slice has chosen, and
// what was set aside by one that may have to be read again from its beginning.
func (f *fetcher) choose(ctx context.Context, state *savedState, s *slice, keys []string) ([][]string, error) {
	promised, unread := state.promised(s), state.unread(s)
	var media []string
	parts := newPieces()
	for _, key := range keys {
		switch {
		case promised[key]:
		case strings.HasPrefix(key, waitsForMedia+"-"):
			media = append(media, key)
		default:
			item, err := f.waitingItem(ctx, key)
			if err != nil {
				return nil, err
			}
			if item.Piece == nil || unread[item.Run] {
				continue
			}
			p := *item.Piece // without its text, which is not needed to choose
			p.key, p.since = key, item.Since
			parts.add(p)
		}
	}
	var chosen [][]string
	// In any order: or a few that stay out of reach would keep every run from asking for the others.
	rand.Shuffle(len(media), func(i, j int) { media[i], media[j] = media[j], media[i] })
	for _, key := range media {
		item, err := f.waitingItem(ctx, key)
		if err != nil {
			return nil, err
		}
		if unread[item.Run] || len(chosen) == maxReleased {
			continue
		}
		ready, err := f.settleMedia(ctx, s, key, &item)
		if err != nil {
			return nil, err
		}
		if ready {
			chosen = append(chosen, []string{key})
		}
	}
	slices.SortFunc(chosen, slices.Compare)
	taken := len(chosen)
	for _, set := range parts.all() {
		if taken+len(set.parts) <= maxReleased && (set.complete() || set.overdue(s.To)) {
			chosen = append(chosen, set.keys())
			taken += len(set.parts)
		}
	}
	return chosen, nil
}

// settleMedia tries the item's missing attachments once more. What it learns is written to the waiting
// room first, so that the batch can be made again from it, byte for byte.
func (f *fetcher) settleMedia(ctx context.Context, s *slice, key string, item *waiting) (ready bool, err error) {
	if item.Ready {
		return true, nil
	}
	raw := item.Entry.Items[0].Raw
	outline, err := telemessage.Peek(raw)
	if err != nil {
		return false, fmt.Errorf("read an item of the waiting room: %w", err)
	}
	last := !s.To.Before(item.Since.Add(patienceWithSource))
	if s.inv.asked[key] && !last {
		return false, nil
	}
	s.inv.asked[key] = true
	media, away, err := f.media(ctx, s, raw, outline.Attachments, item.Entry.Media, last)
	if err != nil {
		return false, err
	}
	if away {
		return false, nil
	}
	item.Entry.Media, item.Ready = media, true
	if err := onStorage(ctx, func(ctx context.Context) error { return f.store.ReplaceWaiting(ctx, key, item) }); err != nil {
		return false, fmt.Errorf("note that an item is complete: %w", err)
	}
	return true, nil
}

// keys lists the waiting room, in the order in which the items came.
func (f *fetcher) keys(ctx context.Context) (keys []string, err error) {
	err = onStorage(ctx, func(ctx context.Context) (err error) {
		keys, err = f.store.Waiting(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the waiting room: %w", err)
	}
	slices.Sort(keys)
	return keys, nil
}

func (f *fetcher) waitingItem(ctx context.Context, key string) (waiting, error) {
	var item waiting
	err := onStorage(ctx, func(ctx context.Context) error { return f.store.GetWaiting(ctx, key, &item) })
	if err == nil && len(item.Entry.Items) != 1 {
		err = errors.New("it does not hold one item")
	}
	if err != nil {
		return waiting{}, fmt.Errorf("read an item of the waiting room: %w", err)
	}
	return item, nil
}

// forget empties the waiting room of what the finished run has taken.
func (f *fetcher) forget(ctx context.Context, s *slice) error {
	for _, key := range slices.Concat(s.Progress.Released...) {
		err := onStorage(ctx, func(ctx context.Context) error { return f.store.DeleteWaiting(ctx, key) })
		if err != nil && !errors.Is(err, staging.ErrNotFound) {
			return fmt.Errorf("empty the waiting room: %w", err)
		}
	}
	return nil
}

// settlePieces writes the long messages that came complete within the page, and sets the other pieces aside.
func (f *fetcher) settlePieces(ctx context.Context, s *slice, p *progress, w *writer, parts *pieces) error {
	for _, set := range parts.near() {
		if set.complete() {
			if err := w.add(ctx, set.entry()); err != nil {
				return err
			}
			continue
		}
		for _, part := range set.parts {
			err := f.setAside(ctx, s, p, waiting{Reason: waitsForPieces, Piece: &part,
				Entry: record.Entry{Version: 1, Items: []record.Item{part.Item}}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
