package delivery

import (
	"iter"
	"net/mail"
	"strings"
	"unicode"
)

// address is one entry of an address field. name is decoded.
type address struct{ name, address string }

// splitAddresses returns the entries of an address field. net/mail refuses a whole list for one entry that is no
// address ("x" <>, a bare number, a trailing semicolon, an unquoted comma), and drops comments and the names of groups,
// which may hold a number. Such a list is split by hand, and so is a very long field. With single, what has no address
// belongs to the address after it. Without numbered, no name has a number.
func splitAddresses(field string, single, numbered bool) iter.Seq[address] {
	return func(yield func(address) bool) {
		if len(field) <= maxParsed {
			if decoded := decodeWords(field); !hasAddress(field) && hasAddress(decoded) {
				field = decoded // QUIRK: a program that encodes the whole field, with its addresses
			}
			if list, ok := parseList(field); ok {
				for _, a := range list {
					if !yield(address{validText(a.Name), validText(a.Address)}) {
						return
					}
				}
				return
			}
		}
		j := &joiner{field: field, single: single, numbered: numbered, yield: yield}
		for p := range splitByHand(field) {
			for part := range splitBare(field, p) {
				if !j.add(part) {
					return
				}
			}
		}
		j.flush()
	}
}

// parseList parses a field as RFC 5322 has it. ok reports whether the field has that form, and nothing that net/mail
// drops.
func parseList(field string) (list []*mail.Address, ok bool) {
	if strings.ContainsAny(field, "(:") {
		return nil, false
	}
	parser := mail.AddressParser{WordDecoder: wordDecoder()}
	list, err := parser.ParseList(field)
	return list, err == nil
}

// hasAddress reports whether a field has an @ outside of encoded words.
func hasAddress(field string) bool {
	for i := 0; i < len(field); i++ {
		switch field[i] {
		case '@':
			return true
		case '=':
			i += max(lenEncoded(field[i:])-1, 0)
		}
	}
	return false
}

// lenEncoded returns the length of the encoded word (RFC 2047) at the beginning of s, and 0 if there is none. Blanks
// and separators in it are allowed, because programs write them.
func lenEncoded(s string) int {
	rest, ok := strings.CutPrefix(s, "=?")
	if !ok {
		return 0
	}
	end := strings.IndexByte(rest, '?')
	if end <= 0 || len(rest) < end+3 || rest[end+2] != '?' || !strings.ContainsRune("QqBb", rune(rest[end+1])) {
		return 0
	}
	start := len("=?") + end + len("?q?")
	for i := start; i+1 < len(s); i++ {
		switch {
		case s[i] != '?':
		case s[i+1] == '=':
			return i + len("?=")
		case i > start && s[i-1] == '=': // another one begins
			return 0
		}
	}
	return 0
}

// piece is one entry of an address field as it stands there.
type piece struct {
	start, end int
	angle      int  // where the last address in angle brackets begins; -1 if there is none
	separator  byte // after it: a comma, a semicolon, or 0
	first      bool // of a group
}

// brackets are the kinds of brackets in which separators do not count.
type brackets struct{ quotes, angles, rounds bool }

// splitByHand splits a field at the commas and semicolons outside of brackets. A bracket that is never closed is an
// ordinary character: it must not hide the entries after it.
func splitByHand(field string) iter.Seq[piece] {
	use := brackets{true, true, true}
	for {
		s := splitter{field: field, use: use}
		s.split(func(piece) bool { return true })
		switch s.open {
		case '"':
			use.quotes = false
		case '<':
			use.angles = false
		case '(':
			use.rounds = false
		default:
			return func(yield func(piece) bool) {
				s := splitter{field: field, use: use}
				s.split(yield)
			}
		}
	}
}

// splitter splits a field. open is the kind of a bracket that is not closed, or 0.
type splitter struct {
	field     string
	use       brackets
	open      byte
	now       piece
	closed    int  // behind the last address in angle brackets of this entry, or 0
	group     bool // its members are being read
	asked     bool // this entry had a colon
	semicolon int  // the next one, or the length of the field
}

