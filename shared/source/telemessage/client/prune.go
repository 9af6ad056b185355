package client

import (
	"encoding/json"
	"strings"

	"o2archiver/shared/jsonscan"
)

// pruneDepth returns a JSON value in which each object and array below the level depth is replaced by null.
// encoding/json, with which batches are read, supports 10,000 levels and would refuse the whole line beyond that. No
// field that is read from an item is deeper than 5 levels.
func pruneDepth(value []byte, depth int) []byte {
	out := make([]byte, 0, len(value))
	level := 0
	inString, escaped := false, false
	for _, c := range value {
		was := level
		switch {
		case inString:
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{', c == '[':
			if level++; level == depth+1 {
				out = append(out, "null"...)
			}
		case c == '}', c == ']':
			level--
		}
		if was <= depth && level <= depth {
			out = append(out, c)
		}
	}
	return out
}

// idFinder is a writer that finds the messageId of the item that is written to it, whether or not it is valid JSON.
type idFinder struct {
	level             int  // of brackets
	inString, escaped bool // position within a string
	name              bool // the next string is the name of one of the item's members
	value             bool // the next string is the messageId
	text              []byte
	id                string
}

// maxID is the maximum length in bytes of a messageId that is found.
const maxID = 64 << 10

// Write implements io.Writer. It never fails.
func (f *idFinder) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case f.inString:
			f.inside(c)
		case c == '"':
			f.inString, f.text = true, append(f.text[:0], c)
		case c == '{', c == '[':
			f.level++
			f.name, f.value = c == '{' && f.level == 1, false
		case c == '}', c == ']':
			f.level--
		case c == ',':
			f.name, f.value = f.level == 1, false
		case c != ':' && !jsonscan.IsBlank(c):
			f.name, f.value = false, false
		}
	}
	return len(p), nil
}

// inside reads a byte of a string.
func (f *idFinder) inside(c byte) {
	if f.level == 1 && len(f.text) <= maxID {
		f.text = append(f.text, c)
	}
	switch {
	case f.escaped:
		f.escaped = false
	case c == '\\':
		f.escaped = true
	case c == '"':
		f.inString = false
		f.ended()
	}
}

// ended processes a complete string.
func (f *idFinder) ended() {
	if f.level != 1 {
		return
	}
	text := ""
	if len(f.text) <= maxID && json.Valid(f.text) {
		text = jsonscan.MarkInvalid(jsonscan.UnescapeString(f.text))
	}
	switch {
	case f.name:
		if f.value = text == "messageId"; f.value {
			f.id = "" // the last one counts
		}
	case f.value:
		f.id, f.value = text, false
	}
	f.name = false
}

// found returns the messageId as far as the item has been written; "" if there is none.
func (f *idFinder) found() string {
	if strings.TrimSpace(f.id) == "" {
		return ""
	}
	return f.id
}
