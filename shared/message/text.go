package message

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"o2archiver/shared/record"
)

// ruler separates the text from the block about the item. Below it every value stays on one line, and none starts at
// the beginning of a line. So the last ruler of a text is always the archiver's, whatever the text above contains.
const ruler = "----------------------------------------"

const signature = "Added by O2 Network Archiver, message format " + format + "."

// lengths are the offsets in the text at which its sections end: the record's own text (own), what the archiver says
// about it (said), and after said the files as the item shows them. The rest is the block. In its first line, the
// part that also applies to the HTML begins at noted.
type lengths struct{ own, said, noted int }

// appendText appends the complete text of the message: the record's text unchanged, what is missing, the files as the
// item shows them, and after the ruler a block with everything that is known about the item. Lines end in CRLF,
// except in the source's own texts.
func appendText(b []byte, r *record.Record, c *participants, files []file) (_ []byte, ends lengths) {
	start := len(b)
	b = append(b, r.Text...)
	ends.own = len(r.Text)
	if r.Text != "" {
		b = append(b, "\r\n\r\n"...)
	}
	if isCall(r) {
		b = appendCall(b, r)
	} else if r.Text == "" && !slices.ContainsFunc(files, func(f file) bool { return f.text != "" }) {
		b = append(b, "(no text)\r\n\r\n"...)
	}
	b = appendAbsent(b, files)
	ends.said = len(b) - start
	b = appendFiles(b, files)

	p := &block{b: append(b, ruler+"\r\n"...), start: len(b)}
	p.signature(r)
	ends.noted = len(p.b) - start
	p.notes(r, files)
	p.about(r)
	p.people(c, r)
	p.call(r)
	p.files(c, files)
	p.origin(r)
	return p.b, ends
}

// signature appends the line about the program that added the block, and how many bytes above it are the item's own.
func (p *block) signature(r *record.Record) {
	p.b = append(p.b, signature...)
	if r.Text == "" {
		p.b = append(p.b, " The item has no text of its own."...)
		return
	}
	p.b = append(p.b, " The item's own text is the first "...)
	p.b = append(append(p.b, formatThousands(int64(len(r.Text)))...),
		" bytes of the text in this message's RFC 5322 form."...)
}

// notes ends the signature line with remarks about the item's texts: which characters may not be the sender's, and
// how many parts are missing. Marks need a remark here, because some are made only where a mailbox or HTML cannot
// store a character, and nothing else in the message would explain them.
func (p *block) notes(r *record.Record, files []file) {
	if hasMarks(r.Text) || slices.ContainsFunc(files, func(f file) bool { return hasMarks(f.text) }) {
		p.b = append(p.b,
			" Marks in ⟦ ⟧ stand for what could not be kept or is missing, unless the sender wrote them."...)
	}
	lost := 0
	for _, piece := range r.Pieces {
		if piece.Lost {
			lost++
		}
	}
	if lost > 0 {
		p.b = fmt.Appendf(p.b, " Of its %d parts, %d did not come.", r.Total, lost)
	}
	p.line()
}

// appendAbsent appends a line for each attachment that is not attached, with the reason.
func appendAbsent(b []byte, files []file) []byte {
	n := len(b)
	for i := range files {
		if f := &files[i]; f.absent != "" {
			b = appendQuote(append(b, "[Not attached: "...), f.name, maxShown)
			b = f.appendIdentity(append(b, ", "...))
			b = appendShown(append(b, ": "...), f.absent, 200)
			b = append(b, "]\r\n"...)
		}
	}
	if len(b) > n {
		b = append(b, "\r\n"...)
	}
	return b
}

// appendFiles appends the files in the order in which the item shows them: text files as text, the others by name.
func appendFiles(b []byte, files []file) []byte {
	for i := range files {
		switch f := &files[i]; {
		case !f.shown:
		case f.text != "":
			b = append(append(b, f.text...), "\r\n\r\n"...)
		default:
			var end string
			b, end = appendIsolated(append(b, '['), f.name)
			b = append(append(append(b, f.name...), end...), "]\r\n\r\n"...)
		}
	}
	return b
}

// Limits for a value in the block, in characters; the original item has all of it. Once the block is longer than
// maxBlock, as thousands of people with long names would make it, each further value gets only maxBrief, so that a
// mailbox still accepts the message.
const (
	maxShown = 500
	maxBrief = 40
	maxBlock = 4 << 20 // bytes
)

