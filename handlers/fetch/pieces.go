package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"time"

	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

const (
	maxPiece = 64 << 10 // bytes of a piece that is held until its page has been read; a larger one is set aside at once
	maxSet   = 15 << 20 // bytes of the pieces in one entry: a batch has room for them, and for what is known of their attachments
	maxParts = 512      // pieces of one message, those that came twice included
	maxSets  = 100      // messages with one id of one conversation that a piece is compared with

	// together is the time from one piece to the next in which nobody uses an id for another message.
	together = 10 * time.Minute

	// shortSpan is how far apart the pieces of one message may lie if its id is a phone's own count.
	shortSpan = 48 * time.Hour
)

// phoneCount is an id that comes again. 3GPP TS 23.040 section 9.2.3.24: a phone counts its long messages with 8 or 16 bits.
var phoneCount = regexp.MustCompile(`^\d{1,5}$`)

// piece is one item of a long SMS.
type piece struct {
	Group  string      `json:"group"` // the same for the pieces of one message
	Number int         `json:"number"`
	Total  int         `json:"total"`
	ID     string      `json:"id"`              // which item it is, however often it is archived
	Sent   time.Time   `json:"sent"`            // zero if that can't be read
	Size   int         `json:"size"`            // bytes
	Short  bool        `json:"short,omitempty"` // its id is a phone's count
	Item   record.Item `json:"-"`

	Thread string         `json:"thread,omitempty"` // the same for all pieces of one id, whoever wrote to whom
	Sides  [3]string      `json:"sides,omitzero"`   // hashes of owner, sender and recipients; "" for one that is missing
	Files  int            `json:"files,omitempty"`  // attachments
	Apart  []int          `json:"apart,omitempty"`  // record.Entry.Apart of the entry that begins with this piece
	Media  []record.Media `json:"-"`                // what became of the attachments

	index int       // in the page
	until time.Time // record.Entry.Until

	key string // in the waiting room
	due bool   // it has waited there long enough

}

func newPiece(o telemessage.Outline, item record.Item) piece {
	// The source's id alone is not enough: another conversation may use it, too.
	group := sha256.Sum256([]byte(o.Parties + "|" + o.Segment.ID))
	if year := o.Time.Year(); year < 2000 || year > 9999 {
		o.Time = time.Time{} // impossible; and JSON has no form for some of these
	}
	thread := sha256.Sum256([]byte(o.Segment.ID))
	return piece{
		Thread: hex.EncodeToString(thread[:8]), Sides: o.Sides, Files: len(o.Attachments),
		Group: hex.EncodeToString(group[:16]), Number: o.Segment.Number, Total: o.Segment.Total,
		ID: cmp.Or(o.MessageID, "sha256:"+item.SHA256), Sent: o.Time, Size: len(item.Raw), Short: phoneCount.MatchString(o.Segment.ID), Item: item,
	}
}

// pieces puts long messages together.
type pieces struct {
	groups map[string][]piece
	order  []string // of groups, so that the same pieces always give the same batches
}

// pieceSet is what there is of one long message.
type pieceSet struct {
	parts       []piece
	first, last time.Time // when its pieces were sent
	size        int
}

func newPieces() *pieces { return &pieces{groups: map[string][]piece{}} }

func (p *pieces) add(part piece) {
	if p.groups[part.Group] == nil {
		p.order = append(p.order, part.Group)
	}
	p.groups[part.Group] = append(p.groups[part.Group], part)
}

// near gives the messages, complete or not, of pieces that were sent close together. A complete one is complete
// whatever else may come.
func (p *pieces) near() []*pieceSet {
	var all []*pieceSet
	for _, group := range p.order {
		all = append(all, cluster(p.groups[group])...)
	}
	return all
}

// all gives the messages, complete or not, of pieces from further apart, too. It is for when nothing more is to come for now: a
// piece that is still to come may be nearer.
func (p *pieces) all() []*pieceSet {
	var all []*pieceSet
	for _, group := range p.order {
		all = append(all, join(cluster(p.groups[group]))...)
	}
	return joinLoose(all)
}

// cluster goes through a group's pieces in the order in which they were sent. Each goes into the first message nearby that
// lacks it.
func cluster(parts []piece) []*pieceSet {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b piece) int { return a.Sent.Compare(b.Sent) })
	var sets []*pieceSet
	for _, part := range parts {
		one := &pieceSet{parts: []piece{part}, first: part.Sent, last: part.Sent, size: part.Size}
		i := slices.IndexFunc(sets[max(0, len(sets)-maxSets):], func(s *pieceSet) bool {
			return s.distance(one) <= together && s.total() == part.Total && s.fits(one)
		})
		if i < 0 {
			sets = append(sets, one)
			continue
		}
		sets[max(0, len(sets)-maxSets)+i].merge(one)
	}
	return sets
}

