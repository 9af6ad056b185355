package message

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// oneLine is s as it can stand in a header or be somebody's name: on one line, single spaces, without what
// turns the direction of writing, and at most limit characters. Bytes that are no UTF-8 become U+FFFD.
func oneLine(s string, limit int) string {
	if len(s) <= limit && isPlain(s) {
		return s
	}
	var b strings.Builder
	count, cut := 0, 0 // characters in b; where the last of them ends that leaves room for …
	put := func(c rune) {
		b.WriteRune(c)
		if count++; count < limit {
			cut = b.Len()
		}
	}
	space := false
	for _, c := range s {
		if turns(c) {
			continue
		}
		if breaks(c) || unicode.IsSpace(c) {
			space = count > 0
			continue
		}
		if space {
			put(' ')
			space = false
		}
		put(c)
		if count > limit {
			return strings.TrimRight(b.String()[:cut], " ") + "…"
		}
	}
	return b.String()
}

// isPlain says whether oneLine has nothing to do: printable ASCII with single spaces between words.
func isPlain(s string) bool {
	last := byte(' ')
	for i := range len(s) {
		c := s[i]
		if c <= ' ' && (c != ' ' || last == ' ') || c > '~' {
			return false
		}
		last = c
	}
	return last != ' ' || s == ""
}

// appendShown appends s as given, on one line: what can't be seen, or would break the line or turn the direction of
// writing, is marked as ⟦U+000A⟧. Beyond limit characters it says only how long it is.
func appendShown(b []byte, s string, limit int) []byte {
	if len(s) <= limit && isPlain(s) {
		return append(b, s...)
	}
	count := 0
	for _, c := range s {
		if count++; count > limit {
			return fmt.Appendf(b, "… (%s characters)", thousands(int64(utf8.RuneCountInString(s))))
		}
		if breaks(c) || turns(c) {
			b = fmt.Appendf(b, "⟦U+%04X⟧", c)
		} else {
			b = utf8.AppendRune(b, c)
		}
	}
	return b
}

// breaks says whether c ends a line or controls something.
func breaks(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }

// turns says whether c is invisible and changes the direction of the text around it, or is a byte order mark.
// Joiners stay: emoji are made with them.
func turns(c rune) bool {
	switch {
	case c == '\u061c', c == '\u200e', c == '\u200f', c == '\ufeff',
		c >= '\u202a' && c <= '\u202e', c >= '\u2066' && c <= '\u2069':
		return true
	}
	return false
}

// thousands writes a number for people: 12,345.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
