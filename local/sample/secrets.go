package sample

import (
	"slices"
	"strings"
)

// secrets collects the texts of the day that must never be in a log.
type secrets struct{ texts, numbers, addresses, names map[string]bool }

func newSecrets() secrets {
	return secrets{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

// minPlain is the length from which on a run of plain characters is unlikely to be part of a log's own text.
const minPlain = 20

// Texts returns, for every message text, subject and group name, the longest run of letters, digits and blanks, if it
// has at least 20 characters. Except for the blanks such a run is encoded in the same way in JSON and in URLs, and a
// log does not contain it by chance.
func (d *Day) Texts() []string { return sortedKeys(d.secrets.texts) }

// Numbers returns every telephone number of the day in two forms: its ten national digits, with which every format
// without blanks ends, and the form that phones show, 7700 900123.
func (d *Day) Numbers() []string { return sortedKeys(d.secrets.numbers) }

// Addresses returns every e-mail address of the day in lower case: of the tenant's users, of the items, and of the
// mapping. Convert a log to lower case before searching it.
func (d *Day) Addresses() []string { return sortedKeys(d.secrets.addresses) }

// Names returns the full names of all people of the day.
func (d *Day) Names() []string { return sortedKeys(d.secrets.names) }

// IDs returns the directory object IDs of all users of the tenant.
func (d *Day) IDs() []string {
	var ids []string
	for _, u := range d.Users {
		ids = append(ids, u.ID)
	}
	slices.Sort(ids)
	return ids
}

// text adds the longest plain run of a text, if v is one and the run is long enough.
func (s secrets) text(v any) {
	body, _ := v.(string)
	longest := ""
	for run := range strings.FieldsFuncSeq(body, func(c rune) bool {
		return c != ' ' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}) {
		if run = strings.TrimSpace(run); len(run) > len(longest) {
			longest = run
		}
	}
	if len(longest) >= minPlain {
		s.texts[longest[:min(len(longest), 200)]] = true
	}
}

// number adds a number, given as digits with the country code.
func (s secrets) number(digits string) {
	national, ok := strings.CutPrefix(digits, "44")
	if !ok {
		return // a short code or a name
	}
	s.numbers[national] = true
	s.numbers[national[:4]+" "+national[4:]] = true
}

// address adds addresses.
func (s secrets) address(list ...string) {
	for _, a := range list {
		if a = strings.ToLower(strings.TrimSpace(a)); a != "" {
			s.addresses[a] = true
		}
	}
}

func sortedKeys(set map[string]bool) []string {
	all := make([]string, 0, len(set))
	for s := range set {
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}