// join merges the incomplete ones of a group's messages that can be one, the nearest in time first.
func join(sets []*pieceSet) []*pieceSet {
	for {
		var a, b *pieceSet
		nearest := time.Duration(-1)
		open := slices.DeleteFunc(slices.Clone(sets), (*pieceSet).complete)
		open = open[:min(len(open), maxSets)]
		for i, one := range open {
			for _, other := range open[i+1:] {
				d := one.distance(other)
				if (nearest < 0 || d < nearest) && d <= one.span(other) && one.fits(other) {
					a, b, nearest = one, other, d
				}
			}
		}
		if a == nil {
			return sets
		}
		a.merge(b)
		sets = slices.DeleteFunc(sets, func(s *pieceSet) bool { return s == b })
	}
}

// fits says that the two can be one message. A piece that both have under one id is the same one archived again;
// under different ids the pieces are those of two messages.
func (s *pieceSet) fits(other *pieceSet) bool {
	if len(s.parts)+len(other.parts) > maxParts {
		return false
	}
	total := max(s.total(), other.total())
	for _, a := range s.parts {
		for _, b := range other.parts {
			if a.Number == b.Number && a.ID != b.ID || a.Number == 0 && b.Number == total || b.Number == 0 && a.Number == total {
				return false // the last case: one counts from 0, and the other one can't
			}
		}
	}
	return true
}

// total is the number of pieces that the message should have: the largest that one of them claims.
func (s *pieceSet) total() (n int) {
	for _, p := range s.parts {
		n = max(n, p.Total)
	}
	return n
}

// distance is the time between two messages' pieces.
func (s *pieceSet) distance(other *pieceSet) time.Duration {
	return max(0, other.first.Sub(s.last), s.first.Sub(other.last))
}

// span is how far apart the pieces of two messages may lie that are one.
func (s *pieceSet) span(other *pieceSet) time.Duration {
	switch {
	case !s.parts[0].Short:
		return 1<<63 - 1
	case s.total() != other.total():
		return together // within that time nobody uses the id for another message, whatever the totals
	}
	return shortSpan
}

func (s *pieceSet) merge(other *pieceSet) {
	s.parts = append(s.parts, other.parts...)
	slices.SortStableFunc(s.parts, func(a, b piece) int { return cmp.Compare(a.Number, b.Number) })
	if other.first.Before(s.first) {
		s.first = other.first
	}
	if other.last.After(s.last) {
		s.last = other.last
	}
	s.size += other.size
}

func (s *pieceSet) complete() bool {
	have := map[int]bool{}
	for _, p := range s.parts {
		have[p.Number] = true
	}
	return len(have) >= s.total()
}

// overdue reports whether the first of its pieces has waited long enough.
func (s *pieceSet) overdue() bool {
	return slices.ContainsFunc(s.parts, func(p piece) bool { return p.due })
}

// split divides the message where all of it is too large for one entry. As a rule it stays whole.
func (s *pieceSet) split() []*pieceSet {
	sets := []*pieceSet{{}}
	for i, p := range s.parts {
		last := sets[len(sets)-1]
		if again := i > 0 && s.parts[i-1].Number == p.Number; last.size+p.Size > maxSet && len(last.parts) > 0 && !again {
			last = &pieceSet{}
			sets = append(sets, last)
		}
		last.parts = append(last.parts, p)
		last.size += p.Size
	}
	return sets
}

// apart returns the numbers of the pieces that are in the other parts of a divided message.
func (s *pieceSet) apart(all []*pieceSet) (numbers []int) {
	for _, other := range all {
		for _, p := range other.parts {
			if other != s && !slices.Contains(numbers, p.Number) {
				numbers = append(numbers, p.Number)
			}
		}
	}
	return numbers
}

func (s *pieceSet) keys() []string {
	var keys []string
	for _, p := range s.parts {
		keys = append(keys, p.key)
	}
	return keys
}

// entry is the long message as one line of a batch.
func (s *pieceSet) entry() record.Entry {
	e := record.Entry{Version: 1, Total: s.total()}
	for _, p := range s.parts {
		e.Items = append(e.Items, p.Item)
		for i := range p.Files {
			m := record.Media{Gone: "it was not stored"}
			if i < len(p.Media) {
				m = p.Media[i]
			}
			e.Media = append(e.Media, m)
		}
		e.Apart = append(e.Apart, p.Apart...)
		if p.until.After(e.Until) {
			e.Until = p.until
		}
	}
	return e
}
