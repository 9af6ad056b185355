package sample

import (
	"slices"
	"strings"
)

// secrets gathers what the day holds that must never be in a log.
type secrets struct{ texts, numbers, addresses, names map[string]bool }

func newSecrets() secrets {
	return secrets{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

// minPlain is how long a run of plain characters must be to tell nobody's words from a log's own.
const minPlain = 20

// Texts is, of every message text, subject and group name, the longest run of letters, digits and blanks, if
// it has 20 characters or more. A run has nothing in it that JSON or a URL would write in another way but the
// blank, and nothing so common that a log may hold it by chance.
func (d *Day) Texts() []string { return sortedKeys(d.secrets.texts) }

// Numbers is every telephone number in the day in two forms: its ten national digits, which every
// spelling without blanks ends with, and as phones show it, 7700 900123.
func (d *Day) Numbers() []string { return sortedKeys(d.secrets.numbers) }

// Addresses is every e-mail address of the day, in lower case: of the tenant's users, of the items,
// of the mapping. Logs are to be put into lower case before they are searched.
func (d *Day) Addresses() []string { return sortedKeys(d.secrets.addresses) }

// Names is the full name of everybody in the day.
func (d *Day) Names() []string { return sortedKeys(d.secrets.names) }

// IDs is the directory object id of every user of the tenant.
func (d *Day) IDs() []string {
	var ids []string
	for _, u := range d.Users {
		ids = append(ids, u.ID)
	}
	slices.Sort(ids)
	return ids
}

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

// number takes digits with the country code.
func (s secrets) number(digits string) {
	national, ok := strings.CutPrefix(digits, "44")
	if !ok {
		return // a short code or a name
	}
	s.numbers[national] = true
	s.numbers[national[:4]+" "+national[4:]] = true
}

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
