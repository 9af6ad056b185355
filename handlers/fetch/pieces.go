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

// smsPart is one item of a long SMS.
type smsPart struct {
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

func newPart(o telemessage.Outline, item record.Item) smsPart {
	// The source's id alone is not enough: another conversation may use it, too.
	group := sha256.Sum256([]byte(o.Parties + "|" + o.Segment.ID))
	if year := o.Time.Year(); year < 2000 || year > 9999 {
		o.Time = time.Time{} // impossible; and JSON has no form for some of these
	}
	thread := sha256.Sum256([]byte(o.Segment.ID))
	return smsPart{
		Thread: hex.EncodeToString(thread[:8]), Sides: o.Sides, Files: len(o.Attachments),
		Group: hex.EncodeToString(group[:16]), Number: o.Segment.Number, Total: o.Segment.Total,
		ID: cmp.Or(o.MessageID, "sha256:"+item.SHA256), Sent: o.Time, Size: len(item.Raw), Short: phoneCount.MatchString(o.Segment.ID), Item: item,
	}
}

// partGroups puts long messages together.
type partGroups struct {
	groups map[string][]smsPart
	order  []string // of groups, so that the same pieces always give the same batches
}

// longSMS is what there is of one long message.
type longSMS struct {
	parts       []smsPart
	first, last time.Time // when its pieces were sent
	size        int
}

func newPartGroups() *partGroups { return &partGroups{groups: map[string][]smsPart{}} }

func (p *partGroups) addPart(part smsPart) {
	if p.groups[part.Group] == nil {
		p.order = append(p.order, part.Group)
	}
	p.groups[part.Group] = append(p.groups[part.Group], part)
}

// nearbyMessages gives the messages, complete or not, of pieces that were sent close together. A complete one is complete
// whatever else may come.
func (p *partGroups) nearbyMessages() []*longSMS {
	var all []*longSMS
	for _, group := range p.order {
		all = append(all, clusterParts(p.groups[group])...)
	}
	return all
}

// allMessages gives the messages, complete or not, of pieces from further apart, too. It is for when nothing more is to come for now: a
// piece that is still to come may be nearer.
func (p *partGroups) allMessages() []*longSMS {
	var all []*longSMS
	for _, group := range p.order {
		all = append(all, joinMessages(clusterParts(p.groups[group]))...)
	}
	return joinLoose(all)
}

// clusterParts goes through a group's pieces in the order in which they were sent. Each goes into the first message nearby that
// lacks it.
func clusterParts(parts []smsPart) []*longSMS {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b smsPart) int { return a.Sent.Compare(b.Sent) })
	var sets []*longSMS
	for _, part := range parts {
		one := &longSMS{parts: []smsPart{part}, first: part.Sent, last: part.Sent, size: part.Size}
		i := slices.IndexFunc(sets[max(0, len(sets)-maxSets):], func(s *longSMS) bool {
			return s.distanceTo(one) <= together && s.totalParts() == part.Total && s.fitsTo(one)
		})
		if i < 0 {
			sets = append(sets, one)
			continue
		}
		sets[max(0, len(sets)-maxSets)+i].mergeWith(one)
	}
	return sets
}

// joinMessages merges the incomplete ones of a group's messages that can be one, the nearest in time first.
func joinMessages(sets []*longSMS) []*longSMS {
	for {
		var a, b *longSMS
		nearest := time.Duration(-1)
		open := slices.DeleteFunc(slices.Clone(sets), (*longSMS).isComplete)
		open = open[:min(len(open), maxSets)]
		for i, one := range open {
			for _, other := range open[i+1:] {
				d := one.distanceTo(other)
				if (nearest < 0 || d < nearest) && d <= one.spanWith(other) && one.fitsTo(other) {
					a, b, nearest = one, other, d
				}
			}
		}
		if a == nil {
			return sets
		}
		a.mergeWith(b)
		sets = slices.DeleteFunc(sets, func(s *longSMS) bool { return s == b })
	}
}

// fitsTo says that the two can be one message. A piece that both have under one id is the same one archived again;
// under different ids the pieces are those of two messages.
func (s *longSMS) fitsTo(other *longSMS) bool {
	if len(s.parts)+len(other.parts) > maxParts {
		return false
	}
	total := max(s.totalParts(), other.totalParts())
	for _, a := range s.parts {
		for _, b := range other.parts {
			if a.Number == b.Number && a.ID != b.ID || a.Number == 0 && b.Number == total || b.Number == 0 && a.Number == total {
				return false // the last case: one counts from 0, and the other one can't
			}
		}
	}
	return true
}

// totalParts is the number of pieces that the message should have: the largest that one of them claims.
func (s *longSMS) totalParts() (n int) {
	for _, p := range s.parts {
		n = max(n, p.Total)
	}
	return n
}

// distanceTo is the time between two messages' pieces.
func (s *longSMS) distanceTo(other *longSMS) time.Duration {
	return max(0, other.first.Sub(s.last), s.first.Sub(other.last))
}

// spanWith is how far apart the pieces of two messages may lie that are one.
func (s *longSMS) spanWith(other *longSMS) time.Duration {
	switch {
	case !s.parts[0].Short:
		return 1<<63 - 1
	case s.totalParts() != other.totalParts():
		return together // within that time nobody uses the id for another message, whatever the totals
	}
	return shortSpan
}

func (s *longSMS) mergeWith(other *longSMS) {
	s.parts = append(s.parts, other.parts...)
	slices.SortStableFunc(s.parts, func(a, b smsPart) int { return cmp.Compare(a.Number, b.Number) })
	if other.first.Before(s.first) {
		s.first = other.first
	}
	if other.last.After(s.last) {
		s.last = other.last
	}
	s.size += other.size
}

func (s *longSMS) isComplete() bool {
	have := map[int]bool{}
	for _, p := range s.parts {
		have[p.Number] = true
	}
	return len(have) >= s.totalParts()
}

// isOverdue reports whether the first of its pieces has waited long enough.
func (s *longSMS) isOverdue() bool {
	return slices.ContainsFunc(s.parts, func(p smsPart) bool { return p.due })
}

// splitBySize divides the message where all of it is too large for one entry. As a rule it stays whole.
func (s *longSMS) splitBySize() []*longSMS {
	sets := []*longSMS{{}}
	for i, p := range s.parts {
		last := sets[len(sets)-1]
		if again := i > 0 && s.parts[i-1].Number == p.Number; last.size+p.Size > maxSet && len(last.parts) > 0 && !again {
			last = &longSMS{}
			sets = append(sets, last)
		}
		last.parts = append(last.parts, p)
		last.size += p.Size
	}
	return sets
}

// partsElsewhere returns the numbers of the pieces that are in the other parts of a divided message.
func (s *longSMS) partsElsewhere(all []*longSMS) (numbers []int) {
	for _, other := range all {
		for _, p := range other.parts {
			if other != s && !slices.Contains(numbers, p.Number) {
				numbers = append(numbers, p.Number)
			}
		}
	}
	return numbers
}

func (s *longSMS) partKeys() []string {
	var keys []string
	for _, p := range s.parts {
		keys = append(keys, p.key)
	}
	return keys
}

// toEntry is the long message as one line of a batch.
func (s *longSMS) toEntry() record.Entry {
	e := record.Entry{Version: 1, Total: s.totalParts()}
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
