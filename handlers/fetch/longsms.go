package main

import (
	"context"
	"slices"

	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// pieceItem deals with a piece of a long SMS. As a rule it is held until its page has been read, to be joined with the others; one
// that is large, or owes an attachment, is set aside at once.
func (f *fetcher) pieceItem(ctx context.Context, s *slice, p *progress, parts *pieces, o telemessage.Outline, entry record.Entry, index int) error {
	part := newPiece(o, entry.Items[0])
	part.index, part.until = index, entry.Until
	away := false
	if part.Files > 0 {
		if s.isAside(p, index, waitsForPieces, part.Item.SHA256) {
			p.SetAside++
			return nil
		}
		if part.Media = s.past.media[part.Item.SHA256]; len(part.Media) != part.Files {
			var err error
			if part.Media, away, err = f.media(ctx, s, part.Item.Raw, o.Attachments, nil, patientWith); err != nil {
				return err
			}
		}
	}
	if away || part.Size > maxPiece {
		return f.setPieceAside(ctx, s, p, part, !away)
	}
	parts.add(part)
	return nil
}

// setPieceAside puts a piece into the waiting room, if it is not there. settled: it owes no attachment.
func (f *fetcher) setPieceAside(ctx context.Context, s *slice, p *progress, part piece, settled bool) error {
	if s.isAside(p, part.index, waitsForPieces, part.Item.SHA256) {
		p.SetAside++
		return nil
	}
	return f.setAside(ctx, s, p, part.index, waiting{Reason: waitsForPieces, Piece: &part, Ready: settled && part.Files > 0,
		Entry: record.Entry{Version: 1, Until: part.until, Items: []record.Item{part.Item}, Media: part.Media}})
}

// settlePieces writes the long messages that came complete within the page, and sets the other pieces aside.
func (f *fetcher) settlePieces(ctx context.Context, s *slice, p *progress, w *writer, parts *pieces) error {
	for _, set := range parts.near() {
		if set.complete() && set.size <= maxSet {
			if err := w.add(ctx, set.entry()); err != nil {
				return err
			}
			continue
		}
		for _, part := range set.parts {
			if err := f.setPieceAside(ctx, s, p, part, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// choosePieces adds the keys of the long messages that are complete or overdue to those that this run takes.
func (f *fetcher) choosePieces(ctx context.Context, state *savedState, s *slice, r *room, chosen [][]string, space int) ([][]string, error) {
	taken := len(chosen)
	for _, set := range r.pieces(state, s).all() {
		if taken+len(set.parts) > space || !set.complete() && !set.overdue() {
			continue
		}
		ready, err := f.settleParts(ctx, state, s, r, set)
		if err != nil {
			return nil, err
		}
		if !ready {
			continue
		}
		entries := set.split()
		for _, one := range entries {
			if len(entries) > 1 {
				if err := f.notePiecesApart(ctx, r, one, entries); err != nil {
					return nil, err
				}
			}
			chosen = append(chosen, one.keys())
		}
		taken += len(set.parts)
	}
	return chosen, nil
}

// settleParts asks for the attachments that the pieces owe, and renews those that have become too old. One that is out of reach keeps its message waiting until its time is over.
func (f *fetcher) settleParts(ctx context.Context, state *savedState, s *slice, r *room, set *pieceSet) (ready bool, err error) {
	ready = true
	for _, p := range set.parts {
		if p.Files == 0 {
			continue
		}
		settled, err := f.settleMedia(ctx, state, s, r, p.key)
		if err != nil {
			return false, err
		}
		ready = ready && settled
	}
	return ready, nil
}

// notePiecesApart writes into the waiting room which pieces of the message are in other entries, before the entries are chosen for good.
func (f *fetcher) notePiecesApart(ctx context.Context, r *room, one *pieceSet, entries []*pieceSet) error {
	key := one.parts[0].key
	item, err := f.waitingItem(ctx, key)
	if err != nil {
		return err
	}
	if item.Piece.Apart = one.apart(entries); len(item.Piece.Apart) == 0 {
		return nil
	}
	return f.replaceWaiting(ctx, r, key, &item)
}

// pieces returns the pieces of those long messages that may be complete, or have an overdue piece.
func (r *room) pieces(state *savedState, s *slice) *pieces {
	groups := map[string][]piece{}
	var order []string
	for _, key := range r.candidates(state, s, waitsForPieces) {
		x := r.items[key]
		p := x.piece(key)
		if p.due = state.due(x, s); groups[x.Group] == nil {
			order = append(order, x.Group)
		}
		if len(groups[x.Group]) < maxGroup {
			groups[x.Group] = append(groups[x.Group], p)
		}
	}
	loose := map[string]bool{} // threads with a piece that does not name all who take part: it may be of any group
	for _, all := range groups {
		for _, p := range all {
			if slices.Contains(p.Sides[:], "") && p.Thread != "" {
				loose[p.Thread] = true
			}
		}
	}
	parts := newPieces()
	for _, group := range order {
		all := groups[group]
		if !loose[all[0].Thread] && len(all) < all[0].Total && !slices.ContainsFunc(all, func(p piece) bool { return p.due || len(all) >= p.Total }) {
			continue
		}
		for _, p := range all {
			parts.add(p)
		}
	}
	return parts
}
