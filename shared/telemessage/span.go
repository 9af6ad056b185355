package telemessage

// span is the state of a search for the end of one JSON value in a stream.
type span struct {
	depth, deepest int  // of brackets
	inString       bool // between quotes
	escaped        bool // after a backslash
	bare           bool // a number or a word, which ends before the next delimiter
	begun, done    bool
}

// scan returns how many of the bytes belong to the value.
func (s *span) scan(chunk []byte) int {
	for i, c := range chunk {
		switch {
		case s.inString:
			switch {
			case s.escaped:
				s.escaped = false
			case c == '\\':
				s.escaped = true
			case c == '"':
				s.inString = false
				s.done = s.depth == 0
			}
		case s.bare:
			if isDelimiter(c) || isBlank(c) || c == '"' {
				s.done = true
				return i
			}
		case c == '"':
			s.inString = true
		case c == '{' || c == '[':
			s.depth++
			s.deepest = max(s.deepest, s.depth)
		case c == '}' || c == ']':
			s.depth--
			s.done = s.depth <= 0
		case !s.begun:
			s.bare = true
		}
		s.begun = true
		if s.done {
			return i + 1
		}
	}
	return len(chunk)
}

// isDelimiter reports whether the byte stands between values and never within a number or word.
func isDelimiter(c byte) bool { return c == ',' || c == ':' || c == ']' || c == '}' }

// isBlank reports whether the byte is white space of RFC 8259 section 2.
func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// spanReader is a reader of the rest of a value.
type spanReader struct {
	page  *pageReader
	span  *span
	chunk []byte
	left  int64
	err   error
}

func (r *spanReader) Read(b []byte) (int, error) {
	for len(r.chunk) == 0 && r.err == nil {
		r.chunk, r.err = r.page.more(r.span)
		if r.left -= int64(len(r.chunk)); r.left < 0 {
			r.chunk, r.err = nil, notAPage("an item of more than 2 GiB")
		}
	}
	if len(r.chunk) == 0 {
		return 0, r.err
	}
	n := copy(b, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}
