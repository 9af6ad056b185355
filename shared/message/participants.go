package message

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"o2archiver/shared/phone" // to treat a short code in an envelope as that short code
	"o2archiver/shared/record"
)

// person is a participant with everything that was derived from the record about it.
type person struct {
	given   record.Participant
	value   string // given.Value without an envelope; the owner's number if it was insert-address-token
	full    string // given.Name()
	number         // its e164 is "" if the value is not a telephone number
	name    string // full on one line; "" if unknown
	address Address
}

// label returns the person's name or number for the subject.
func (p *person) label() string {
	switch {
	case p.name != "":
		return oneLine(p.name, 60)
	case p.e164 != "":
		return p.e164[1:]
	}
	return oneLine(p.address.Name, 60)
}

// mail returns the person's address as it is written in a header.
func (p *person) mail() string { return p.address.mail() }

// participants are all the people of a record, and what the message says about it as a whole.
type participants struct {
	from         person
	to           []person
	owner        person   // without an address: no header field of the owner needs one
	ownerIs      string   // the owner's part in the item, in words
	conversation string   // ID of the set of participants, see conversationID
	keys         []string // one for each participant, sorted, without repetition

	missing     string // words for the subject about what the message lacks, see missingWords
	filesBeyond int    // number of attachments beyond maxFiles
	cut         bool   // the block does not show a value in full
}

// participantsOf returns the participants of a record.
func participantsOf(r *record.Record, o Options) *participants {
	c := &participants{from: personOf(r.From, r.Sender().Value, o, 0)}
	c.to = make([]person, 0, len(r.To))
	for i, given := range r.To {
		if p := personOf(given, given.Value, o, i+1); given.Value != "" || p.full != "" || len(given.Emails) > 0 {
			c.to = append(c.to, p)
		}
	}
	c.owner = person{
		given:  record.Participant{Value: r.Owner},
		value:  bareValue(r.Owner),
		number: o.Numbers.read(r.Owner, o.Region),
	}
	isOwner := func(p person) bool {
		return r.Owner != "" && (p.value == c.owner.value || p.e164 != "" && p.e164 == c.owner.e164)
	}
	switch {
	case isOwner(c.from):
		c.ownerIs = "the sender"
	case slices.ContainsFunc(c.to, isOwner):
		c.ownerIs = "a recipient"
	case r.Source == record.GenericEML:
		c.ownerIs = "which participant that is, is not stated" // they have no numbers
	default:
		c.ownerIs = "neither the sender nor a recipient"
	}
	c.keys = c.participants(r.ID)
	c.conversation = conversationID(c.keys)
	return c
}

// personOf returns the participant with this value. index is its index in Options.Addresses.
func personOf(given record.Participant, value string, o Options, index int) person {
	p := person{given: given, value: bareValue(value), full: given.Name(), number: o.Numbers.read(value, o.Region)}
	p.name = oneLine(p.full, 100)
	value = p.e164
	if value == "" {
		value = oneLine(p.value, 40)
	}
	p.address = Address{Name: p.name, Address: p.addressOf(o.Addresses[index])}
	switch {
	case p.name != "" && value != "":
		p.address.Name = p.name + " (" + value + ")"
	case p.name == "":
		p.address.Name = value
	}
	if p.address.Name == "" {
		p.address.Name = "Unknown"
		if len(given.Emails) > 0 {
			p.address.Name = oneLine(given.Emails[0], 100)
		}
	}
	return p
}

// recipients returns the value of the To field, "" if there are none. Recipients beyond maxRecipient are only in the
// text.
func (c *participants) recipients() string {
	if len(c.to) == 1 {
		return c.to[0].mail()
	}
	var b strings.Builder
	seen := make(map[Address]bool, len(c.to))
	for i := range c.to {
		a := c.to[i].address
		if seen[a] {
			continue
		}
		if len(seen) == maxRecipient {
			break
		}
		if len(seen) > 0 {
			b.WriteString(", ")
		}
		seen[a] = true
		b.WriteString(a.mail())
	}
	return b.String()
}

// different returns the number of distinct recipients, as the header names them.
func (c *participants) different() int {
	seen := make(map[Address]bool, len(c.to))
	for i := range c.to {
		seen[c.to[i].address] = true
	}
	return len(seen)
}

// participants returns one key for each participant, the owner included, sorted and without repetition. A participant
// whose number was withheld, or who is not named at all, cannot be identified: two such messages are not assumed to
// be from the same person, so the key is the message's own and the message is a conversation by itself.
func (c *participants) participants(id string) []string {
	keys := make([]string, 0, 2+len(c.to))
	put := func(p *person) {
		value := strings.TrimSpace(p.value)
		switch {
		case p.e164 != "":
			keys = append(keys, p.e164)
		case isWithheld(value), p == &c.from && value == "" && p.full == "" && len(p.given.Emails) == 0:
			keys = append(keys, "message|"+id)
		case value != "":
			keys = append(keys, "value|"+value)
		case len(p.given.Emails) > 0:
			keys = append(keys, "email|"+emailKey(p.given.Emails[0]))
		case p.given.Outside != "":
			keys = append(keys, "email|"+emailKey(p.given.Outside))
		case p.full != "":
			keys = append(keys, "name|"+p.full)
		}
	}
	put(&c.from)
	for i := range c.to {
		put(&c.to[i])
	}
	put(&c.owner)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// bareValue returns a value without the envelope of a network or device, trimmed.
func bareValue(value string) string { return strings.TrimSpace(phone.Bare(value)) }

// emailKey returns an e-mail address in the form in which addresses are compared.
func emailKey(entry string) string {
	return record.LowerASCII(cmp.Or(record.EmailAddress(entry), entry))
}

// conversationID returns the ID of a set of participants: 40 hex digits. The source's own group IDs cannot be used,
// because some are new for every message.
func conversationID(keys []string) string {
	b := make([]byte, 0, 128)
	b = append(b, "v1|conversation"...)
	for _, k := range keys {
		b = append(b, '|')
		b = strconv.AppendInt(b, int64(len(k)), 10) // the length makes the encoding unambiguous
		b = append(b, ':')
		b = append(b, k...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:20])
}