// split calls yield for each piece until it returns false.
func (s *splitter) split(yield func(piece) bool) {
	s.begin(0, false)
	for i := 0; i < len(s.field); i++ {
		c := s.field[i]
		switch {
		case s.open == '"' && c == '\\':
			i++
		case s.open == '"' && c == '"', s.open == '(' && c == ')':
			s.open = 0
		case s.open == '<' && c == '>':
			s.open, s.closed = 0, i+1
		case s.open != 0:
		case c == '=':
			i += max(lenEncoded(s.field[i:])-1, 0)
		case c == '"' && s.use.quotes, c == '(' && s.use.rounds:
			s.open = c
		case c == '<' && s.use.angles:
			if s.lacksComma(i) && !s.end(s.closed, 0, s.closed, yield) {
				return
			}
			s.open, s.now.angle = c, i
		case c == ':' && !s.group && !s.asked:
			s.asked = true
			if s.beginsGroup(i) {
				s.begin(i+1, true)
				s.group = true
			}
		case c == ',', c == ';' && !s.beginsParameter(i):
			if !s.end(i, c, i+1, yield) {
				return
			}
			s.group = s.group && c == ','
		}
	}
	s.end(len(s.field), 0, len(s.field), yield)
}

// begin begins the next piece.
func (s *splitter) begin(at int, first bool) {
	s.now, s.closed, s.asked = piece{start: at, angle: -1, first: first}, 0, false
}

// end ends the piece, unless it is empty, and begins the next one.
func (s *splitter) end(at int, separator byte, next int, yield func(piece) bool) bool {
	p := s.now
	p.end, p.separator = at, separator
	s.begin(next, p.first && strings.TrimSpace(s.field[p.start:at]) == "")
	return strings.TrimSpace(s.field[p.start:at]) == "" || yield(p)
}

// lacksComma reports whether the address in angle brackets that begins here is that of another entry: this one has its
// address. A number in angle brackets right before it is of the same one.
func (s *splitter) lacksComma(at int) bool {
	return s.closed > 0 && (strings.Contains(s.field[s.now.angle:s.closed], "@") ||
		strings.TrimSpace(s.field[s.closed:at]) != "")
}

// beginsGroup reports whether the text before a colon is the name of a group (RFC 5322 section 3.4). It is dropped, so
// it has no number, and what follows up to the semicolon has members.
func (s *splitter) beginsGroup(at int) bool {
	if s.semicolon < at {
		s.semicolon = len(s.field)
		if n := strings.IndexByte(s.field[at:], ';'); n >= 0 {
			s.semicolon = at + n
		}
	}
	name := s.field[s.now.start:at]
	if s.semicolon == len(s.field) || len(name) > maxNumbered || s.closed > 0 || strings.Contains(name, "@") ||
		!strings.ContainsAny(s.field[at:s.semicolon], "@,<") || hasScheme(s.field[s.now.start:at+1]) {
		return false
	}
	number, rest := splitNumber(decodeWords(strings.TrimSpace(name)))
	return number == "" && hasWord(rest)
}

// beginsParameter reports whether a semicolon begins a parameter of a URI: tel:+447700900123;ext=5.
func (s *splitter) beginsParameter(at int) bool {
	const longest = 100
	name := s.field[at+1 : min(len(s.field), at+longest)]
	end := strings.IndexFunc(name, func(c rune) bool { return !unicode.IsLetter(c) && c != '-' })
	if end <= 0 || name[end] != '=' {
		return false
	}
	before := strings.TrimSpace(s.field[max(s.now.start, at-longest):at])
	return hasScheme(before[strings.LastIndexAny(before, " \t\r\n")+1:])
}

// splitBare splits a piece without angle brackets at each of its addresses, where a comma is missing between them. If
// it begins with an address, names follow theirs.
func splitBare(field string, p piece) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		text := field[p.start:p.end]
		if p.angle >= 0 || strings.Count(text, "@") < 2 {
			yield(p)
			return
		}
		rest, count, last, namesFirst := p, 0, 0, false
		for start, end := range wordsOf(text) {
			if addressOf(text[start:end]) == "" {
				continue
			}
			cut := start
			if namesFirst {
				cut = last
			}
			if count == 0 {
				namesFirst = strings.TrimSpace(text[:start]) != ""
			} else {
				part := rest
				part.end, part.separator = p.start+cut, 0
				rest.start, rest.first = part.end, false
				if !yield(part) {
					return
				}
			}
			count, last = count+1, end
		}
		yield(rest)
	}
}

// wordsOf returns where the words of a text begin and end. A word has all that is in its brackets.
func wordsOf(text string) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		start, open := -1, byte(0)
		for i := range len(text) {
			c := text[i]
			if open == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
				if start >= 0 && !yield(start, i) {
					return
				}
				start = -1
				continue
			}
			if start < 0 {
				start = i
			}
			switch {
			case open == '"' && c == '"', open == '(' && c == ')':
				open = 0
			case open == 0 && (c == '"' || c == '('):
				open = c
			}
		}
		if start >= 0 {
			yield(start, len(text))
		}
	}
}
