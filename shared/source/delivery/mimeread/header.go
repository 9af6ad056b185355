package mimeread

import (
	"bytes"
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

// readHeader reads a header and the empty line after it. It ends before a delimiter of a multipart too, because a part
// may lack the empty line. Of more than limit bytes or maxFields fields the rest is skipped; with raw, which gets the
// bytes as they are, it is left to be read instead.
func (s *Scanner) readHeader(limit int, raw *bytes.Buffer) (h Header) {
	var field bytes.Buffer
	used, skipping := 0, false
	flush := func() {
		if field.Len() > 0 {
			h.add(field.Bytes())
			field.Reset()
		}
	}
	for {
		if s.atDelimiter() {
			break
		}
		start := s.lineStart
		piece, ok := s.nextPiece()
		if !ok {
			break
		}
		if raw != nil {
			raw.Write(piece)
		}
		text := bytes.TrimRight(piece, "\r\n")
		if start && len(text) == 0 {
			break
		}
		if start && text[0] != ' ' && text[0] != '\t' {
			flush()
		}
		used += len(piece)
		if skipping = skipping || used > limit || len(h.Fields) >= maxFields; skipping {
			h.Cut = true
			if raw != nil {
				break
			}
			continue
		}
		field.Write(text)
	}
	flush()
	return h
}

// add adds a field by its unfolded text.
func (h *Header) add(text []byte) {
	name, value, ok := bytes.Cut(text, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	switch {
	case ok && isFieldName(name):
		h.Fields = append(h.Fields, Field{string(name), string(bytes.TrimSpace(value))})
	case len(h.Fields) == 0 && (bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte(">From "))):
		// QUIRK: the separator line of an mbox file, which some exporters leave in front of the header.
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
