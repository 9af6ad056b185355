package delivery

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"o2archiver/shared/record"
)

// span is a range of the bytes of a line.
type span struct{ start, end int }

// readLine reads one line that is not empty.
func (m *ListManifest) readLine(line string, isEntry func(string) bool, missing map[string]bool) {
	if name := trimListed(line); isEntry(name) {
		m.Listed[name] = true
		return
	}
	// Blanks are separators only if nothing else fits.
	listed := listedIn(line, isListSeparator, isEntry)
	if len(listed) == 0 && strings.Contains(line, " ") {
		listed = listedIn(line, func(c byte) bool { return c == ' ' || isListSeparator(c) }, isEntry)
	}
	known := len(listed) > 0
	start := 0
	for _, l := range append(listed, span{len(line), len(line)}) {
		rest := span{start, l.start}
		known = m.readCounts(line, rest, listed) || known
		for _, name := range missingIn(line[rest.start:rest.end]) {
			known = true
			if !missing[name] {
				missing[name] = true
				m.Missing = append(m.Missing, validText(name))
			}
		}
		if l.start < l.end {
			m.Listed[trimListed(line[l.start:l.end])] = true
		}
		start = l.end
	}
	if known {
		return
	}
	if m.Unknown++; len(m.Kept) < maxKeptLines {
		m.Kept = append(m.Kept, cutText(validText(line), maxFile))
	}
}

// isListSeparator reports whether c separates the name of an entry from what else a line of a manifest may have.
func isListSeparator(c byte) bool {
	return c == ',' || c == ';' || c == ':' || c == '\t' || c == '=' || c == '|'
}

// listedIn returns where a line has the names of entries between separators, in their order. Of two names that begin at
// the same place the longer one counts, and none begins with a separator. Among the first parts of a line, a name may
// be all of the rest. In a line with very many separators, no other name has one.
func listedIn(line string, separates func(byte) bool, isEntry func(string) bool) (found []span) {
	var ends []int // of the parts between separators
	for i := range len(line) {
		if separates(line[i]) {
			ends = append(ends, i)
		}
	}
	ends = append(ends, len(line))
	longest := maxSplits
	if len(ends) > maxSeparators {
		longest = 0
	}
	start := 0
	isName := func(to int) bool {
		name := trimListed(line[start:ends[to]])
		return name != "" && isEntry(name)
	}
	for at := 0; at < len(ends); at++ {
		to := len(ends) - 1
		if at >= maxSplits || !isName(to) {
			to = min(at+longest, to)
			if trimListed(line[start:ends[at]]) == "" {
				to = at - 1
			}
			for ; to >= at && !isName(to); to-- {
			}
		}
		if to >= at {
			found = append(found, span{start, ends[to]})
			at = to
		}
		start = ends[at] + 1
	}
	return found
}

// missingIn returns what ends in .eml between separators in a part of a line that has no entry's name.
func missingIn(part string) (names []string) {
	for p := range strings.FieldsFuncSeq(part, func(c rune) bool { return c < 0x80 && isListSeparator(byte(c)) }) {
		name := trimListed(p)
		if strings.HasSuffix(record.LowerASCII(name), ".eml") {
			names = append(names, name)
		}
	}
	return names
}

// trimListed returns a name without white space and quotation marks around it.
func trimListed(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && s[0] == s[len(s)-1] && (s[0] == '"' || s[0] == '\'') {
		s = s[1 : len(s)-1]
	}
	return s
}

var (
	// countKey is what comes before the number of messages.
	countKey = regexp.MustCompile(`(?i)(?:^|[^\pL])count["']?\s*[:=]`)

	// countNumber is a plain number, or one whose groups of three digits have separators of one kind between them.
	countNumber = regexp.MustCompile("^(?:" + strings.Join([]string{`[1-9]\d{0,2}(?:,\d{3})+`,
		`[1-9]\d{0,2}(?:\.\d{3})+`, `[1-9]\d{0,2}(?:'\d{3})+`, `[1-9]\d{0,2}(?:’\d{3})+`,
		`[1-9]\d{0,2}(?:[ \x{a0}\x{2009}\x{202f}]\d{3})+`, `\d+`}, "|") + ")")

	notDigit = regexp.MustCompile(`\D`)
)

const (
	maxCountDigits = 9 // of a count
	decimals       = "0123456789"
)

// readCounts reads the counts that a part of a line states, and reports whether one of them is a number. listed is
// where the line has names.
func (m *ListManifest) readCounts(line string, part span, listed []span) (known bool) {
	for _, key := range countKey.FindAllStringIndex(line[part.start:part.end], -1) {
		n, ok := parseCount(line, part.start+key[1], listed)
		if !ok {
			m.Unclear = true
			continue
		}
		known = true
		m.Disagrees = m.Disagrees || m.Count >= 0 && m.Count != n
		if m.Count < 0 {
			m.Count = n
		}
	}
	return known
}

// parseCount returns the number at a place of a line. ok is false if it is not certain that this is all of a number: a
// part of one would prove that a ZIP is complete which is not.
func parseCount(line string, at int, listed []span) (n int, ok bool) {
	at += len(line[at:]) - len(strings.TrimLeft(line[at:], " \t"))
	quote := ""
	if at < len(line) && (line[at] == '"' || line[at] == '\'') {
		quote = line[at : at+1]
	}
	at += len(quote)
	number := countNumber.FindString(line[at:])
	at += len(number)
	rest, closed := strings.CutPrefix(line[at:], quote)
	digits := notDigit.ReplaceAllString(number, "")
	if digits == "" || len(digits) > maxCountDigits || !closed {
		return 0, false
	}
	if quote == "" {
		rest = strings.TrimPrefix(rest, `"`) // of the whole text
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && endsCount(line, len(line)-len(rest), listed)
}

// endsCount reports whether a number ends where the rest of its line begins.
func endsCount(line string, at int, listed []span) bool {
	isListed := func(at int) bool { // with a name that is no number itself
		return slices.ContainsFunc(listed, func(l span) bool {
			return l.start <= at && at < l.end && strings.Trim(line[l.start:l.end], decimals+` "'`) != ""
		})
	}
	rest := line[at:]
	next := strings.TrimLeft(rest, " ")
	at += len(rest) - len(next)
	switch {
	case next == "" || len(next) < len(rest) && isListed(at):
		return true
	case !strings.ContainsRune(",;|\t}/>", rune(next[0])):
		return false
	case next[0] == '/':
		return strings.HasPrefix(next, "/>")
	}
	more := strings.TrimLeft(next[1:], " \t")
	at += len(next) - len(more)
	return more == "" || isListed(at) && (next[0] != ',' || len(more) < len(next)-1) ||
		!strings.ContainsRune(decimals+"+-.,", rune(more[0]))
}
