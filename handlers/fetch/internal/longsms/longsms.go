// Package longsms groups the parts of long SMS messages. A phone sends a text that is too long for one SMS in parts,
// and the source archives each part as an item of its own.
//
// The package is pure: it knows neither the source nor the storage. The same parts in the same order always yield the
// same messages, so that a page that is read again yields the same batches.
package longsms

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"time"

	"o2archiver/shared/record"
)

const (
	maxSize  = 15 << 20 // bytes of the parts in one entry: a batch has room for them and their attachments' results
	maxParts = 512      // parts of one message, including repeated ones
	maxSets  = 100      // messages of one id in one conversation with which a part is compared

	// together is the time between two parts within which an id is not reused for another message.
	together = 10 * time.Minute

	// shortSpan is the maximum time between the parts of one message if its id is a phone's own count.
	shortSpan = 48 * time.Hour
)

// phoneCount matches an id that a phone reuses. 3GPP TS 23.040 section 9.2.3.24: a phone counts its long messages with
// 8 or 16 bits.
var phoneCount = regexp.MustCompile(`^\d{1,5}$`)

// Part is one item of a long SMS. Fields that are not in the JSON are known only within a process.
type Part struct {
	Group  string      `json:"group"` // the same for the parts of one message
	Number int         `json:"number"`
	Total  int         `json:"total"`
	ID     string      `json:"id"`              // identifies the item, however often it is archived
	Sent   time.Time   `json:"sent"`            // zero if it can't be read
	Size   int         `json:"size"`            // bytes of the item
	Short  bool        `json:"short,omitempty"` // its id is a phone's count
	Item   record.Item `json:"-"`

	Thread string         `json:"thread,omitempty"` // the same for all parts of one id, whatever their participants
	Sides  [3]string      `json:"sides,omitzero"`   // as in Segment
	Files  int            `json:"files,omitempty"`  // number of attachments
	Apart  []int          `json:"apart,omitempty"`  // record.Entry.Apart of the entry that begins with this part
	Media  []record.Media `json:"-"`                // results of the attachments

	Index int       `json:"-"` // position in the page
	Until time.Time `json:"-"` // record.Entry.Until

	Key string `json:"-"` // of the deferred item
	Due bool   `json:"-"` // it has been deferred for long enough
}

// Segment is what an item states about itself as a part of a long SMS.
type Segment struct {
	ID            string // the source's id, the same for all parts of one message
	Number, Total int
	MessageID     string    // the item's own id; "" if it has none
	Sent          time.Time // zero if it can't be read
	Parties       string    // a hash over owner, sender and recipients
	Sides         [3]string // a hash each of owner, sender and recipients; "" for one that is missing
	Files         int       // number of attachments
}

// NewPart returns the part that an item holds.
func NewPart(s Segment, item record.Item) Part {
	// The source's id alone is not enough: another conversation may use the same one.
	group := sha256.Sum256([]byte(s.Parties + "|" + s.ID))
	if year := s.Sent.Year(); year < 2000 || year > 9999 {
		s.Sent = time.Time{} // impossible, and JSON can't encode years beyond 9999
	}
	thread := sha256.Sum256([]byte(s.ID))
	return Part{
		Thread: hex.EncodeToString(thread[:8]), Sides: s.Sides, Files: s.Files,
		Group: hex.EncodeToString(group[:16]), Number: s.Number, Total: s.Total,
		ID: cmp.Or(s.MessageID, "sha256:"+item.SHA256), Sent: s.Sent, Size: len(item.Raw),
		Short: phoneCount.MatchString(s.ID), Item: item,
	}
}

// Groups collects parts and groups them into long messages. It is not safe for concurrent use.
type Groups struct {
	groups map[string][]Part
	order  []string // keys of groups in the order of their first parts, so that the result is deterministic
}

// Message is a long message, or the parts of it that have arrived.
type Message struct {
	Parts       []Part
	first, last time.Time // when its earliest and its latest part were sent
	size        int
}

// NewGroups returns an empty collection.
func NewGroups() *Groups { return &Groups{groups: map[string][]Part{}} }

// Add adds a part.
func (g *Groups) Add(part Part) {
	if g.groups[part.Group] == nil {
		g.order = append(g.order, part.Group)
	}
	g.groups[part.Group] = append(g.groups[part.Group], part)
}

// NearbyMessages returns the messages, complete or not, of parts that were sent close together. A complete message
// stays complete whatever parts arrive later.
func (g *Groups) NearbyMessages() []*Message {
	var all []*Message
	for _, group := range g.order {
		all = append(all, clusterParts(g.groups[group])...)
	}
	return all
}

// AllMessages returns the messages, complete or not, and merges parts that were sent further apart, too. Call it only
// if no more parts are expected for now: a part that is still to come may be nearer.
func (g *Groups) AllMessages() []*Message {
	var all []*Message
	for _, group := range g.order {
		all = append(all, joinMessages(clusterParts(g.groups[group]))...)
	}
	return joinLoose(all)
}

