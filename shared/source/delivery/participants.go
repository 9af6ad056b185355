package delivery

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"o2archiver/shared/record"
)

const (
	maxPeople   = 50_000 // of one field; as in package telemessage
	maxNumbered = 1_000  // bytes of an entry that is looked at word by word
	maxParsed   = 64_000 // bytes of a field for net/mail, which holds every word of it apart
	minDigits   = 3      // of a number: a short code has at least three
	maxDigits   = 15     // E.164
	phoneDigits = 7      // a number with fewer digits may be part of a name
)

// readPeople returns the participants in an address field. The display name has the number, as the first or the last
// of its words; programs of the vendor write both. Without numbered, no word of a name is taken for a number. more
// reports whether there are more than maxPeople.
func readPeople(field string, numbered bool) (all []record.Participant, more bool) {
	for _, entry := range splitAddresses(field) {
		if len(all) == maxPeople {
			return all, true
		}
		if p := participantOf(entry, numbered); p.Value != "" || p.Name() != "" || len(p.Emails) > 0 {
			all = append(all, p)
		}
	}
	return all, false
}

// address is one entry of an address field. name is decoded.
type address struct{ name, address string }

// splitAddresses returns the entries of an address field. net/mail refuses a whole list for one entry that is no
// address ("x" <>, a bare number, a trailing semicolon, an unquoted comma), and drops comments, which may hold the
// number. Such a list is split by hand, and so is a very long field.
func splitAddresses(field string) (all []address) {
	if strings.TrimSpace(field) == "" {
		return nil
	}
	if len(field) <= maxParsed && !strings.Contains(field, "(") {
		parser := mail.AddressParser{WordDecoder: wordDecoder()}
		if list, err := parser.ParseList(field); err == nil {
			for _, a := range list {
				all = append(all, address{validText(a.Name), validText(a.Address)})
			}
			return all
		}
	}
	for _, entry := range splitByHand(field) {
		all = append(all, readEntry(entry))
	}
	return all
}

// brackets are the kinds of brackets in which separators do not count.
type brackets struct{ quotes, angles, rounds bool }

// splitByHand splits a field at the commas and semicolons outside of brackets. A bracket that is never closed is an
// ordinary character: it must not hide the entries after it.
func splitByHand(field string) []string {
	use := brackets{true, true, true}
	for {
		all, open := splitOutside(field, use)
		switch open {
		case '"':
			use.quotes = false
		case '<':
			use.angles = false
		case '(':
			use.rounds = false
		default:
			return all
		}
	}
}

// splitOutside splits a field at the separators outside of the brackets in use. open is the kind of a bracket that is
// not closed, or 0.
func splitOutside(field string, use brackets) (all []string, open byte) {
	start := 0
	for i := 0; i < len(field); i++ {
		c := field[i]
		switch {
		case open == '"' && c == '\\':
			i++
		case open == '"' && c == '"', open == '<' && c == '>', open == '(' && c == ')':
			open = 0
		case open != 0:
		case c == '"' && use.quotes, c == '<' && use.angles, c == '(' && use.rounds:
			open = c
		case c == ',' || c == ';':
			all = append(all, field[start:i])
			start = i + 1
		}
		if len(all) > maxPeople {
			return all, 0
		}
	}
	return append(all, field[start:]), open
}

// cutAddress takes the first word with an @ for the address, and the others for the name.
func cutAddress(entry string) (name, address string) {
	words := strings.Fields(entry)
	for i, word := range words {
		if strings.Contains(word, "@") {
			address = strings.Trim(word, "\"'()[]")
			words = append(words[:i:i], words[i+1:]...)
			break
		}
	}
	return strings.Join(words, " "), address
}

// readEntry returns the name and the address of an entry that has any form.
func readEntry(entry string) (a address) {
	entry = strings.TrimSpace(entry)
	if open := strings.LastIndexByte(entry, '<'); open >= 0 {
		inside, after, _ := strings.Cut(entry[open+1:], ">")
		a.address = strings.TrimSpace(inside)
		a.name = strings.TrimSpace(entry[:open]) + " " + strings.TrimSpace(after)
	} else {
		a.name = entry
		if len(entry) <= maxNumbered {
			a.name, a.address = cutAddress(entry)
		}
	}
	a.name = strings.TrimSpace(a.name)
	if strings.HasPrefix(a.name, "(") && strings.HasSuffix(a.name, ")") { // RFC 5322 section 3.4: the older form
		a.name = a.name[1 : len(a.name)-1]
	}
	a.name, a.address = validText(decodeWords(unquoteName(a.name))), validText(a.address)
	return a
}

// unquoted removes the backslashes of a quoted string (RFC 5322 section 3.2.4).
var unquoted = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// unquoteName returns a display name without the quotation marks around it.
func unquoteName(name string) string {
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		return unquoted.Replace(name[1 : len(name)-1])
	}
	return name
}

