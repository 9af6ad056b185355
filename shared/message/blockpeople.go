package message

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"o2archiver/shared/record"
)

// recipients appends how many recipients there are, if the lines before or the header do not name all of them.
func (p *block) recipients(c *participants) {
	if len(c.to) <= maxFirst {
		return
	}
	p.b = append(append(p.b, "Recipients: "...), formatThousands(int64(len(c.to)))...)
	p.b = append(p.b, "; the first "+strconv.Itoa(maxFirst)+" are named above, the others at the end."...)
	if n := c.different(); n > maxRecipient {
		p.b = append(append(p.b, " The header names the first "+strconv.Itoa(maxRecipient)+" of "...),
			formatThousands(int64(n))...)
		p.b = append(p.b, " different ones."...)
	}
	p.line()
}

// owner appends whose phone archived the item. The number comes first, because people search for it after these
// words.
func (p *block) owner(c *participants, r *record.Record) {
	const role = "Owner of the archived phone"
	if r.Owner == "" {
		p.line(role, ": not given")
		return
	}
	p.begin(role)
	p.value(&c.owner)
	p.put(c.ownerIs)
	p.line()
}

// maxEmails is how many addresses of a participant are shown.
const maxEmails = 20

// person appends a participant, as given and as interpreted.
func (p *block) person(role string, who *person) {
	p.begin(role)
	if who.full != "" {
		p.quote(who.full, p.limit())
	}
	switch {
	case who.given.Value != "":
		p.value(who)
	case who.full == "" && len(who.given.Emails) == 0:
		p.put("not given")
	default:
		p.put("no number given")
	}
	most := maxEmails
	if p.limit() < maxShown {
		most = 1
	}
	for i, email := range who.given.Emails {
		if i == most {
			p.put("and ")
			p.b = append(append(p.b, formatThousands(int64(len(who.given.Emails)-i))...), " more addresses"...)
			p.cut = true
			break
		}
		switch address := record.EmailAddress(email); {
		case !validEmail(address):
			p.quote(email, p.limit())
		case address == email:
			p.put(email)
		default:
			p.put(address)
			p.labelled("given as", email, p.limit())
		}
	}
	p.line()
}

// value appends a participant's number, or what the source has in place of one. A number that is given in one of the
// spellings at the end of the block is not repeated here as given.
func (p *block) value(who *person) {
	given := who.given.Value
	if who.e164 == "" {
		p.quote(given, p.limit())
		p.b = append(p.b, " (no telephone number)"...)
		return
	}
	p.put(who.e164)
	switch {
	case slices.Contains(who.spellings(), given):
	case strings.ContainsFunc(given, isLookalike):
		p.labelled("given as", given, p.limit())
	default:
		p.put("given as ")
		p.b = p.shown(p.b, given, maxShown) // only separators and digits differ
	}
}

// isLookalike reports whether c is more than a digit or separator of a number, and could make the value look like
// another value on the line.
func isLookalike(c rune) bool {
	return c <= '~' && !strings.ContainsRune("0123456789+-(). \t", c) ||
		unicode.IsLetter(c) || unicode.IsDigit(c) && c > '9'
}

// numbers appends the line with all forms in which people search for a number. It is the last one of the block.
func (p *block) numbers(c *participants) {
	seen := make(map[string]bool, len(c.to)+2)
	add := func(who *person) {
		if who.e164 == "" || seen[who.e164] {
			return
		}
		if len(seen) == 0 {
			p.line()
			p.b = append(p.b, "Numbers, for search: "...)
		} else {
			p.b = append(p.b, "; "...)
		}
		seen[who.e164] = true
		for i, spelling := range who.spellings() {
			if i > 0 {
				p.b = append(p.b, ", "...)
			}
			p.b = append(p.b, spelling...)
		}
	}
	add(&c.from)
	for i := range c.to {
		add(&c.to[i])
	}
	add(&c.owner)
	if len(seen) > 0 {
		p.line()
	}
}
