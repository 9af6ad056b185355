package message

import (
	"bytes"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// htmlType is the type of the text's HTML form.
const htmlType = "text/html; charset=utf-8"

// appendHTML appends the text of the message once more, as HTML. text is what appendText made; own says how many bytes of it are
// the record's, at where the block about the item begins. There is no script, nothing to click and nothing to load in it
// but the message's own pictures: whatever the record holds is text.
func appendHTML(b, text []byte, own, at int, files []file) []byte {
	b = slices.Grow(b, len(text)+len(text)/2+512)
	b = append(b, `<!DOCTYPE html><html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>`+"\r\n"...)
	if own > 0 {
		// plaintext: each line has a direction of its own, as in the messages of a phone.
		b = append(b, `<div dir="auto" style="white-space:pre-wrap;unicode-bidi:plaintext;overflow-wrap:anywhere">`...)
		b = append(appendEscaped(b, text[:own], true), "</div>\r\n"...)
	}
	for line, rest := cutLine(text[own:at]); len(line)+len(rest) > 0; line, rest = cutLine(rest) {
		if len(line) > 0 {
			b = append(appendEscaped(append(b, `<p dir="auto">`...), line, false), "</p>\r\n"...)
		}
	}
	for i := range files {
		if f := &files[i]; f.cid != "" {
			b = append(append(append(b, `<p><img src="cid:`...), f.cid...), `" alt="`...)
			b = append(appendEscaped(b, []byte(f.name), false), "\" style=\"max-width:100%\"></p>\r\n"...)
		}
	}
	b = append(b, "<hr><p>"+signature+"</p>\r\n<table><tbody align=\"left\" valign=\"top\">\r\n"...)
	_, rows := cutLine(text[at:]) // after the ruler
	_, rows = cutLine(rows)       // after the signature
	for len(rows) > 0 {
		var line []byte
		line, rows = cutLine(rows)
		name, value, ok := bytes.Cut(line, []byte(": ")) // no name of ours has a colon
		if !ok {
			b = append(appendEscaped(append(b, `<tr><td colspan="2">`...), line, false), "</td></tr>\r\n"...)
			continue
		}
		b = append(appendEscaped(append(b, "<tr><th>"...), name, false), "</th><td>"...)
		b = append(appendValue(b, value), "</td></tr>\r\n"...)
	}
	return append(b, "</tbody></table></body></html>\r\n"...)
}

// cutLine gives the first line of a text all of whose lines end in CRLF, and what follows it.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// appendValue appends a value of the block. Where it has other characters than ASCII in it, each piece of it
// keeps its direction to itself: a number behind a Hebrew name would otherwise be shown before it.
func appendValue(b, value []byte) []byte {
	if !slices.ContainsFunc(value, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return appendEscaped(b, value, false)
	}
	for i, piece := range bytes.Split(value, []byte(", ")) {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(appendEscaped(append(b, "<bdi>"...), piece, false), "</bdi>"...)
	}
	return b
}

// appendEscaped appends a text so that HTML shows it and nothing else. What HTML has no place for is marked as it is in the
// block: ⟦U+0000⟧. breaks says that line ends are to be kept; without it there are none.
func appendEscaped(b, s []byte, breaks bool) []byte {
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plainInHTML[c] {
			i++
			continue
		}
		n, with := 1, ""
		switch {
		case c == '&':
			with = "&amp;"
		case c == '<':
			with = "&lt;"
		case c == '>':
			with = "&gt;"
		case c == '"':
			with = "&#34;"
		case c == '\'':
			with = "&#39;"
		case c == '\r' && i+1 < len(s) && s[i+1] == '\n' && breaks:
			n, with = 2, "<br>"
		case (c == '\r' || c == '\n') && breaks:
			with = "<br>"
		default:
			var r rune
			if r, n = utf8.DecodeRune(s[i:]); r == utf8.RuneError && n == 1 {
				with = fmt.Sprintf("⟦0x%02X⟧", c)
			} else if unicode.IsControl(r) || r&0xFFFE == 0xFFFE || r >= 0xFDD0 && r <= 0xFDEF {
				with = fmt.Sprintf("⟦U+%04X⟧", r)
			}
		}
		if with != "" {
			b = append(append(b, s[done:i]...), with...)
			done = i + n
		}
		i += n
	}
	return append(b, s[done:]...)
}

// plainInHTML are the bytes that stand for themselves.
var plainInHTML = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = true
	}
	t['\t'] = true
	for _, c := range `&<>"'` {
		t[c] = false
	}
	return t
}()