// block is the text about the item, with one value on each line.
type block struct {
	b     []byte
	start int // offset of its beginning in b
}

// limit returns the maximum length in characters of the next value.
func (p *block) limit() int {
	if len(p.b)-p.start > maxBlock {
		return maxBrief
	}
	return maxShown
}

// line appends texts and ends the line.
func (p *block) line(parts ...string) {
	for _, s := range parts {
		p.b = append(p.b, s...)
	}
	p.b = append(p.b, "\r\n"...)
}

// field appends a line with a value as given. A line with an empty value is left out.
func (p *block) field(name, value string) {
	if value == "" {
		return
	}
	b, end := appendIsolated(append(append(p.b, name...), ": "...), value)
	b = appendShown(b, value, maxShown)
	p.b = append(append(b, end...), "\r\n"...)
}

// about appends the values that describe the item as a whole.
func (p *block) about(r *record.Record) {
	p.field("Type", string(r.Kind))
	p.field("Network", r.Network)
	p.field("Direction", r.Direction)
	p.field("Status", r.Status)
	p.moment("Time", r.Time, r.TimeText)
	p.moment("Reached the archive", r.Archived, r.ArchivedText)
	p.field("Subject", r.Subject)
	if r.ContentType != "" && !strings.EqualFold(r.ContentType, "text/plain") {
		p.field("Text's content type (shown as it stands)", r.ContentType)
	}
}

// people appends the participants, the owner and the conversation.
func (p *block) people(c *participants, r *record.Record) {
	p.person("From", &c.from)
	for i := range c.to {
		p.person("To", &c.to[i])
	}
	p.owner(c, r)
	if len(c.to) > maxRecipient { // otherwise the header names all of them
		if n := c.different(); n > maxRecipient {
			p.line("Recipients: ", formatThousands(int64(n)),
				", of whom the header names the first ", strconv.Itoa(maxRecipient), ".")
		}
	}
	if r.GroupMessage {
		p.line("Group message: yes")
	}
	p.field("Group", r.GroupName)
	p.field("Group id", r.GroupID)
	p.field("Conversation", c.conversation)
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
	if c.owner.full != "" {
		p.quote(c.owner.full)
	}
	p.line()
	if c.ownerApart {
		p.line("The owner is neither the sender nor one of the recipients named above.")
	}
}

// person appends a participant, as given and as interpreted.
func (p *block) person(role string, who *person) {
	p.begin(role)
	if who.full != "" {
		p.quote(who.full)
	}
	switch {
	case who.given.Value != "":
		p.value(who)
	case who.full == "" && len(who.given.Emails) == 0:
		p.put("not given")
	default:
		p.put("no number given")
	}
	most := 20
	if p.limit() < maxShown {
		most = 1
	}
	for i, email := range who.given.Emails {
		if i == most {
			p.put("and ")
			p.b = append(append(p.b, formatThousands(int64(len(who.given.Emails)-i))...), " more addresses"...)
			break
		}
		switch address := record.EmailAddress(email); {
		case !validEmail(address):
			p.quote(email)
		case address == email:
			p.put(email)
		default:
			p.put(address)
			p.put("given as")
			p.b = appendQuote(append(p.b, ' '), email, p.limit())
		}
	}
	p.line()
}

// begin begins a line with several values. put appends a value of the archiver to it, quote one of the source.
func (p *block) begin(name string) { p.b = append(append(p.b, name...), ':') }

func (p *block) put(s string) { p.b = append(p.next(), s...) }

func (p *block) quote(s string) { p.b = appendQuote(p.next(), s, p.limit()) }

// next returns the block with the separator before the next value of a line.
func (p *block) next() []byte {
	if p.b[len(p.b)-1] != ':' {
		p.b = append(p.b, ',')
	}
	return append(p.b, ' ')
}

// value appends a participant's number, or what the source has in place of one.
func (p *block) value(who *person) {
	if who.e164 == "" {
		p.quote(who.given.Value)
		p.b = append(p.b, " (no telephone number)"...)
		return
	}
	p.put(who.e164)
	p.spellings(who)
	switch given := who.given.Value; {
	case given == who.e164:
	case strings.ContainsFunc(given, isLookalike):
		p.put("given as ")
		p.b = appendQuote(p.b, given, p.limit())
	default:
		p.put("given as ")
		p.b = appendShown(p.b, given, maxShown) // only separators and digits differ
	}
}

