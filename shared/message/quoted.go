package message

import "slices"

// encodingOf chooses the Content-Transfer-Encoding of a text: quoted-printable where people can read it, base64 for
// other scripts and cipher text. Both give the same bytes back: line ends other than CRLF, blanks at the ends of lines, and
// NUL included.
//
// The standard library's quoted-printable writer makes CRLF of a bare LF, or =0D=0A of every line's end.
func encodingOf(text []byte) string {
	odd := 0
	for _, c := range text {
		if !literal[c] && c != '\r' && c != '\n' {
			odd++
		}
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

// appendQuoted appends text in quoted-printable.
func appendQuoted(dst, text []byte) []byte {
	for len(text) > 0 {
		// A line in one go if it can stand as it is.
		end, plain := 0, true
		for end < len(text) && text[end] != '\r' && text[end] != '\n' {
			plain = plain && literal[text[end]]
			end++
		}
		line := text[:end]
		text = text[end:]
		crlf := len(text) > 1 && text[0] == '\r' && text[1] == '\n'
		if plain && (crlf || len(text) == 0) && end <= lineLimit && (end == 0 || line[end-1] > ' ') {
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

// appendQuotedLine appends a piece of text without CRLF in lines of at most 76 characters. last says that
// a line's end or the text's comes behind it; else it ends in a soft line break.
func appendQuotedLine(dst, line []byte, last bool) []byte {
	const hex = "0123456789ABCDEF"
	column := 0
	for i, c := range line {
		end := i == len(line)-1
		// Rule 3: a blank at the end of a line would be taken for padding.
		asIs := literal[c] && !(c <= ' ' && end)
		width := 3
		if asIs {
			width = 1
		}
		// The 76th column is for a soft line break, unless the line ends here anyhow.
		room := lineLimit - 1
		if end && last {
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
	}
	if !last {
		dst = append(dst, "=\r\n"...)
	}
	return dst
}
