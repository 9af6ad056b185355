package telemessagetest

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// entry is an item that was added.
type entry struct {
	at   time.Time
	seq  int
	item []byte
}

// generator is a sequence of items that are generated on request.
type generator struct {
	n        int
	archived func(i int) time.Time
	make     func(i int) []byte
}

// place is the position of an item in the order of the site: by time, then by source.
type place struct {
	At     time.Time `json:"t"`
	Source int       `json:"s"` // 0: added; from 1: generators
	Seq    int       `json:"i"`
}

// compare returns the order of two places: negative if p is before o.
func (p place) compare(o place) int {
	return cmp.Or(p.At.Compare(o.At), cmp.Compare(p.Source, o.Source), cmp.Compare(p.Seq, o.Seq))
}

// row is one sorted source of items.
type row struct {
	n    int
	at   func(i int) place
	item func(i int) []byte
}

// rows returns the sources, each in order.
func (s *Site) rows() []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsorted {
		s.added = slices.Clone(s.added) // a page that is being written still reads the old slice
		slices.SortFunc(s.added, func(a, b entry) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq)) })
		s.unsorted = false
	}
	added := s.added
	rows := []row{{
		n:    len(added),
		at:   func(i int) place { return place{added[i].at, 0, added[i].seq} },
		item: func(i int) []byte { return added[i].item },
	}}
	for k, g := range s.generated {
		rows = append(rows, row{
			n:    g.n,
			at:   func(i int) place { return place{g.archived(i).UTC(), k + 1, i} },
			item: g.make,
		})
	}
	return rows
}

// visible returns the end of the visible part of the window. An item becomes visible Delay after it was archived.
func (s *Site) visible(w window) time.Time {
	end := s.o.Now().Add(-s.o.Delay).Add(1)
	if w.to.Before(end) {
		return w.to
	}
	return end
}

// page returns the first limit items of the window after a place, in order, the place of the last one, and whether
// there are more.
func (s *Site) page(w window, after place, limit int) (items []func() []byte, last place, more bool) {
	end := s.visible(w)
	rows := s.rows()
	next := make([]int, len(rows))
	for k, r := range rows {
		next[k] = sort.Search(r.n, func(i int) bool {
			p := r.at(i)
			return !p.At.Before(w.from) && (after == place{} || p.compare(after) > 0)
		})
	}
	last = after
	for {
		first := -1
		var at place
		for k, r := range rows {
			if next[k] == r.n {
				continue
			}
			if p := r.at(next[k]); p.At.Before(end) && (first < 0 || p.compare(at) < 0) {
				first, at = k, p
			}
		}
		if first < 0 {
			return items, last, false
		}
		if len(items) == limit {
			return items, last, true
		}
		r, i := rows[first], next[first]
		items = append(items, func() []byte { return r.item(i) })
		last = at
		next[first]++
	}
}

// countIn returns how many items of the window are visible.
func (s *Site) countIn(w window) int {
	end := s.visible(w)
	total := 0
	for _, r := range s.rows() {
		before := func(t time.Time) int {
			return sort.Search(r.n, func(i int) bool { return !r.at(i).At.Before(t) })
		}
		total += max(0, before(end)-before(w.from))
	}
	return total
}
