package jsonscan

// Span is the state of a search for the end of one JSON value in a stream. The zero value is ready for use.
type Span struct {
	Deepest int  // levels of brackets that the value has as far as it was scanned
	Done    bool // the end was found

	depth    int  // of brackets
	inString bool // between quotes
	escaped  bool // after a backslash
	bare     bool // a number or a word, which ends before the next delimiter
	begun    bool
}

// Scan returns how many bytes of chunk, the next part of the stream, belong to the value.
func (s *Span) Scan(chunk []byte) int {
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
				s.Done = s.depth == 0
			}
		case s.bare:
			if IsDelimiter(c) || IsBlank(c) || c == '"' {
				s.Done = true
				return i
			}
		case c == '"':
			s.inString = true
		case c == '{' || c == '[':
			s.depth++
			s.Deepest = max(s.Deepest, s.depth)
		case c == '}' || c == ']':
			s.depth--
			s.Done = s.depth <= 0
		case !s.begun:
			s.bare = true
		}
		s.begun = true
		if s.Done {
			return i + 1
		}
	}
	return len(chunk)
}

// IsDelimiter reports whether the byte stands between values and never within a number or word.
func IsDelimiter(c byte) bool { return c == ',' || c == ':' || c == ']' || c == '}' }

// IsBlank reports whether the byte is white space of RFC 8259 section 2.
func IsBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
