package message

import (
	"fmt"
	"slices"

	"o2archiver/shared/record"
)

// ruler separates the text from the block about the item. Below it every value stays on one line, and none starts at
// the beginning of a line. So the last ruler of a text is always the archiver's, whatever the text above contains.
const ruler = "----------------------------------------"

// lengths are offsets in the text. Its sections end at own (the record's own text) and said (what the archiver says
// about it); between said and the ruler are the files as the item shows them. The line below the ruler begins at
// signed. It has the byte count between counted and noted, which applies to the plain text only.
type lengths struct{ own, said, signed, counted, noted int }

// appendText appends the complete text of the message: the record's text unchanged, what is missing, the files as the
// item shows them, and after the ruler a block with everything that is known about the item. Lines end in CRLF,
// except in the source's own texts. It sets c.cut.
func appendText(b []byte, r *record.Record, c *participants, files []file) (_ []byte, ends lengths) {
	start := len(b)
	b = append(b, r.Text...)
	ends.own = len(r.Text)
	if r.Text != "" {
		b = append(b, "\r\n\r\n"...)
	}
	alone := len(b)
	if isCall(r) {
		b = appendCall(b, r)
	} else if r.Text == "" && !slices.ContainsFunc(files, func(f file) bool { return f.text != "" }) {
		b = append(b, "(no text)\r\n\r\n"...)
	}
	b = appendAbsent(b, r, files)
	ends.said = len(b) - start
	b = appendFiles(b, files)

	p := &block{b: append(b, ruler+"\r\n"...), start: len(b)}
	ends.signed = len(p.b) - start
	ends.counted, ends.noted = p.signature(r, len(b) == alone)
	ends.counted, ends.noted = ends.counted-start, ends.noted-start
	p.notes(r, files)
	p.needed(c, r)
	p.line()
	p.rest(c, r, files)
	c.cut = p.cut
	return p.b, ends
}

// signature begins the line that separates what was sent from what the archiver added. alone means that nothing but
// the item's own text is above the ruler. It returns where the count of bytes begins and ends.
func (p *block) signature(r *record.Record, alone bool) (counted, noted int) {
	count := func() {
		counted = len(p.b)
		p.b = append(append(append(p.b, " ("...), formatThousands(int64(len(r.Text)))...), " bytes)"...)
		noted = len(p.b)
	}
	switch {
	case r.Text == "":
		p.b = append(p.b,
			"The original item has no text of its own; what is above the line was made from its other data."...)
		counted, noted = len(p.b), len(p.b)
	case alone:
		p.b = append(p.b, "The text above the line"...)
		count()
		p.b = append(p.b, " is the original message."...)
	default:
		p.b = append(p.b, "The text above the line begins with the original message"...)
		count()
		p.b = append(p.b, "; notes and attachments follow it."...)
	}
	p.b = append(p.b, " Everything below was added by the archiver."...)
	return counted, noted
}

// notes ends the signature line with remarks about the item's texts: which characters may not be the sender's, and
// how many parts are missing. Marks need a remark here, because some are made only where a mailbox or HTML cannot
// store a character, and nothing else in the message would explain them.
func (p *block) notes(r *record.Record, files []file) {
	if hasMarks(r.Text) || slices.ContainsFunc(files, func(f file) bool { return hasMarks(f.text) }) {
		p.b = append(p.b,
			" Marks in ⟦ ⟧ stand for what could not be kept or is missing, unless the sender wrote them."...)
	}
	if lost, _ := missingPieces(r); lost > 0 {
		p.b = fmt.Appendf(p.b, " Of its %d parts, %d did not arrive.", r.Total, lost)
	}
	p.line()
}

// appendAbsent appends a line for each attachment that is not attached, with the reason, and one for a recording that
// the item does not have. The block has the rest that is known about them.
func appendAbsent(b []byte, r *record.Record, files []file) []byte {
	n := len(b)
	if lacksRecording(r) {
		b = append(b, "[Not attached: the recording, because the item has none]\r\n"...)
	}
	for i := range files {
		if f := &files[i]; f.absent != "" {
			b = appendQuote(append(b, "[Not attached: "...), f.name, maxShown)
			b = f.appendSize(append(b, " ("...))
			b = appendShown(append(b, "): "...), f.absent, 200)
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
