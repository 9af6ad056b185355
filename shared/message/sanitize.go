package message

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// oneLine returns s in a form that is safe in a header or as a name: on one line, with single spaces, without
// non-characters and characters that change the direction of the text, and with at most limit characters. Bytes that
// are not valid UTF-8 become U+FFFD.
func oneLine(s string, limit int) string {
	if len(s) <= limit && isPlain(s) {
		return s
	}
	var b strings.Builder
	count, cut := 0, 0 // the characters in b; the length of b up to which it can be cut with room for …
	put := func(c rune) {
		b.WriteRune(c)
		if count++; count < limit {
			cut = b.Len()
		}
	}
	space := false
	for _, c := range s {
		if isHidden(c) {
			continue
		}
		if isBreak(c) || unicode.IsSpace(c) {
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

// isPlain reports whether oneLine would return s unchanged: printable ASCII with single spaces between words.
func isPlain(s string) bool {
	if s == "" {
		return true
	}
	return isASCII(s) && s[0] != ' ' && s[len(s)-1] != ' ' && !strings.Contains(s, "  ")
}

// isASCII reports whether s consists of printable ASCII characters, spaces included.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// appendShown appends s as given, on one line. Characters that are invisible, break the line or change the direction
// of the text are replaced by marks such as ⟦U+000A⟧. After limit characters, where a mark counts as eight, the rest
// is replaced by the length of s.
func appendShown(b []byte, s string, limit int) []byte {
	if len(s) <= limit && isPlain(s) {
		return append(b, s...)
	}
	return appendMarked(b, s, limit, "")
}

// markWidth is how many characters a mark counts as.
const markWidth = 8

// shownWidth returns how many characters c counts as where it is shown.
func shownWidth(c rune) int {
	if isBreak(c) || isHidden(c) {
		return markWidth
	}
	return 1
}

// isCut reports whether appendShown cuts s at limit characters.
func isCut(s string, limit int) bool {
	if len(s) <= limit/markWidth {
		return false
	}
	for _, c := range s {
		if limit -= shownWidth(c); limit < 0 {
			return true
		}
	}
	return false
}

// appendMarked is appendShown with a backslash before each of the characters in escaped.
func appendMarked(b []byte, s string, limit int, escaped string) []byte {
	for _, c := range s {
		width := shownWidth(c)
		if limit -= width; limit < 0 {
			return fmt.Appendf(b, "… (%s characters)", formatThousands(int64(utf8.RuneCountInString(s))))
		}
		switch {
		case width == markWidth:
			b = fmt.Appendf(b, "⟦U+%04X⟧", c)
			continue
		case strings.ContainsRune(escaped, c):
			b = append(b, '\\')
		}
		b = utf8.AppendRune(b, c)
	}
	return b
}

// appendQuote appends a value of the source that has other values beside it on its line. It is quoted as in RFC 5322
// section 3.2.4, so that nothing in it can be mistaken for one of the others.
func appendQuote(b []byte, s string, limit int) []byte {
	b, end := appendIsolated(b, s)
	b = append(b, '"')
	if len(s) <= limit && isPlain(s) && !strings.ContainsAny(s, `"\`) {
		b = append(b, s...)
	} else {
		b = appendMarked(b, s, limit, `"\`)
	}
	return append(append(b, '"'), end...)
}

const (
	isolated  = "\u2068" // FIRST STRONG ISOLATE
	isolation = "\u2069" // POP DIRECTIONAL ISOLATE: the end of an isolated text
)

// appendIsolated appends the beginning of a value of the source, and returns the end that has to be appended after
// it. A value with right-to-left letters is isolated, so that it does not change the direction of what follows it,
// such as a number. In the text that the archiver adds, the two isolate characters are always its own, because those
// of the source are replaced by marks.
func appendIsolated(b []byte, s string) (_ []byte, end string) {
	if !strings.ContainsFunc(s, rightToLeft) {
		return b, ""
	}
	return append(b, isolated...), isolation
}

// rightToLeft reports whether c belongs to a script that is written from right to left: the blocks that Unicode
// reserves for them (Bidi_Class R and AL).
func rightToLeft(c rune) bool {
	return c >= 0x0590 && (c <= 0x08FF ||
		c >= 0xFB1D && c <= 0xFDFF && !isNoncharacter(c) || c >= 0xFE70 && c < 0xFEFF ||
		c >= 0x10800 && c <= 0x10FFF || c >= 0x1E800 && c <= 0x1EFFF)
}

// isBreak reports whether c ends a line or is a control character.
func isBreak(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }

// isHidden reports whether c is invisible and changes the direction of the text around it, is a byte order mark, or
// is a non-character, which XML, and hence a mailbox, cannot represent. Joiners are not hidden, because emoji are
// made with them.
func isHidden(c rune) bool {
	switch {
	case c < '\u061c':
		return false
	case c == '\u061c', c == '\u200e', c == '\u200f', c == '\ufeff',
		c >= '\u202a' && c <= '\u202e', c >= '\u2066' && c <= '\u2069':
		return true
	}
	return isNoncharacter(c)
}

// isNoncharacter reports whether c is one of the 66 code points that Unicode reserves as non-characters.
func isNoncharacter(c rune) bool { return c&0xFFFE == 0xFFFE || c >= 0xFDD0 && c <= 0xFDEF }

// isWhite reports whether c is one of the control characters that occur in ordinary texts: tab, LF and CR.
func isWhite(c rune) bool { return c == '\t' || c == '\n' || c == '\r' }

// NotStorable reports whether a mailbox cannot store c. Exchange stores and exchanges text as XML 1.0, whose section
// 2.2 excludes these characters.
func NotStorable(c rune) bool {
	return c < ' ' && !isWhite(c) || c == 0xFFFE || c == 0xFFFF
}

// isUnshown reports whether HTML cannot show c. It is true for every character that is NotStorable.
func isUnshown(c rune) bool { return unicode.IsControl(c) && !isWhite(c) || isNoncharacter(c) }

// hasMarks reports whether a text of the source contains marks, or gets some on its way into a mailbox.
func hasMarks(s string) bool {
	return !isASCII(s) && strings.ContainsFunc(s, func(c rune) bool { return c == '⟦' || isUnshown(c) })
}

// formatThousands returns a number with thousands separators: 12,345.
func formatThousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
