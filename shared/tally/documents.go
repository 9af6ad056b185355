package tally

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/journal"
	"o2archiver/shared/phone"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
)

// The names of documents in the container reports.
const (
	NamesDocument  = "names.json"
	InvalidName    = "invalid.json"
	usersFolder    = "users/"
	unmappedFolder = "unmapped/"
	documentEnding = ".json"
)

// MaxDocument is the largest size in bytes of a document that is written and read.
const MaxDocument = 32 << 20

// KeepUnmapped is how long documents of unmapped numbers are kept, from the day of their run: a lifecycle rule deletes
// them, and none is written for an earlier run.
const KeepUnmapped = 92 * 24 * time.Hour

// Unmapped holds the numbers and addresses in those records of one batch that found no mailbox. It is a pure function
// of the batch and of its journal at one length. It holds nothing else of the messages.
type Unmapped struct {
	Version int            `json:"v"` // 1
	Length  int64          `json:"length"`
	Lines   []UnmappedLine `json:"lines"`
	More    int            `json:"more,omitempty"` // further lines
}

// UnmappedLine is a record that found no mailbox.
type UnmappedLine struct {
	Line    int       `json:"line"` // of the batch
	Records int       `json:"records"`
	Kind    string    `json:"kind,omitempty"`
	Time    time.Time `json:"time,omitzero"`
	Own     string    `json:"own,omitempty"`   // the number of the phone that archived the item, in E.164 form
	Named   []string  `json:"named,omitempty"` // numbers in E.164 form and addresses in lower case, without Own
}

const (
	maxUnmapped = 10_000 // lines of one document
	maxNamed    = 1000   // numbers and addresses of one line
)

// UnmappedName returns the name of the document of a batch.
func UnmappedName(batch string) string {
	return unmappedFolder + archive.RunOf(batch) + "/" + rowOf(batch) + documentEnding
}

// OfUnmapped returns the document of a batch whose journal, at that length, has the given state. Numbers in national
// form are those of region.
func OfUnmapped(data []byte, state journal.State, length int64, region string) Unmapped {
	u := Unmapped{Version: version, Length: length, Lines: []UnmappedLine{}}
	for number, text := range journal.BatchLines(data) {
		r, ok := state.Record(number)
		switch {
		case !ok || r.Outcome != journal.Unmapped:
		case len(u.Lines) >= maxUnmapped:
			u.More++
		default:
			u.Lines = append(u.Lines, describeUnmapped(number, r, text, region))
		}
	}
	return u
}

// describeUnmapped returns what the document has about one line.
func describeUnmapped(number int, r journal.Record, text []byte, region string) UnmappedLine {
	l := UnmappedLine{Line: number, Records: max(1, r.Records), Kind: r.Kind}
	var entry record.Entry
	if json.Unmarshal(text, &entry) != nil {
		return l
	}
	item, err := source.Parse(entry)
	if err != nil {
		return l
	}
	l.Time = item.Time.UTC()
	l.Own, _ = phone.E164(item.Owner, region)
	named := map[string]bool{}
	for _, p := range item.Participants() {
		e164, _ := phone.E164(p.Value, region)
		named[e164] = true
		for _, entry := range p.Emails {
			named[record.LowerASCII(record.EmailAddress(entry))] = true
		}
	}
	delete(named, "")
	delete(named, l.Own)
	l.Named = slices.Sorted(maps.Keys(named))
	l.Named = l.Named[:min(len(l.Named), maxNamed)]
	return l
}

// Users holds the copies of each mailbox in the windows that begin on one day, by run. Each run's part is replaced as a
// whole, when the run has ended.
type Users struct {
	Version int                  `json:"v"` // 1
	Runs    map[string]Mailboxes `json:"runs"`
}

// UsersName returns the name of the document of the day on which a window begins. A day is one of UTC.
func UsersName(from time.Time) string {
	return usersFolder + layout.Day(from) + documentEnding
}

// Sum returns the copies of each mailbox in all runs.
func (u Users) Sum() Mailboxes {
	sum := Mailboxes{}
	for _, m := range u.Runs {
		sum.AddAll(m)
	}
	return sum
}

// AddAll adds the counts of all mailboxes of other.
func (m Mailboxes) AddAll(other Mailboxes) {
	for mailbox, kinds := range other {
		for kind, n := range kinds {
			m.add(mailbox, kind, n)
		}
	}
}

// WindowOf returns when the window of a run begins: if the manifest does not say it, the day on which it was planned.
func WindowOf(run string, m archive.Manifest) time.Time {
	if !m.From.IsZero() {
		return m.From
	}
	return plannedOn(run)
}

// plannedOn returns the day in the name of a run or batch; the zero Time if it has none.
func plannedOn(name string) time.Time {
	day, err := layout.ParseDay(layout.DayOf(name))
	if err != nil {
		return time.Time{}
	}
	return day
}

// Names holds the addresses of mailboxes by their object ids, as they were when a message was last for them.
type Names struct {
	Version int               `json:"v"` // 1
	Names   map[string]string `json:"names"`
}

// Invalid holds the addresses of the mapping file that belong to no valid user, with the time at which import saw that
// last. It knows those that a message needed, not each address of the file.
type Invalid struct {
	Version   int                  `json:"v"` // 1
	Addresses map[string]time.Time `json:"addresses"`
}

const (
	maxInvalid = 20_000         // addresses; beyond that the earliest are dropped
	seenAgain  = 24 * time.Hour // after which the time of an address is written anew
)

// With returns the document with what was seen now: addresses in lower case, and whether each belongs to a valid user.
// Addresses that were not seen for KeepUnmapped are dropped. It returns nil if nothing changes.
func (d Invalid) With(checked map[string]bool, now time.Time) *Invalid {
	next := Invalid{Version: version, Addresses: map[string]time.Time{}}
	changed := false
	for address, at := range d.Addresses {
		valid, seen := checked[address]
		if seen && valid || now.Sub(at) >= KeepUnmapped {
			changed = true
			continue
		}
		next.Addresses[address] = at
	}
	for address, valid := range checked {
		at, known := next.Addresses[address]
		if !valid && (!known || now.Sub(at) >= seenAgain) {
			next.Addresses[address], changed = now.UTC().Truncate(time.Second), true
		}
	}
	if !changed {
		return nil
	}
	if more := len(next.Addresses) - maxInvalid; more > 0 {
		earliest := slices.SortedFunc(maps.Keys(next.Addresses), func(a, b string) int {
			return cmp.Or(next.Addresses[a].Compare(next.Addresses[b]), cmp.Compare(a, b))
		})
		for _, address := range earliest[:more] {
			delete(next.Addresses, address)
		}
	}
	return &next
}

// MaxNames is the number of names that are kept.
const MaxNames = 200_000

// IsUnmappedKept reports whether a document of unmapped numbers is kept for a batch.
func IsUnmappedKept(batch string, now time.Time) bool {
	return now.Sub(plannedOn(batch)) < KeepUnmapped
}
