package message

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// oneLine is s as it can stand in a header or be somebody's name: on one line, single spaces, without what
// turns the direction of writing or is no character, and at most limit characters. Bytes that are no UTF-8 become U+FFFD.
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

// isPlain says whether oneLine has nothing to do: printable ASCII with single spaces between words.
func isPlain(s string) bool {
	if s == "" {
		return true
	}
	return isASCII(s) && s[0] != ' ' && s[len(s)-1] != ' ' && !strings.Contains(s, "  ")
}

// isASCII says whether s is all printable ASCII, blanks included.
func isASCII(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if hasUnprintable(w) {
			return false
		}
	}
	for ; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// appendShown appends s as given, on one line: what can't be seen, or would break the line or turn the direction of
// writing, is marked as ⟦U+000A⟧. Beyond limit characters, of which a mark is eight, it says only how long it is.
func appendShown(b []byte, s string, limit int) []byte {
	if len(s) <= limit && isPlain(s) {
		return append(b, s...)
	}
	return appendMarked(b, s, limit, "")
}

// appendMarked is appendShown; each of the characters in escaped gets a backslash before it.
func appendMarked(b []byte, s string, limit int, escaped string) []byte {
	const mark = 8
	for _, c := range s {
		width := 1
		if isBreak(c) || isHidden(c) {
			width = mark
		}
		if limit -= width; limit < 0 {
			return fmt.Appendf(b, "… (%s characters)", formatThousands(int64(utf8.RuneCountInString(s))))
		}
		switch {
		case width == mark:
			b = fmt.Appendf(b, "⟦U+%04X⟧", c)
			continue
		case strings.ContainsRune(escaped, c):
			b = append(b, '\\')
		}
		b = utf8.AppendRune(b, c)
	}
	return b
}

// appendQuote appends a value of the source that stands beside others on its line, in quotation marks as RFC 5322 section 3.2.4 has
// them: nothing in it can pass for one of the others.
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
	isolation = "\u2069" // POP DIRECTIONAL ISOLATE: its end
)

// appendIsolated begins a value of the source, and gives what ends it. One that holds letters written from right to left keeps its direction
// to itself: the number behind it would otherwise be shown turned round. In what we add to a text these two are ours
// alone, for the source's own are marked there.
func appendIsolated(b []byte, s string) (_ []byte, end string) {
	if !strings.ContainsFunc(s, rightToLeft) {
		return b, ""
	}
	return append(b, isolated...), isolation
}

// rightToLeft says whether c is of a script that is written so: the blocks that Unicode keeps for them (Bidi_Class R and AL).
func rightToLeft(c rune) bool {
	return c >= 0x0590 && (c <= 0x08FF || c >= 0xFB1D && c <= 0xFDFF && !isNoncharacter(c) || c >= 0xFE70 && c < 0xFEFF ||
		c >= 0x10800 && c <= 0x10FFF || c >= 0x1E800 && c <= 0x1EFFF)
}

// isBreak says whether c ends a line or controls something.
func isBreak(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }

// isHidden says whether c is invisible and changes the direction of the text around it, is a byte order mark, or is no character at
// all, which XML and hence a mailbox have no place for. Joiners stay: emoji are made with them.
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

// isNoncharacter says whether c is one of the 66 code points that Unicode will never make a character of.
func isNoncharacter(c rune) bool { return c&0xFFFE == 0xFFFE || c >= 0xFDD0 && c <= 0xFDEF }

// isWhite says whether c is one of the control characters that texts are made with.
func isWhite(c rune) bool { return c == '\t' || c == '\n' || c == '\r' }

// NotStorable says whether a mailbox can't keep c: XML 1.0 section 2.2, in which Exchange keeps and exchanges text, has no place for it.
func NotStorable(c rune) bool {
	return c < ' ' && !isWhite(c) || c == 0xFFFE || c == 0xFFFF
}

// isUnshown says whether HTML can't show c. It holds for whatever is Lost.
func isUnshown(c rune) bool { return unicode.IsControl(c) && !isWhite(c) || isNoncharacter(c) }

// hasMarks says whether a text of the source has marks in it, or gets some on its way into a mailbox.
func hasMarks(s string) bool {
	return !isASCII(s) && strings.ContainsFunc(s, func(c rune) bool { return c == '⟦' || isUnshown(c) })
}

// formatThousands writes a number for people: 12,345.
func formatThousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
