// Package usermap finds the mailboxes that an item belongs to. For each participant it uses the administrator's CSV
// file, and if that has no valid user, the email property of the item. The tenant is asked whether an address belongs
// to a valid user.
package usermap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"o2archiver/shared/phone" // numbers are compared in E.164 form, which only that package can derive
	"o2archiver/shared/record"
)

// Directory looks up the tenant's users. It is all that usermap needs of Microsoft Graph, so that tests and a dry run
// can replace it.
type Directory interface {
	// Mailboxes looks up which of the addresses, all in lower case and without repetition, belong to a user with an
	// Exchange Online mailbox, and returns address → directory object ID. An address that is absent from the result
	// belongs to no valid user. With a *Partial error, the answers for the other addresses are valid. With any other
	// error there is no answer for any address, and nothing is mapped.
	Mailboxes(ctx context.Context, addresses []string) (map[string]string, error)
}

// Options are the administrator's choices.
type Options struct {
	Automatic       bool     // use the email property
	Custom          bool     // use the CSV file, before the email property
	AcceptedDomains []string // the domains that Automatic may use; empty: all of the tenant's
	Region          string   // two-letter country of numbers in national form

	// E164 replaces phone.E164 if it is not nil. A cache of results saves much of the time, because an organization's
	// own numbers are in all of its batches.
	E164 func(raw, region string) (string, bool)

	// Checked, if it is not nil, is told for each address of the CSV file that Resolve needed, and that the directory
	// has an answer about, whether it belongs to a valid user. It is called by the goroutine of Resolve.
	Checked func(address string, valid bool)
}

// How a mailbox was found.
const (
	ByCSV   = "csv"
	ByEmail = "email"
)

// Match is one mailbox that receives a copy of a record.
type Match struct {
	Mailbox      string // directory object ID of its user
	Participants []int  // who has this mailbox: 0 is the sender, n the n-th of To; or Owner
	By           string // ByCSV or ByEmail, for the first of Participants

	// Addresses has, for each of Participants in the same order, the address of the mailbox by which it was found, in
	// lower case.
	Addresses []string
}

// Owner is the index of the record's owner in Match.Participants, if the owner is not among the participants.
const Owner = -1

// Mapper finds the mailboxes of records' participants. It has no state between calls and is safe for concurrent use.
type Mapper struct {
	options   Options
	domains   map[string]bool
	table     *Table
	directory Directory
}

// New returns a Mapper. t is nil if there is no CSV file.
func New(o Options, t *Table, d Directory) *Mapper {
	m := &Mapper{options: o, directory: d, domains: map[string]bool{}}
	if o.E164 == nil {
		m.options.E164 = phone.E164
	}
	if o.Custom {
		m.table = t
	}
	for _, domain := range o.AcceptedDomains {
		m.domains[record.LowerASCII(strings.TrimPrefix(strings.TrimSpace(domain), "@"))] = true
	}
	return m
}

// person is a participant of one record, as far as known before the directory is asked.
type person struct {
	index  int
	csv    string   // the CSV file's address for the person's number at the message's time; "" if none
	emails []string // addresses of the item, each in its plain form
}

// Resolution is the result for one record.
type Resolution struct {
	Matches []Match // each mailbox once, in the order of the participants; empty if none has a valid mailbox

	// Open is not nil if the record may have more matches, because the directory has no answer for one of its
	// addresses.
	Open error

	// Notes states what was left out for good, in plain words and without content.
	Notes []string
}

// Resolve returns the mailboxes of each record, in the order of the participants: each mailbox once, with the
// participants who have it. A record without a match has no participant with a valid mailbox. The directory is asked
// at most twice, for all records together: first about the addresses of the CSV file, then, for participants without
// a mailbox from it, about those of the email property. A nil record has no match.
func (m *Mapper) Resolve(ctx context.Context, records []*record.Record) ([]Resolution, error) {
	people := make([][]person, len(records))
	numbers := map[string]string{}
	for i, r := range records {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("map users: %w", err)
		}
		if r != nil {
			people[i] = m.people(r, numbers)
		}
	}
	dropped := boundAddresses(people)
	byCSV := map[string]bool{}
	for _, all := range people {
		for _, p := range all {
			if p.csv != "" {
				byCSV[p.csv] = true
			}
		}
	}
	known := answers{valid: map[string]string{}, open: map[string]error{}, refused: map[string]string{}}
	if err := m.ask(ctx, byCSV, known); err != nil {
		return nil, fmt.Errorf("ask the directory about addresses of the mapping file: %w", err)
	}
	if m.options.Checked != nil {
		for address := range byCSV {
			if known.open[address] == nil {
				m.options.Checked(address, known.valid[address] != "")
			}
		}
	}
	byEmail := map[string]bool{}
	for _, all := range people {
		for _, p := range all {
			if p.csv != "" && (known.valid[p.csv] != "" || known.open[p.csv] != nil) {
				continue
			}
			for _, address := range p.emails {
				if !byCSV[address] { // otherwise it was asked already
					byEmail[address] = true
				}
			}
		}
	}
	if err := m.ask(ctx, byEmail, known); err != nil {
		return nil, fmt.Errorf("ask the directory about addresses of the email property: %w", err)
	}
	found := make([]Resolution, len(records))
	for i, all := range people {
		found[i] = known.resolve(all)
		if n := dropped[i]; n > 0 {
			found[i].Notes = append(found[i].Notes,
				fmt.Sprintf("%d of its addresses were not looked up, for it has more than are", n))
		}
	}
	return found, nil
}

