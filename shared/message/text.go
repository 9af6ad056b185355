package message

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	// The zone of the times that people read must be known wherever the program runs.
	_ "time/tzdata"

	"o2archiver/shared/record"
)

// ruler parts the text from the block about the item. Every value below it is on one line, and none at a line's
// beginning: the last ruler of a text is ours, whatever the text above pretends.
const ruler = "----------------------------------------"

const signature = "Added by O2 Network Archiver, message format " + format + "."

// appendText appends the whole text of the message: the record's text as it is, what is missing, and a block with all
// that is known of the item, which begins with the ruler at at. Lines end in CRLF but for those of the record's own text.
func appendText(b []byte, r *record.Record, c *cast, files []file) (_ []byte, at int) {
	start := len(b)
	b = append(b, r.Text...)
	if r.Text != "" {
		b = append(b, "\r\n\r\n"...)
	}
	if isCall(r) {
		b = appendCall(b, r)
	} else if r.Text == "" {
		b = append(b, "(no text)\r\n\r\n"...)
	}
	b = appendAbsent(b, files)

	at = len(b) - start
	p := &block{append(b, ruler+"\r\n"...)}
	if r.Text == "" {
		p.line(signature, " The item has no text of its own.")
	} else {
		p.line(signature, " The item's own text is the first ", thousands(int64(len(r.Text))), " bytes of this message.")
	}
	p.about(r)
	p.people(c, r)
	p.call(r)
	p.files(files)
	p.origin(r)
	return p.b, at
}

// appendAbsent says in the text what a reader would look for and not find.
func appendAbsent(b []byte, files []file) []byte {
	n := len(b)
	for i := range files {
		if f := &files[i]; f.absent != "" {
			b = append(append(b, "[Not attached: "...), f.name...)
			b = appendShown(append(b, ", "...), f.absent, 200)
			b = append(b, "]\r\n"...)
		}
	}
	if len(b) > n {
		b = append(b, "\r\n"...)
	}
	return b
}

// london is where the network is, and whose clock its customers read.
var london = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		panic("message: the zone in the program itself is missing: " + err.Error())
	}
	return zone
})

// maxShown is how much of a value is shown: the original item has all of it.
const maxShown = 500

// block is the text about the item, one value to a line.
type block struct{ b []byte }

func (p *block) line(parts ...string) {
	for _, s := range parts {
		p.b = append(p.b, s...)
	}
	p.b = append(p.b, "\r\n"...)
}

// field shows a value as given; an empty one leaves the line out.
func (p *block) field(name, value string) {
	if value == "" {
		return
	}
	p.b = append(append(p.b, name...), ": "...)
	p.b = appendShown(p.b, value, maxShown)
	p.b = append(p.b, "\r\n"...)
}

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

// moment shows a time in UTC, on the clock in London, and as the source gave it.
func (p *block) moment(name string, t time.Time, given string) {
	if t.IsZero() {
		if given != "" {
			p.field(name+", as given", given)
		}
		return
	}
	p.b = append(append(p.b, name...), ": "...)
	p.b = appendClock(p.b, t.UTC())
	p.b = append(p.b, ", in London "...)
	p.b = appendClock(p.b, t.In(london()))
	if given != "" {
		p.b = appendShown(append(p.b, ", as given "...), given, 100)
	}
	p.b = append(p.b, "\r\n"...)
}

// appendClock appends what a clock in t's zone shows: 2026-11-22 09:30:00.5 GMT. Format takes
// several times as long for a layout of one's own as for RFC 3339.
func appendClock(b []byte, t time.Time) []byte {
	at := len(b)
	b = t.AppendFormat(b, time.RFC3339Nano)
	date := bytes.IndexByte(b[at:], 'T')
	zone := bytes.IndexAny(b[at+date:], "Z+-") // behind the time of day
	b[at+date] = ' '
	name, _ := t.Zone()
	return append(append(b[:at+date+zone], ' '), name...)
}

func (p *block) people(c *cast, r *record.Record) {
	p.person("From", &c.from)
	for i := range c.to {
		p.person("To", &c.to[i])
	}
	if r.Owner != "" {
		p.person("Owner of the archived phone", &c.owner)
		if c.ownerApart {
			p.line("The owner is neither the sender nor one of the recipients named above.")
		}
	}
	if n := len(c.to); n > maxRecipient {
		p.line("Recipients: ", thousands(int64(n)), ", of whom the header names the first ", strconv.Itoa(maxRecipient), ".")
	}
	if r.GroupMessage {
		p.line("Group message: yes")
	}
	p.field("Group", r.GroupName)
	p.field("Group id", r.GroupID)
	p.field("Conversation", c.conversation)
}

// person shows a participant as given and as read.
func (p *block) person(role string, who *person) {
	p.b = append(append(p.b, role...), ':')
	comma := ""
	put := func(s string) {
		p.b = append(append(p.b, comma...), ' ')
		p.b = appendShown(p.b, s, maxShown)
		comma = ","
	}
	if who.full != "" {
		put(who.full)
	}
	switch value := who.given.Value; {
	case who.e164 != "":
		put(who.e164)
		p.spellings(who)
		if value != who.e164 {
			put("given as " + value)
		}
	case value != "":
		put(value)
		p.b = append(p.b, " (no telephone number)"...)
	case who.full == "" && len(who.given.Emails) == 0:
		put("not given")
	default:
		put("no number given")
	}
	for i, email := range who.given.Emails {
		if i == 20 {
			put("and " + thousands(int64(len(who.given.Emails)-i)) + " more addresses")
			break
		}
		put(email)
	}
	p.b = append(p.b, "\r\n"...)
}

// spellings are the other ways in which people search for a number: 07700 900123, 07700900123 and 447700900123.
func (p *block) spellings(who *person) {
	before := " ("
	if who.national != who.e164 {
		p.b = append(append(p.b, before...), who.national...)
		before = ", "
		if strings.ContainsAny(who.national, " ()-./") {
			p.b = append(p.b, before...)
			for i := range len(who.national) {
				if c := who.national[i]; c >= '0' && c <= '9' {
					p.b = append(p.b, c)
				}
			}
		}
	}
	p.b = append(append(append(p.b, before...), who.e164[1:]...), ')')
}

func (p *block) files(files []file) {
	for i := range files {
		f := &files[i]
		p.b = fmt.Appendf(p.b, "Attachment %d: %s, %s, %s bytes, SHA-256 ", i+1, f.name, f.media, thousands(f.Size))
		if f.SHA256 == "" {
			p.b = append(p.b, "unknown"...)
		}
		p.b = appendShown(p.b, f.SHA256, 64)
		if f.absent != "" {
			p.b = appendShown(append(p.b, ", not attached: "...), f.absent, maxShown)
		}
		if f.Name != f.name && f.Name != "" {
			p.b = appendShown(append(p.b, ", named "...), f.Name, maxShown)
		}
		if f.Type != f.media && f.Type != "" {
			p.b = appendShown(append(p.b, ", type given as "...), f.Type, 200)
		}
		p.b = append(p.b, "\r\n"...)
	}
}

// origin says which of the source's items the message was made of.
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
		p.b = appendShown(p.b, piece.ID, maxShown)
		p.b = appendShown(append(p.b, ", SHA-256 "...), piece.SHA256, 64)
		p.b = append(p.b, "\r\n"...)
	}
	p.field("Left out because of a wrong JSON type", strings.Join(r.LeftOut, ", "))
}
