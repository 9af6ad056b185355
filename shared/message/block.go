package message

import (
	"fmt"
	"strings"

	"o2archiver/shared/record"
)

// Limits for a value in the block, in characters; the original item has all of it. Once the block is longer than
// maxBlock, as thousands of people with long names would make it, each further value gets only maxBrief, so that a
// mailbox still accepts the message.
const (
	maxShown = 500
	maxBrief = 40
	maxBlock = 4 << 20 // bytes
)

// maxFirst is how many recipients are named at the beginning of the block. The others are named at its end, so that a
// reader of a message to a large group sees its time and direction without scrolling.
const maxFirst = 20

// block is the text about the item, with one value on each line: first what a reader needs, then an empty line and
// everything else, then the spellings of the numbers.
type block struct {
	b     []byte
	start int  // offset of its beginning in b
	cut   bool // a value or address is not shown in full
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

// field appends a line with a value as given. A line with an empty value is left out. words, if not empty, are the
// archiver's explanation of the value.
func (p *block) field(name, value, words string) {
	if value == "" {
		return
	}
	b, end := appendIsolated(append(append(p.b, name...), ": "...), value)
	p.b = append(p.shown(b, value, maxShown), end...)
	if words != "" {
		p.b = append(append(append(p.b, " ("...), words...), ')')
	}
	p.line()
}

// shown is appendShown, and notes whether the value was cut.
func (p *block) shown(b []byte, s string, limit int) []byte {
	p.cut = p.cut || isCut(s, limit)
	return appendShown(b, s, limit)
}

// quoted is appendQuote, and notes whether the value was cut.
func (p *block) quoted(b []byte, s string, limit int) []byte {
	p.cut = p.cut || isCut(s, limit)
	return appendQuote(b, s, limit)
}

// begin begins a line with several values. put appends a value of the archiver to it, quote one of the source, and
// labelled one of the source with the archiver's words before it.
func (p *block) begin(name string) { p.b = append(append(p.b, name...), ':') }

func (p *block) put(s string) { p.b = append(p.next(), s...) }

func (p *block) quote(s string, limit int) { p.b = p.quoted(p.next(), s, limit) }

func (p *block) labelled(label, s string, limit int) {
	p.put(label)
	p.b = p.quoted(append(p.b, ' '), s, limit)
}

// next returns the block with the separator before the next value of a line.
func (p *block) next() []byte {
	if p.b[len(p.b)-1] != ':' {
		p.b = append(p.b, ',')
	}
	return append(p.b, ' ')
}

// needed appends what a reader needs first: who, when, in which direction, with which result, and what is missing.
func (p *block) needed(c *participants, r *record.Record) {
	p.person("From", &c.from)
	for i := range c.to[:min(len(c.to), maxFirst)] {
		p.person("To", &c.to[i])
	}
	p.recipients(c)
	p.addTime("Time", r.Time)
	p.field("Direction", r.Direction, directionWords(r))
	call := callOf(r)
	if call.Status == "" || call.Status != r.Status {
		p.field("Status", r.Status, statusWords(r.Status))
	}
	p.field("Call status", call.Status, statusWords(call.Status))
	p.field("Subject", r.Subject, "")
	wrong, others := leftOut(r)
	p.field("Left out because of a wrong JSON type", strings.Join(wrong, ", "), "")
	p.field("Left out", strings.Join(others, ", "), "")
}

// rest appends everything else that is known.
func (p *block) rest(c *participants, r *record.Record, files []file) {
	p.field("Type", string(r.Kind), "")
	p.field("Network", r.Network, "")
	p.owner(c, r)
	if r.GroupMessage {
		p.line("Group message: yes")
	}
	p.field("Group", r.GroupName, "")
	p.field("Group id", r.GroupID, "")
	p.asGiven("Time", r.Time, r.TimeText)
	p.addTime("Reached the archive", r.Archived)
	p.asGiven("Reached the archive", r.Archived, r.ArchivedText)
	p.call(r)
	if r.ContentType != "" && !strings.EqualFold(r.ContentType, "text/plain") {
		p.field("Text's content type (shown as it stands)", r.ContentType, "")
	}
	p.files(c, files)
	p.origin(r)
	p.field("Conversation", c.conversation, "")
	p.line("Added by: ", archiver)
	if len(c.to) > maxFirst {
		p.line()
	}
	for i := maxFirst; i < len(c.to); i++ {
		p.person("To", &c.to[i])
	}
	p.numbers(c)
}

// directionWords explains a direction; it returns "" for one that is not known.
func directionWords(r *record.Record) string {
	in, out := "received on the archived phone", "sent from the archived phone"
	if isCall(r) {
		in, out = "call to the archived phone", "call from the archived phone"
	}
	switch record.LowerASCII(r.Direction) {
	case "in":
		return in
	case "out":
		return out
	}
	return ""
}

// statusWords returns a status such as NO_ANSWER as words, and "" for one that consists of words or that holds
// anything but letters and separators.
func statusWords(status string) string {
	separated := false
	for _, c := range []byte(status) {
		switch {
		case c == '_' || c == '-':
			separated = true
		case c != ' ' && (c|0x20 < 'a' || c|0x20 > 'z'):
			return ""
		}
	}
	if !separated || len(status) > maxBrief {
		return ""
	}
	return plainStatus(status)
}

// files appends a line about each attachment.
func (p *block) files(c *participants, files []file) {
	for i := range files {
		f := &files[i]
		p.b = fmt.Appendf(p.b, "Attachment %d:", i+1)
		p.quote(f.name, maxShown)
		p.put(f.media)
		p.b = f.appendSize(p.next())
		p.put("SHA-256 ")
		switch {
		case f.SHA256 == "":
			p.b = append(p.b, "unknown"...)
		case isHash(f.SHA256):
			p.b = append(p.b, f.SHA256...)
		default:
			p.b = p.quoted(p.b, f.SHA256, 64)
		}
		if f.Gone != "" && f.SHA256 != "" {
			p.b = append(p.b, " claimed by the source"...)
		}
		if f.Name != f.name && f.Name != "" {
			p.labelled("named", f.Name, maxShown)
		}
		if f.Type != f.media && f.Type != "" {
			p.labelled("type given as", f.Type, 200)
		}
		if f.Digest != "" {
			p.labelled("digest given as", f.Digest, 200)
			p.b = append(p.b, " (could not be checked)"...)
		}
		if f.absent != "" {
			p.put("not attached: ")
			p.b = p.shown(p.b, f.absent, maxShown)
		}
		p.line()
	}
	if n := c.filesBeyond; n > 0 {
		p.line("Attachments: ", formatThousands(int64(len(files)+n)),
			", of which the first ", formatThousands(int64(len(files))), " are named here and attached.")
	}
}

// appendSize appends the file's size. For a file that could not be fetched it is what the source claims.
func (f *file) appendSize(b []byte) []byte {
	b = append(append(b, formatThousands(f.Size)...), " bytes"...)
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
		p.field("Source id (made of the item's bytes, for it had none)", r.ID, "")
	} else {
		p.field("Source id", r.ID, "")
	}
	p.field("SHA-256 of the original item", r.SHA256, "")
	for _, piece := range r.Pieces {
		p.b = fmt.Appendf(p.b, "Part %d of %d:", piece.Number, r.Total)
		switch {
		case piece.Lost:
			p.put("missing")
		case piece.Apart:
			p.put("in another message: all parts together are too large for one")
		default:
			p.quote(piece.ID, maxShown)
			p.put("SHA-256 ")
			p.b = p.shown(p.b, piece.SHA256, 64)
		}
		p.line()
	}
}
