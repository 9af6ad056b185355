package message

import (
	"bytes"
	"slices"
)

// encodingOf chooses the Content-Transfer-Encoding of a text: quoted-printable where people can read it, base64 for
// other scripts and cipher text. Both give the same bytes back: line ends other than CRLF, blanks at the ends of lines, and
// NUL included.
//
// The standard library's quoted-printable writer makes CRLF of a bare LF, or =0D=0A of every line's end.
func encodingOf(text []byte) string {
	odd := 0
	for _, c := range text {
		odd += int(escaped[c])
	}
	if odd > len(text)/4 {
		return "base64"
	}
	return "quoted-printable"
}

// appendEncoded appends a text in one of encodingOf's encodings.
func appendEncoded(dst, text []byte, encoding string) []byte {
	if encoding == "base64" {
		n := len(dst)
		dst = slices.Grow(dst, int(base64Size(int64(len(text)))))[:n+int(base64Size(int64(len(text))))]
		encodeLines(dst[n:], text, true)
		return dst
	}
	return appendQuoted(slices.Grow(dst, len(text)+len(text)/8+64), text)
}

// literal are the bytes that stand for themselves: RFC 2045 section 6.7, rules 1 to 3.
var literal = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = c != '='
	}
	t['\t'] = true
	return t
}()

// escaped counts the bytes that quoted-printable writes as three; a line's end is none.
var escaped = func() (t [256]uint8) {
	for c := range t {
		if !literal[c] && c != '\r' && c != '\n' {
			t[c] = 1
		}
	}
	return t
}()

// appendQuoted appends text in quoted-printable.
func appendQuoted(dst, text []byte) []byte {
	left := -1 // bytes from the next LF on, 0 without one: looked for once, however many bare CRs come before it
	for len(text) > 0 {
		if left < 0 || left > len(text) {
			left = 0
			if lf := bytes.IndexByte(text, '\n'); lf >= 0 {
				left = len(text) - lf
			}
		}
		end := len(text) - left
		if cr := bytes.IndexByte(text[:end], '\r'); cr >= 0 {
			end = cr
		}
		line := text[:end]
		text = text[end:]
		crlf := len(text) > 1 && text[0] == '\r' && text[1] == '\n'
		// A line in one go if it can stand as it is.
		if (crlf || len(text) == 0) && end <= lineLimit && (end == 0 || line[end-1] > ' ') && allLiteral(line) {
			dst = append(dst, line...)
		} else {
			if !crlf && len(text) > 0 { // a bare CR or LF belongs to the text
				line = line[:end+1]
				text = text[1:]
			}
			dst = appendQuotedLine(dst, line, crlf || len(text) == 0)
		}
		if crlf {
			dst = append(dst, '\r', '\n')
			text = text[2:]
		}
	}
	return dst
}

func allLiteral(line []byte) bool {
	for _, c := range line {
		if !literal[c] {
			return false
		}
	}
	return true
}

// appendQuotedLine appends a piece of text without CRLF in lines of at most 76 characters. last says that
// a line's end or the text's comes behind it; else it ends in a soft line break.
func appendQuotedLine(dst, line []byte, last bool) []byte {
	const hex = "0123456789ABCDEF"
	column := 0
	for len(line) > 0 {
		// As many bytes that stand for themselves as the line has room for. The 76th column is for a soft line break.
		run := 0
		for room := min(len(line), lineLimit-1-column); run < room && literal[line[run]]; run++ {
		}
		if run == len(line) && line[run-1] <= ' ' { // rule 3: a blank at the end of a line would be taken for padding
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
		if end && last { // the line ends here anyhow
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
		}
		column += width
		line = line[1:]
	}
	if !last {
		dst = append(dst, "=\r\n"...)
	}
	return dst
}