// people returns the participants of a record, and last the owner, if the owner's number is not among theirs. numbers
// is a cache of raw numbers in E.164 form, "" for those that are not a number.
func (m *Mapper) people(r *record.Record, numbers map[string]string) []person {
	e164 := func(raw string) string {
		n, known := numbers[raw]
		if !known {
			n, _ = m.options.E164(raw, m.options.Region)
			numbers[raw] = n
		}
		return n
	}
	holder := func(raw string) string {
		n := e164(raw)
		if m.table == nil || n == "" {
			return ""
		}
		address, _ := m.table.Lookup(n, r.Time)
		return address
	}
	var all []person
	ownerNumber, among := e164(r.Owner), false
	for i, p := range append([]record.Participant{r.Sender()}, r.To...) {
		among = among || ownerNumber != "" && e164(p.Value) == ownerNumber
		all = append(all, person{i, holder(p.Value), m.emails(p)})
	}
	if ownerNumber != "" && !among {
		all = append(all, person{Owner, holder(r.Owner), nil})
	}
	return all
}

// emails returns the addresses of a participant that automatic mapping may use.
func (m *Mapper) emails(p record.Participant) []string {
	if !m.options.Automatic {
		return nil
	}
	var all []string
	for _, text := range p.Emails {
		address, ok := plainAddress(text)
		_, domain, _ := strings.Cut(address, "@")
		if ok && (len(m.domains) == 0 || m.domains[domain]) {
			all = append(all, address)
		}
	}
	return all
}

// answers are the directory's answers, by address.
type answers struct {
	valid   map[string]string // directory object ID
	open    map[string]error  // why there is no answer yet
	refused map[string]string // why it is not looked up
}

// ask adds the directory's answers about these addresses to known. Answers about other addresses are ignored.
func (m *Mapper) ask(ctx context.Context, addresses map[string]bool, known answers) error {
	if len(addresses) == 0 {
		return nil
	}
	answer, err := m.directory.Mailboxes(ctx, slices.Sorted(maps.Keys(addresses)))
	var partial *Partial
	if err != nil && !errors.As(err, &partial) {
		return err
	}
	for address := range addresses {
		if id := answer[address]; id != "" {
			known.valid[address] = id
		}
		if partial == nil {
			continue
		}
		if err := partial.Open[address]; err != nil {
			known.open[address] = err
		}
		if why, ok := partial.Refused[address]; ok {
			known.refused[address] = why
		}
	}
	return nil
}

// resolve selects the matches of a record's participants, and states which of its addresses are open.
func (known answers) resolve(all []person) Resolution {
	var r Resolution
	asked := func(address string) {
		if err := known.open[address]; err != nil && r.Open == nil {
			r.Open = fmt.Errorf("the directory has no answer about an address of the item: %w", err)
		}
		if why, ok := known.refused[address]; ok {
			note := "the directory does not look one of its addresses up: " + why
			if !slices.Contains(r.Notes, note) {
				r.Notes = append(r.Notes, note)
			}
		}
	}
	decided := make([]person, len(all))
	for i, p := range all {
		if p.csv != "" {
			if asked(p.csv); known.open[p.csv] != nil { // then it is open, too, whether the email property applies
				p.emails = nil
			}
		}
		if p.csv == "" || known.valid[p.csv] == "" {
			for _, address := range p.emails {
				asked(address)
			}
		}
		decided[i] = p
	}
	r.Matches = matchAll(decided, known.valid)
	return r
}

// matchAll selects each participant's mailboxes: the one from the CSV file, or else all from the email property.
func matchAll(all []person, valid map[string]string) []Match {
	var matches []Match
	taken := map[string]int{}
	take := func(id string, p person, by, address string) {
		key := record.LowerASCII(id) // record.Key ignores the case of an ID, and so does the directory
		i, ok := taken[key]
		if !ok {
			i = len(matches)
			taken[key] = i
			matches = append(matches, Match{Mailbox: id, By: by})
		}
		// A person may have two addresses of one mailbox.
		if m := &matches[i]; !slices.Contains(m.Participants, p.index) {
			m.Participants = append(m.Participants, p.index)
			m.Addresses = append(m.Addresses, address)
		}
	}
	for _, p := range all {
		if id := valid[p.csv]; p.csv != "" && id != "" {
			take(id, p, ByCSV, p.csv)
			continue
		}
		for _, address := range p.emails {
			if id := valid[address]; id != "" {
				take(id, p, ByEmail, address)
			}
		}
	}
	return matches
}
