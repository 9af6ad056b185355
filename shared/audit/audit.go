// Package audit is the log of who did what in the portal: one append blob for each day, line by line, in which each
// line has the hash of the line before it.
//
// The chain goes on from day to day. The last line of a day closes it and names the next day that has a log, whose
// first line has its hash: nothing can be added to a day to which another one is linked. The first line of all is alone
// in a log of its own, which has the name of a day long ago. A line that was altered, added or taken away, and a day
// that is missing, leave their neighbours without a match. That the last lines are missing can't be seen in the log
// itself; the container's immutability policy keeps them.
//
// Several processes may append at the same time. None holds a lease: a line is appended only at the position at which
// the line before it ends, so of two one is refused, reads the end of the log again, and links its line to the other.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The errors of this package, for use with errors.Is.
var (
	ErrTampered = errors.New("the audit log is not as it was written")
	ErrFull     = errors.New("the audit log of the day has reached its largest size")
	ErrBusy     = errors.New("other processes were writing the audit log each time")
	errEntry    = errors.New("an entry of the audit log is not of its form")
)

// Entry is one thing that a person did. It holds ids, hashes and counts: no content, no telephone number, no secret.
type Entry struct {
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`   // object id of the person
	Name   string    `json:"name,omitempty"` // user principal name
	Role   string    `json:"role,omitempty"`
	Action Action    `json:"action"`
	Object string    `json:"object,omitempty"` // what was changed: an id or a hash
	Count  int64     `json:"count,omitempty"`  // of things
	Says   string    `json:"says,omitempty"`   // one sentence
	Form   string    `json:"form,omitempty"`   // id of the form that was sent; "": it may be written twice
}

// Action is what was done: <subject>.<what>, with one of the fixed subjects.
type Action string

// Closed is the action of the last line of a day, which no person has done. Its object is the next day.
const Closed Action = "day.closed"

// The subjects are what an action is about.
var (
	actionForm = regexp.MustCompile(`^(terms|setup|settings|source|mapping|command|export)\.[a-zA-Z]{1,32}$`)
	formForm   = regexp.MustCompile(`^[0-9A-Za-z-]{0,64}$`)
	hashForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Bounds of a line.
const (
	maxID   = 128     // bytes
	maxName = 320     // bytes: of an address
	maxSays = 500     // bytes
	maxLine = 4 << 10 // bytes
)

// check returns the entry as it is written, or an error that repeats nothing of it.
func (e Entry) check() (Entry, error) {
	e.At = e.At.UTC().Truncate(time.Millisecond)
	e.Name = cutText(e.Name, maxName)
	e.Says = cutText(e.Says, maxSays)
	for what, ok := range map[string]bool{
		"time":   e.At.Year() >= 2000 && e.At.Year() < 10_000,
		"action": actionForm.MatchString(string(e.Action)),
		"form":   formForm.MatchString(e.Form),
		"person": e.By != "" && isPlain(e.By),
		"role":   isPlain(e.Role),
		"object": isPlain(e.Object),
	} {
		if !ok {
			return e, fmt.Errorf("%w: its %s", errEntry, what)
		}
	}
	return e, nil
}

// isPlain reports whether a text is short and of printable ASCII.
func isPlain(text string) bool {
	return len(text) <= maxID && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}

// cutText returns a text without control characters, cut to limit bytes.
func cutText(text string, limit int) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == utf8.RuneError {
			return ' '
		}
		return c
	}, text)
	if len(text) <= limit {
		return text
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// Line is one line of the log.
type Line struct {
	Version int    `json:"v"`               // 1
	Prev    string `json:"prev"`            // hex SHA-256 of the line before, without its line feed
	First   bool   `json:"first,omitempty"` // it is the first line of all; Prev is then firstHash
	Entry
}

// firstHash stands for the hash of the line before the first one.
var firstHash = hashOf([]byte("audit"))

func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// encodeLine returns a line with its line feed.
func encodeLine(prev string, e Entry) ([]byte, error) {
	text, err := json.Marshal(Line{Version: 1, Prev: prev, First: prev == firstHash, Entry: e})
	if err != nil {
		return nil, fmt.Errorf("encode a line of the audit log: %w", err)
	}
	if len(text) >= maxLine {
		return nil, fmt.Errorf("%w: its size", errEntry)
	}
	return append(text, '\n'), nil
}

// parseLine reads one line without its line feed.
func parseLine(text []byte) (Line, error) {
	var l Line
	if len(text) >= maxLine || json.Unmarshal(text, &l) != nil || l.Version < 1 || !hashForm.MatchString(l.Prev) ||
		l.Action == "" || l.First != (l.Prev == firstHash) {
		return Line{}, fmt.Errorf("%w: a line can't be read", ErrTampered)
	}
	return l, nil
}

// chain is the end of a log, to which the next line is linked.
type chain struct {
	last   string // hash of the last line
	closed bool   // that line closes the day
	next   string // if closed: the day that follows
}

// parseLines reads whole lines, and verifies that each is linked to the one before it, and that nothing comes after the
// end of a day. prev is the hash of the line before the first of them; "": it is not known. each is called for each
// line.
func parseLines(data []byte, prev string, each func(Line)) (c chain, err error) {
	c.last = prev
	if len(data) > 0 && data[len(data)-1] != '\n' {
		return c, fmt.Errorf("%w: its last line has no end", ErrTampered)
	}
	number := 0
	for text := range bytes.Lines(data) {
		number++
		text = text[:len(text)-1]
		l, err := parseLine(text)
		switch {
		case err != nil:
			return c, fmt.Errorf("line %d: %w", number, err)
		case c.last != "" && l.Prev != c.last:
			return c, fmt.Errorf("%w: line %d does not follow from the one before it", ErrTampered, number)
		case c.closed:
			return c, fmt.Errorf("%w: line %d comes after the end of the day", ErrTampered, number)
		}
		each(l)
		c = chain{last: hashOf(text)}
		if l.Action == Closed {
			c.closed, c.next = true, l.Object
		}
	}
	return c, nil
}
