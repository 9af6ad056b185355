package mimeread

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"o2archiver/shared/record"
)

// Header is the header of a message or of a part, in the order of its lines.
type Header struct {
	Fields []Field
	// Cut reports whether the header was longer than its limit, so that the rest of it is not in Fields.
	Cut bool
	// Malformed is the number of lines that are neither a field nor part of one. They are in Fields without a name.
	Malformed int
}

// Field is one field of a header, unfolded. Value has no white space at its ends, and is not decoded: it may hold bytes
// that are not UTF-8.
type Field struct{ Name, Value string }

// Get returns the value of the first field of a name that is not empty, or "". The case of the name does not matter.
func (h Header) Get(name string) string {
	for _, f := range h.Fields {
		if f.Value != "" && record.EqualFoldASCII(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Has reports whether there is a field whose name begins with prefix. Case does not matter.
func (h Header) Has(prefix string) bool {
	for _, f := range h.Fields {
		if len(f.Name) >= len(prefix) && record.EqualFoldASCII(f.Name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// headerOptions are how a header is read.
type headerOptions struct {
	limit   int           // bytes
	raw     *bytes.Buffer // gets the bytes as they are; may be nil
	stop    bool          // what exceeds the limit is left to be read; otherwise it is skipped
	message bool          // it is the header of a message: what may stand before its first field is skipped
}

// byteOrderMark is the mark that some programs put in front of text in UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// readHeader reads a header and the empty line after it. It ends before a delimiter of a multipart too, because a part
// may lack the empty line. More than limit bytes or maxFields fields are not part of it.
//
// QUIRK: some exporters leave a byte order mark, empty lines or the separator line of an mbox file in front of a
// message.
func (s *Scanner) readHeader(o headerOptions) (h Header) {
	var field bytes.Buffer
	used, skipping := 0, false
	flush := func() {
		if field.Len() > 0 {
			h.add(field.Bytes())
			field.Reset()
		}
	}
	for !s.atDelimiter() {
		start := s.lineStart
		piece, ok := s.nextPiece()
		if !ok {
			break
		}
		if o.raw != nil {
			o.raw.Write(piece)
		}
		used += len(piece)
		text := bytes.TrimRight(piece, "\r\n")
		isFirst := start && o.message && len(h.Fields) == 0 && used <= MaxPartHeader
		if isFirst && field.Len() == 0 {
			for bytes.HasPrefix(text, byteOrderMark) {
				text = text[len(byteOrderMark):]
			}
			if len(bytes.TrimLeft(text, " \t")) == 0 {
				continue
			}
		}
		if start && len(text) == 0 {
			flush()
			if isFirst && len(h.Fields) == 0 {
				continue // it stands after the line of an mbox file
			}
			break
		}
		if start && text[0] != ' ' && text[0] != '\t' {
			flush()
		}
		if skipping = skipping || used > o.limit || len(h.Fields) >= maxFields; skipping {
			h.Cut = true
			if o.stop {
				break
			}
			continue
		}
		field.Write(text)
	}
	flush()
	return h
}

// sniff looks at the beginning of the message for its line ends and for UTF-16.
func (s *Scanner) sniff() {
	s.lineEnd = '\n'
	start, err := s.in.Peek(window)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	if isUTF16(start) {
		s.Found.UTF16 = true
	} else if endsWithCR(start) {
		s.lineEnd = '\r'
	}
}

// isUTF16 reports whether a text begins with the byte order mark of UTF-16, or with two ASCII characters in it.
func isUTF16(text []byte) bool {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return true
	}
	isText := func(c byte) bool { return c >= ' ' && c < 0x7f }
	return len(text) >= 4 && (text[0] == 0 && isText(text[1]) && text[2] == 0 && isText(text[3]) ||
		isText(text[0]) && text[1] == 0 && isText(text[2]) && text[3] == 0)
}

// endsWithCR reports whether the lines of a message, of which this is the beginning, end with CR alone: there is no LF,
// or only after a header of several fields and an empty line. A CR within a field is content, as is a second CR in
// front of CRLF.
func endsWithCR(start []byte) bool {
	lines, _, hasLF := bytes.Cut(start, []byte("\n"))
	if !hasLF && len(start) < window {
		return bytes.IndexByte(lines, '\r') >= 0
	}
	header, _, isWhole := bytes.Cut(bytes.TrimRight(lines, "\r"), []byte("\r\r"))
	fields := 0
	for line := range bytes.SplitSeq(header, []byte("\r")) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok && isFieldName(name) {
			fields++
		}
	}
	return fields > 1 && (isWhole || !hasLF)
}

// add adds a field by its unfolded text.
func (h *Header) add(text []byte) {
	name, value, ok := bytes.Cut(text, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	switch {
	case ok && isFieldName(name):
		h.Fields = append(h.Fields, Field{string(name), string(bytes.TrimSpace(value))})
	case len(h.Fields) == 0 && (bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte(">From "))):
		// The separator line of an mbox file.
	default:
		h.Malformed++
		h.Fields = append(h.Fields, Field{Value: strings.TrimSpace(string(text))})
	}
}

// isFieldName reports whether a name has the characters of RFC 5322 section 2.2 only.
func isFieldName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(name) > 0
}