// isLookalike reports whether c is more than a digit or separator of a number, and could make the value look like
// another value on the line.
func isLookalike(c rune) bool {
	return c <= '~' && !strings.ContainsRune("0123456789+-(). \t", c) ||
		unicode.IsLetter(c) || unicode.IsDigit(c) && c > '9'
}

// spellings appends the other forms in which people search for a number: 07700 900123, 07700900123, +44 7700 900123
// and 447700900123.
func (p *block) spellings(who *person) {
	p.b = append(p.b, " ("...)
	if who.national != who.e164 {
		p.b = append(append(p.b, who.national...), ", "...)
		if strings.ContainsAny(who.national, " ()-./") {
			for i := range len(who.national) {
				if c := who.national[i]; c >= '0' && c <= '9' {
					p.b = append(p.b, c)
				}
			}
			p.b = append(p.b, ", "...)
		}
	}
	if who.international != who.e164 {
		p.b = append(append(p.b, who.international...), ", "...)
	}
	p.b = append(append(p.b, who.e164[1:]...), ')')
}

// files appends a line about each attachment.
func (p *block) files(c *participants, files []file) {
	for i := range files {
		f := &files[i]
		p.b = fmt.Appendf(p.b, "Attachment %d: ", i+1)
		p.b = appendQuote(p.b, f.name, maxShown)
		p.b = append(append(append(p.b, ", "...), f.media...), ", "...)
		p.b = f.appendIdentity(p.b)
		if f.Name != f.name && f.Name != "" {
			p.put("named")
			p.b = appendQuote(append(p.b, ' '), f.Name, maxShown)
		}
		if f.Type != f.media && f.Type != "" {
			p.put("type given as")
			p.b = appendQuote(append(p.b, ' '), f.Type, 200)
		}
		if f.Digest != "" {
			p.put("digest given as")
			p.b = append(appendQuote(append(p.b, ' '), f.Digest, 200), " (could not be checked)"...)
		}
		if f.absent != "" {
			p.put("not attached: ")
			p.b = appendShown(p.b, f.absent, maxShown)
		}
		p.line()
	}
	if n := c.filesBeyond; n > 0 {
		p.line("Attachments: ", formatThousands(int64(len(files)+n)),
			", of which the first ", formatThousands(int64(len(files))), " are named here and attached.")
	}
}

// appendIdentity appends the file's size and hash. For a file that could not be fetched they are those that the
// source claims.
func (f *file) appendIdentity(b []byte) []byte {
	b = append(append(b, formatThousands(f.Size)...), " bytes"...)
	if f.Gone != "" {
		b = append(b, " claimed by the source"...)
	}
	b = append(b, ", SHA-256 "...)
	switch {
	case f.SHA256 == "":
		return append(b, "unknown"...)
	case isHash(f.SHA256):
		b = append(b, f.SHA256...)
	default:
		b = appendQuote(b, f.SHA256, 64)
	}
	if f.Gone != "" {
		b = append(b, " claimed by the source"...)
	}
	return b
}

// leftOut returns the item's fields that the message lacks: those with a wrong JSON type, and the others, each with
// its reason.
func leftOut(r *record.Record) (wrong, others []string) {
	for _, name := range r.LeftOut {
		if strings.HasSuffix(name, ")") && !strings.Contains(name, " (in part ") {
			others = append(others, name)
		} else {
			wrong = append(wrong, name)
		}
	}
	return wrong, others
}

// origin appends which items of the source the message was made from.
func (p *block) origin(r *record.Record) {
	if r.Derived {
		p.field("Source id (made of the item's bytes, for it had none)", r.ID)
	} else {
		p.field("Source id", r.ID)
	}
	p.field("SHA-256 of the original item", r.SHA256)
	for _, piece := range r.Pieces {
		p.b = fmt.Appendf(p.b, "Part %d of %d: ", piece.Number, r.Total)
		if piece.Lost {
			p.line("missing")
			continue
		}
		if piece.Apart {
			p.line("in another message: all parts together are too large for one")
			continue
		}
		p.b = appendQuote(p.b, piece.ID, maxShown)
		p.b = appendShown(append(p.b, ", SHA-256 "...), piece.SHA256, 64)
		p.line()
	}
	wrong, others := leftOut(r)
	p.field("Left out because of a wrong JSON type", strings.Join(wrong, ", "))
	p.field("Left out", strings.Join(others, ", "))
}
