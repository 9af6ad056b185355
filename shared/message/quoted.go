package message

import "bytes"

// literal has the bytes that stand for themselves (RFC 2045 section 6.7, rules 1 to 3).
var literal = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = c != '='
	}
	t['\t'] = true
	return t
}()

// appendQuoted appends text in quoted-printable. odd is the number of bytes that people would have to read as escape
// sequences of three characters: those that are neither literal nor part of a line end. The writer of the standard
// library cannot be used, because it turns a bare LF into CRLF, or else every line end into =0D=0A.
func appendQuoted(dst, text []byte) (_ []byte, odd int) {
	return appendQuotedLines(dst, text, &lineEnds{left: -1})
}

// lineEnds finds the line ends of a text, one after the other, in time that is proportional to the text.
type lineEnds struct {
	left     int // bytes from the next LF on, 0 if there is none, negative if it is not known
	searched int // bytes that were looked at
}

// next returns where the next CR or LF is, or the length of the text. The text is what follows the last one. The next
// LF is searched once, however many bare CRs precede it.
func (l *lineEnds) next(text []byte) int {
	if l.left < 0 || l.left > len(text) {
		l.left = 0
		lf := bytes.IndexByte(text, '\n')
		if lf >= 0 {
			l.left = len(text) - lf
		}
		l.searched += len(text) - l.left
	}
	end := len(text) - l.left
	if cr := bytes.IndexByte(text[:end], '\r'); cr >= 0 {
		end = cr
	}
	l.searched += end
	return end
}

func appendQuotedLines(dst, text []byte, ends *lineEnds) (_ []byte, odd int) {
	for len(text) > 0 {
		// Most lines need no encoding.
		n := literalPrefix(text, lineLimit)
		if n+1 < len(text) && text[n] == '\r' && text[n+1] == '\n' && (n == 0 || text[n-1] > ' ') {
			dst = append(dst, text[:n+2]...)
			text = text[n+2:]
			continue
		}
		end := ends.next(text)
		line := text[:end]
		text = text[end:]
		crlf := len(text) > 1 && text[0] == '\r' && text[1] == '\n'
		if !crlf && len(text) > 0 { // a bare CR or LF is content
			line = line[:end+1]
			text = text[1:]
		}
		dst, n = appendQuotedLine(dst, line, crlf || len(text) == 0)
		odd += n
		if crlf {
			dst = append(dst, '\r', '\n')
			text = text[2:]
		}
	}
	return dst, odd
}

// countEncoded counts the bytes that make quoted-printable longer than the text: those that appendQuoted counts, and
// line ends other than CRLF.
func countEncoded(text []byte) (odd int) {
	for i, c := range text {
		if !literal[c] {
			odd++
		}
		if c == '\n' && i > 0 && text[i-1] == '\r' {
			odd -= 2
		}
	}
	return odd
}

// literalPrefix returns the number of bytes at the beginning of text that stand for themselves, at most limit.
func literalPrefix(text []byte, limit int) int {
	text = text[:min(len(text), limit)]
	for i, c := range text {
		if !literal[c] {
			return i
		}
	}
	return len(text)
}

// appendQuotedLine appends a text without CRLF in lines of at most 76 characters. last means that a line end or the
// end of the text follows; otherwise a soft line break is appended. odd is as in appendQuoted.
func appendQuotedLine(dst, line []byte, last bool) (_ []byte, odd int) {
	const hex = "0123456789ABCDEF"
	column := 0
	for len(line) > 0 {
		// As many literal bytes as fit on the line. The 76th column is reserved for a soft line break.
		run := literalPrefix(line, lineLimit-1-column)
		// Rule 3: a blank at the end of a line would be removed as padding.
		if run > 0 && run == len(line) && line[run-1] <= ' ' {
			run--
		}
		dst = append(dst, line[:run]...)
		column += run
		if line = line[run:]; len(line) == 0 {
			break
		}
		c := line[0]
		end := len(line) == 1
		asIs := literal[c] && !(c <= ' ' && end)
		width := 3
		if asIs {
			width = 1
		}
		room := lineLimit - 1
		if end && last { // no soft line break will follow
			room = lineLimit
		}
		if column+width > room {
			dst = append(dst, "=\r\n"...)
			column = 0
		}
		if asIs {
			dst = append(dst, c)
		} else {
			dst = append(dst, '=', hex[c>>4], hex[c&15])
			if !literal[c] && c != '\r' && c != '\n' {
				odd++
			}
		}
		column += width
		line = line[1:]
	}
	if !last {
		dst = append(dst, "=\r\n"...)
	}
	return dst, odd
}