// participantOf returns the participant of an entry. The number is taken from the name; without one there, it is
// the local part of the address if that is a number.
func participantOf(a address, numbered bool) (p record.Participant) {
	rest, address := strings.TrimSpace(a.name), strings.TrimPrefix(strings.TrimSpace(a.address), "tel:")
	if numbered {
		p.Value, rest = splitNumber(rest)
		local, _, _ := strings.Cut(address, "@")
		if n := countDigits(local); p.Value == "" && n >= minDigits && n <= maxDigits {
			p.Value = strings.TrimSpace(local)
		}
	}
	if at := strings.LastIndexByte(rest, ' '); at >= 0 {
		p.FirstName, p.LastName = strings.TrimSpace(rest[:at]), rest[at+1:]
	} else {
		p.FirstName = rest
	}
	if email := record.EmailAddress(address); email != "" {
		p.Emails = []string{email}
	}
	return p
}

// moveOutside moves an address of none of the domains from Emails to Outside: it may be made up. One whose local part
// is only the participant's number says nothing else, and is removed.
func moveOutside(p *record.Participant, domains []string) {
	if len(p.Emails) == 0 {
		return
	}
	local, domain, _ := strings.Cut(p.Emails[0], "@")
	if slices.Contains(domains, record.LowerASCII(domain)) {
		return
	}
	if countDigits(local) == 0 || !sameDigits(local, p.Value) {
		p.Outside = p.Emails[0]
	}
	p.Emails = nil
}

// splitNumber returns the number at the beginning or at the end of a display name, and the rest of the name. A short
// one at the beginning is not taken if a telephone number is at the end: 24 Hour Desk 447700900123.
func splitNumber(name string) (number, rest string) {
	if len(name) > maxNumbered {
		return "", name
	}
	words := strings.Fields(name)
	first, last := 0, len(words)
	for n := 1; n <= len(words) && isNumberWord(words[n-1]); n++ {
		if digits := countDigits(strings.Join(words[:n], " ")); digits > maxDigits {
			break
		} else if digits >= minDigits {
			first = n
		}
	}
	for n := len(words) - 1; n >= 0 && isNumberWord(words[n]); n-- {
		if digits := countDigits(strings.Join(words[n:], " ")); digits > maxDigits {
			break
		} else if digits >= minDigits {
			last = n
		}
	}
	front, back := strings.Join(words[:first], " "), strings.Join(words[last:], " ")
	if front != "" && (back == "" || countDigits(front) >= phoneDigits || countDigits(back) < phoneDigits) {
		return trimNumber(front), trimName(words[first:])
	}
	return trimNumber(back), trimName(words[:last])
}

// trimNumber returns a number without brackets and separators around it.
func trimNumber(number string) string {
	number = strings.Trim(number, ",:;|[]-/. ")
	if strings.HasPrefix(number, "(") && (strings.HasSuffix(number, ")") || !strings.Contains(number, ")")) {
		number = strings.Trim(number, "()")
	}
	return number
}

// trimName returns the words of a name without separators at its ends.
func trimName(words []string) string { return strings.Trim(strings.Join(words, " "), ",:;|- ") }

// isNumberWord reports whether a word may be part of a number.
func isNumberWord(word string) bool { return strings.Trim(word, "0123456789+-().[]/,:;|") == "" }

// countDigits returns the number of digits in a text that may be a number, and 0 for any other text.
func countDigits(s string) (n int) {
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			n++
		case strings.IndexByte("+-().[]/,:;| ", c) < 0:
			return 0
		}
	}
	return n
}

// subjectForm is the form of a subject: <type> from <number> to <number>, or … to chat group <title>.
var subjectForm = regexp.MustCompile(`(?i)^\s*(.{0,200}?)\s+from\s+(.{1,40}?)\s+to\s+(chat\s+group\s+)?(.*)$`)

// subject is what the subject of an item states.
type subject struct {
	kind, from, to string // from and to are "" if they are not numbers
	sender         string // in place of from, if that is no number: the name of a bank, "Withheld"
	group          string
	toGroup        bool
}

// readSubject parses a decoded subject. All of the result is empty if the subject has another form.
func readSubject(text string) (s subject) {
	m := subjectForm.FindStringSubmatch(text)
	if m == nil {
		return s
	}
	s.kind = m[1]
	if n := countDigits(m[2]); n >= minDigits && n <= maxDigits {
		s.from = m[2]
	} else {
		s.sender = m[2]
	}
	if s.toGroup = m[3] != ""; s.toGroup {
		s.group = strings.TrimSpace(m[4])
	} else if n := countDigits(m[4]); n >= minDigits && n <= maxDigits {
		s.to = strings.TrimSpace(m[4])
	}
	return s
}
