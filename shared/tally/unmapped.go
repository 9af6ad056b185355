package tally

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// NoMailboxes holds the numbers and addresses in those records of one run that found no mailbox: the phones that
// archived them first, then the most frequent. It is a pure function of the documents of the batches.
type NoMailboxes struct {
	Version int             `json:"v"` // 1
	Numbers []NoMailboxName `json:"numbers"`
	More    int             `json:"more,omitempty"` // further ones
}

// NoMailboxName is a number or an address.
type NoMailboxName struct {
	Name    string         `json:"name"`          // in E.164 form, or in lower case
	Own     bool           `json:"own,omitempty"` // of a phone that archived one of the records
	Records int            `json:"records"`       // that it is in
	Kinds   map[string]int `json:"kinds"`         // records by kind
	Last    time.Time      `json:"last,omitzero"` // time of the latest of the records
}

// maxNoMailboxes is the number of names in the document of a run.
const maxNoMailboxes = 20_000

// NoMailboxesName returns the name of the document of a run.
func NoMailboxesName(run string) string { return unmappedFolder + run + "/numbers" + documentEnding }

// OfRunUnmapped returns the document of a run whose batches have the given documents.
func OfRunUnmapped(batches []Unmapped) NoMailboxes {
	all := map[string]*NoMailboxName{}
	for _, u := range batches {
		for _, l := range u.Lines {
			names := l.Named
			if l.Own != "" {
				names = append([]string{l.Own}, l.Named...)
			}
			for _, name := range names {
				n := all[name]
				if n == nil {
					n = &NoMailboxName{Name: name, Kinds: map[string]int{}}
					all[name] = n
				}
				n.Own = n.Own || name == l.Own
				n.Records += l.Records
				n.Kinds[l.Kind] += l.Records
				if l.Time.After(n.Last) {
					n.Last = l.Time
				}
			}
		}
	}
	d := NoMailboxes{Version: version, Numbers: []NoMailboxName{}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d.Numbers = append(d.Numbers, *all[name])
	}
	slices.SortStableFunc(d.Numbers, func(a, b NoMailboxName) int {
		switch {
		case a.Own != b.Own && a.Own:
			return -1
		case a.Own != b.Own:
			return 1
		}
		return cmp.Compare(b.Records, a.Records)
	})
	if d.More = max(0, len(d.Numbers)-maxNoMailboxes); d.More > 0 {
		d.Numbers = d.Numbers[:maxNoMailboxes]
	}
	return d
}