// clusterParts returns the messages of a group's parts that were sent close together. The parts are added in the order
// in which they were sent, each to the first nearby message that lacks it.
func clusterParts(parts []Part) []*Message {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b Part) int { return a.Sent.Compare(b.Sent) })
	var sets []*Message
	for _, part := range parts {
		one := &Message{Parts: []Part{part}, first: part.Sent, last: part.Sent, size: part.Size}
		i := slices.IndexFunc(sets[max(0, len(sets)-maxSets):], func(s *Message) bool {
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

// joinMessages merges those incomplete messages of a group that can be one, beginning with the nearest in time.
func joinMessages(sets []*Message) []*Message {
	for {
		var a, b *Message
		nearest := time.Duration(-1)
		open := slices.DeleteFunc(slices.Clone(sets), (*Message).IsComplete)
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
		sets = slices.DeleteFunc(sets, func(s *Message) bool { return s == b })
	}
}

// fitsTo reports whether two messages can be one. If both have a part of the same number, it is the same part archived
// again if the ids are equal; otherwise the messages are different ones.
func (s *Message) fitsTo(other *Message) bool {
	if len(s.Parts)+len(other.Parts) > maxParts {
		return false
	}
	total := max(s.totalParts(), other.totalParts())
	for _, a := range s.Parts {
		for _, b := range other.Parts {
			if a.Number == b.Number && a.ID != b.ID ||
				a.Number == 0 && b.Number == total || b.Number == 0 && a.Number == total {
				return false // in the last two cases one message counts from 0 and the other can't
			}
		}
	}
	return true
}

// totalParts returns the number of parts that the message should have: the largest that one of its parts claims.
func (s *Message) totalParts() (n int) {
	for _, p := range s.Parts {
		n = max(n, p.Total)
	}
	return n
}

// distanceTo returns the time between two messages' parts, 0 if they overlap.
func (s *Message) distanceTo(other *Message) time.Duration {
	return max(0, other.first.Sub(s.last), s.first.Sub(other.last))
}

// spanWith returns the maximum time between two messages that are parts of one.
func (s *Message) spanWith(other *Message) time.Duration {
	switch {
	case !s.Parts[0].Short:
		return 1<<63 - 1
	case s.totalParts() != other.totalParts():
		return together // within that time the id is not reused for another message, whatever the totals
	}
	return shortSpan
}

func (s *Message) mergeWith(other *Message) {
	s.Parts = append(s.Parts, other.Parts...)
	slices.SortStableFunc(s.Parts, func(a, b Part) int { return cmp.Compare(a.Number, b.Number) })
	if other.first.Before(s.first) {
		s.first = other.first
	}
	if other.last.After(s.last) {
		s.last = other.last
	}
	s.size += other.size
}

// IsComplete reports whether all parts have arrived.
func (s *Message) IsComplete() bool {
	have := map[int]bool{}
	for _, p := range s.Parts {
		have[p.Number] = true
	}
	return len(have) >= s.totalParts()
}

// IsOverdue reports whether one of its parts has been deferred for long enough.
func (s *Message) IsOverdue() bool {
	return slices.ContainsFunc(s.Parts, func(p Part) bool { return p.Due })
}

// FitsOneEntry reports whether all parts together fit into one entry of a batch.
func (s *Message) FitsOneEntry() bool { return s.size <= maxSize }

// SplitBySize returns the message divided into messages that each fit into one entry. Normally there is only one.
func (s *Message) SplitBySize() []*Message {
	sets := []*Message{{}}
	for i, p := range s.Parts {
		last := sets[len(sets)-1]
		again := i > 0 && s.Parts[i-1].Number == p.Number
		if last.size+p.Size > maxSize && len(last.Parts) > 0 && !again {
			last = &Message{}
			sets = append(sets, last)
		}
		last.Parts = append(last.Parts, p)
		last.size += p.Size
	}
	return sets
}

// PartsElsewhere returns the numbers of the parts that are in other messages of all, the result of SplitBySize.
func (s *Message) PartsElsewhere(all []*Message) (numbers []int) {
	for _, other := range all {
		for _, p := range other.Parts {
			if other != s && !slices.Contains(numbers, p.Number) {
				numbers = append(numbers, p.Number)
			}
		}
	}
	return numbers
}

// Keys returns the keys of the parts as deferred items.
func (s *Message) Keys() []string {
	var keys []string
	for _, p := range s.Parts {
		keys = append(keys, p.Key)
	}
	return keys
}

// Entry returns the long message as one entry of a batch.
func (s *Message) Entry() record.Entry {
	e := record.Entry{Version: 1, Total: s.totalParts()}
	for _, p := range s.Parts {
		e.Items = append(e.Items, p.Item)
		for i := range p.Files {
			m := record.Media{Gone: "it was not stored"}
			if i < len(p.Media) {
				m = p.Media[i]
			}
			e.Media = append(e.Media, m)
		}
		e.Apart = append(e.Apart, p.Apart...)
		if p.Until.After(e.Until) {
			e.Until = p.Until
		}
	}
	return e
}
