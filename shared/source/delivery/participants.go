package delivery

import (
	"iter"
	"regexp"
	"slices"
	"strings"
	"unicode"

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

// readPeople returns the participants in a list of addresses. The display name has the number, as the first or the last
// of its words; programs of the vendor write both. Without numbered, no word of a name is taken for a number. more
// reports whether there are more than maxPeople.
func readPeople(field string, numbered bool) (all []record.Participant, more bool) {
	return collectPeople(splitAddresses(field, false, numbered), numbered)
}

// readAuthors is readPeople for the field From, which has one author as a rule: what has no address belongs to the
// address after it. In a list it might be a participant without one.
func readAuthors(field string, numbered bool) (all []record.Participant, more bool) {
	return collectPeople(splitAddresses(field, true, numbered), numbered)
}

func collectPeople(entries iter.Seq[address], numbered bool) (all []record.Participant, more bool) {
	for a := range entries {
		if len(all) == maxPeople {
			return all, true
		}
		p := participantOf(a, numbered)
		keepAddress(&p, strings.TrimSpace(a.address))
		if p.Value != "" || p.Name() != "" || len(p.Emails) > 0 {
			all = append(all, p)
		}
	}
	return all, false
}

// keepAddress adds an address to the name if it is neither an e-mail address nor the participant's number, so that
// nothing of an entry disappears.
func keepAddress(p *record.Participant, address string) {
	if record.EmailAddress(address) != "" || !hasWord(address) {
		return
	}
	if digits := onlyDigits(address); countDigits(address) > 0 && p.Value != "" && digits == onlyDigits(p.Value) {
		return
	}
	if p.Name() == "" {
		p.FirstName = address
	} else {
		p.LastName = strings.TrimSpace(p.LastName + " <" + address + ">")
	}
}

// hasWord reports whether a text has a letter or a digit.
func hasWord(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) })
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
