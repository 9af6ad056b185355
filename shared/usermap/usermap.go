// Package usermap finds the mailboxes that an item belongs to: for each participant first by the
// administrator's CSV file, and where that gives no valid user by the email
// property of the item. Whether an address belongs to a valid user is asked of the tenant.
package usermap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"o2archiver/shared/phone" // numbers are compared in their one form, which only that package knows
	"o2archiver/shared/record"
)

// Directory knows the tenant's users. It is all that usermap needs of Microsoft Graph, so that tests and
// a dry run can stand in for it.
type Directory interface {
	// Mailboxes answers for the addresses, all in lower case and each once, which of them belong to a user with an
	// Exchange Online mailbox: address → directory object id. An address that is absent belongs to no valid user.
	// With a *Partial error the answers about the other addresses are known; any other error means that none is, and
	// then nothing is mapped.
	Mailboxes(ctx context.Context, addresses []string) (map[string]string, error)
}

// Options are the administrator's choices.
type Options struct {
	Automatic       bool     // by the email property
	Custom          bool     // by the CSV file, first
	AcceptedDomains []string // limits Automatic; empty: every address that the tenant has
	Region          string   // two-letter country of numbers in national form

	// E164 reads a number as phone.E164 does; nil: that. A caller that remembers what it has read saves much of the
	// time: an organization's own numbers are in all of its batches.
	E164 func(raw, region string) (string, bool)
}

// How a mailbox was found.
const (
	ByCSV   = "csv"
	ByEmail = "email"
)

// Match is one mailbox that gets a copy of a record.
type Match struct {
	Mailbox      string // directory object id of its user
	Participants []int  // whose it is: 0 the sender, n the n-th of To, Owner
	By           string // ByCSV or ByEmail, for the first of them

	// Addresses are what the Participants were found by, in lower case, in their order: addresses of the mailbox.
	Addresses []string
}

// Owner stands in Match.Participants for the record's owner, where he is not among the participants.
const Owner = -1

// Mapper resolves the participants of records. It holds no state between calls; any number of goroutines may use it.
type Mapper struct {
	options   Options
	domains   map[string]bool
	table     *Table
	directory Directory
}

// New makes a Mapper. t may be nil: there is no CSV file.
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

// person is a participant of one record with what is known of him before the tenant is asked.
type person struct {
	index  int
	csv    string   // the CSV file's address for his number at the message's time; "": none
	emails []string // the addresses of the item, each in its plain form
}

// Resolution is what was found for one record.
type Resolution struct {
	Matches []Match // each mailbox once, in the order of the participants; none: no participant has a valid one

	// Open is why the record may have more matches: the directory has no answer about an address of it.
	Open error

	// Notes are what was left out for good, in plain words without content.
	Notes []string
}

// Resolve finds the mailboxes for each record, in the order of the participants: each mailbox once, with the
// participants whose it is. A record without a match has none that is valid. The directory is asked at most twice,
// for all records together: first about the addresses of the CSV file, then, for participants who have no mailbox by
// it, about those of the email property. A record that is nil gets no match.
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
	byEmail := map[string]bool{}
	for _, all := range people {
		for _, p := range all {
			if p.csv != "" && (known.valid[p.csv] != "" || known.open[p.csv] != nil) {
				continue
			}
			for _, address := range p.emails {
				if !byCSV[address] { // otherwise the answer is here already
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
			found[i].Notes = append(found[i].Notes, fmt.Sprintf("%d of its addresses were not looked up, for it has more than are", n))
		}
	}
	return found, nil
}

// people gives the participants of a record, the owner last if his number is not among theirs.
// numbers remembers what raw numbers are in the form of E.164, or "" if they are none.
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

// emails gives the addresses of a participant that automatic mapping may use.
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

// answers are the directory's, by address.
type answers struct {
	valid   map[string]string // object id
	open    map[string]error  // there is none yet
	refused map[string]string // reason
}

// ask adds the directory's answers about the addresses to known, and nothing that was not asked.
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

// resolve picks the matches of a record's participants and says what is open.
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
			if asked(p.csv); known.open[p.csv] != nil { // whether the email property counts is open, too
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

// matchAll picks each participant's mailboxes: the CSV file's, or else all of the email property's.
func matchAll(all []person, valid map[string]string) []Match {
	var matches []Match
	taken := map[string]int{}
	take := func(id string, p person, by, address string) {
		key := record.LowerASCII(id) // record.Key takes an id without its case, and so does the directory
		i, ok := taken[key]
		if !ok {
			i = len(matches)
			taken[key] = i
			matches = append(matches, Match{Mailbox: id, By: by})
		}
		if m := &matches[i]; !slices.Contains(m.Participants, p.index) { // he may have two addresses for one mailbox
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
