package delivery

import (
	"strings"
	"unicode"
)

// maxJoined is how many entries are put together at most: a name has few commas.
const maxJoined = 5

// entry is one entry of an address field.
type entry struct {
	piece
	address
	number bool // the name or the address has one
}

// complete reports whether an entry has an address, which may be empty: "x" <>.
func (e entry) complete() bool { return e.angle >= 0 || e.address.address != "" }

// joiner puts the entries together that an unquoted comma in a name has divided: Lee, Ann 447700900123 <ann@x.example>.
type joiner struct {
	field            string
	single, numbered bool
	pending          []entry // without an address; the next one may have it
	number           bool    // a pending entry has one
	yield            func(address) bool
}

// add adds the next entry. It returns false if no more are wanted.
func (j *joiner) add(p piece) bool {
	e := entry{piece: p, address: readEntry(j.field[p.start:p.end], p.angle-p.start, j.numbered)}
	number, _ := splitNumber(e.name)
	local, _, _ := strings.Cut(e.address.address, "@")
	e.number = number != "" || countDigits(local) >= minDigits
	if len(j.pending) > 0 && (p.first || len(j.pending) == maxJoined || p.end-j.pending[0].start > maxNumbered) &&
		!j.flush() {
		return false
	}
	if j.single {
		return j.addAuthor(e)
	}
	return j.addListed(e)
}

// addAuthor adds an entry of a field with one author. Two entries with a number are two authors.
func (j *joiner) addAuthor(e entry) bool {
	if e.number && j.number && !j.flush() {
		return false
	}
	j.pending, j.number = append(j.pending, e), j.number || e.number
	return !e.complete() || j.flush()
}

// addListed adds an entry of a list. A name belongs to the next entry with an address, and so does a number in front of
// a name if that entry has none.
func (j *joiner) addListed(e entry) bool {
	if !e.complete() {
		may := j.mayContinue(e)
		if (!may || e.number) && !j.flush() {
			return false
		}
		j.pending, j.number = append(j.pending, e), j.number || e.number
		return may || j.flush()
	}
	if j.number && (e.number || e.name == "") {
		apart := j.pending[0] // only the first one has a number
		j.pending, j.number = j.pending[1:], false
		if !j.yield(apart.address) {
			return false
		}
	}
	if e.angle < 0 && e.name == "" && !j.flush() {
		return false
	}
	j.pending, j.number = append(j.pending, e), j.number || e.number
	return j.flushJoined()
}

// mayContinue reports whether the next entry may have the address of this one: it is a name, or a number and a name,
// before a comma. A name in quotation marks is whole, and one before a colon is that of an empty group.
func (j *joiner) mayContinue(e entry) bool {
	text := strings.TrimSpace(j.field[e.start:e.end])
	if e.separator != ',' || text[0] == '"' && text[len(text)-1] == '"' || text[len(text)-1] == ':' {
		return false
	}
	if !e.number {
		return hasWord(e.name)
	}
	first, rest, _ := strings.Cut(e.name, " ")
	return isNumberWord(first) && strings.ContainsFunc(rest, unicode.IsLetter)
}

// flush yields what is pending: of one author as one, of a list each entry as it is.
func (j *joiner) flush() bool {
	if j.single {
		return j.flushJoined()
	}
	all := j.pending
	j.pending, j.number = j.pending[:0], false
	for _, e := range all {
		if !j.yield(e.address) {
			return false
		}
	}
	return true
}

// flushJoined yields what is pending as one entry.
func (j *joiner) flushJoined() bool {
	all := j.pending
	j.pending, j.number = j.pending[:0], false
	switch len(all) {
	case 0:
		return true
	case 1:
		return j.yield(all[0].address)
	}
	first, last := all[0], all[len(all)-1]
	joined := readEntry(j.field[first.start:last.end], last.angle-first.start, j.numbered)
	if number, rest := splitNumber(last.name); number != "" && strings.HasPrefix(last.name, number) && rest != "" {
		// The number must not come to stand in the middle of the name.
		before := strings.TrimRight(j.field[first.start:last.start], ",; \t\r\n")
		joined.name = number + " " + readEntry(before, -1, j.numbered).name + ", " + rest
	}
	return j.yield(joined)
}
