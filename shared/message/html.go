package message

import (
	"bytes"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// htmlType is the content type of the text's HTML form.
const htmlType = "text/html; charset=utf-8"

// maxHTML is the maximum length of the HTML form in bytes. No mailbox accepts a longer body in a request
// (mailbox.FitsBody), and HTML cannot be truncated. A hostile text can be twelve times as long in HTML.
const maxHTML = 2_000_000

// appendHTML appends the message's text as HTML. text is the result of appendText, and ends its sections. The HTML
// has no script, no links, and loads nothing but the message's own pictures: everything from the record is escaped
// text. It returns nil if the HTML would be longer than maxHTML.
func appendHTML(b, text []byte, ends lengths, files []file) []byte {
	if len(text) > maxHTML {
		return nil
	}
	b = slices.Grow(b, len(text)+len(text)/2+512)
	b = append(b,
		`<!DOCTYPE html><html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head>`+
			`<body dir="ltr" style="font-family:sans-serif">`+"\r\n"...)
	b = appendDirected(b, text[:ends.own])
	for line, rest := cutLine(text[ends.own:ends.said]); len(line)+len(rest) > 0; line, rest = cutLine(rest) {
		if len(line) > 0 {
			b = append(appendLine(append(b, `<p>`...), line), "</p>\r\n"...)
		}
	}
	for i := range files {
		switch f := &files[i]; {
		case f.cid != "":
			b = append(append(append(b, `<p><img src="cid:`...), f.cid...), `" alt="`...)
			b = append(appendEscaped(b, []byte(f.name), false), "\" style=\"max-width:100%\"></p>\r\n"...)
		case !f.shown:
		case f.text != "":
			b = appendDirected(b, []byte(f.text))
		default:
			b = append(appendEscaped(append(b, "<p>["...), []byte(f.name), false), "]</p>\r\n"...)
		}
	}
	notes, rows := cutLine(text[ends.noted:])
	b = appendLine(append(b, "<hr><p>"...), text[ends.signed:ends.counted])
	b = append(appendLine(b, notes),
		"</p>\r\n<table><tbody align=\"left\" valign=\"top\">\r\n"...)
	for len(rows) > 0 {
		var line []byte
		line, rows = cutLine(rows)
		if len(line) == 0 {
			b = append(b, "<tr><td colspan=\"2\"><br></td></tr>\r\n"...)
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(": ")) // the field names that the archiver adds have no colon
		if !ok {
			b = append(appendLine(append(b, `<tr><td colspan="2">`...), line), "</td></tr>\r\n"...)
			continue
		}
		b = append(appendEscaped(append(b, "<tr><th>"...), name, false), ":</th><td>"...)
		b = append(appendLine(b, value), "</td></tr>\r\n"...)
	}
	if len(b) > maxHTML {
		return nil
	}
	return append(b, "</tbody></table></body></html>\r\n"...)
}

// cutLine returns the first line of a text whose lines all end in CRLF, and the rest after it.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// appendLine appends a line that the archiver added. An isolated value in it (see appendIsolated) has right-to-left
// letters and gets an element with a direction, because some programs do not support the isolate characters.
func appendLine(b, line []byte) []byte {
	for bytes.IndexByte(line, isolated[0]) >= 0 {
		before, rest, ok := bytes.Cut(line, []byte(isolated))
		b = appendEscaped(b, before, false)
		if !ok {
			return b
		}
		var value []byte
		value, line, _ = bytes.Cut(rest, []byte(isolation))
		b = append(append(append(b, `<span dir="`...), lineDirection(value)...), `">`...)
		b = append(appendEscaped(b, value, false), "</span>"...)
	}
	return appendEscaped(b, line, false)
}

// appendDirected appends a text of the source, each line with its own direction, as phones show it. Consecutive lines
// of the same direction are one block.
func appendDirected(b, text []byte) []byte {
	for len(text) > 0 {
		n, end, dir := directionPrefix(text)
		b = append(append(append(b, `<div dir="`...), dir...),
			`" style="white-space:pre-wrap;overflow-wrap:anywhere">`...)
		b = append(appendEscaped(b, text[:n], true), "</div>\r\n"...)
		text = text[end:]
	}
	return b
}

const leftToRight = "ltr"

// directionPrefix returns the direction of the first lines of a text, and how many bytes they have: n without the end
// of the last of these lines, end with it. A line without letters belongs to the line after it.
func directionPrefix(text []byte) (n, end int, dir string) {
	for at := 0; at < len(text); {
		line := len(text) - at
		brk := 0
		if i := bytes.IndexAny(text[at:], "\r\n"); i >= 0 {
			line, brk = i, 1
			if bytes.HasPrefix(text[at+i:], []byte("\r\n")) {
				brk = 2
			}
		}
		if d := lineDirection(text[at : at+line]); d != "" {
			if dir != "" && d != dir {
				return n, end, dir
			}
			dir, n, end = d, at+line, at+line+brk
		}
		at += line + brk
	}
	if dir == "" {
		dir = leftToRight
	}
	return len(text), len(text), dir
}

// lineDirection returns the direction of the first letter of a line (Unicode Standard Annex 9, rule P2), "" if it has
// no letter.
func lineDirection(line []byte) string {
	for len(line) > 0 {
		c, n := rune(line[0]), 1
		if c >= utf8.RuneSelf {
			c, n = utf8.DecodeRune(line)
		}
		switch {
		case rightToLeft(c):
			return "rtl"
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= utf8.RuneSelf && unicode.IsLetter(c):
			return leftToRight
		}
		line = line[n:]
	}
	return ""
}

// appendEscaped appends a text, escaped for HTML. Characters that HTML cannot represent are replaced by marks, as in
// the block: ⟦U+0000⟧. With breaks, line ends become <br>; without it, s has none. It stops once b is longer than
// maxHTML.
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
			} else if isUnshown(r) || isWhite(r) { // isWhite: only without breaks
				with = fmt.Sprintf("⟦U+%04X⟧", r)
			}
		}
		if with != "" {
			b = append(append(b, s[done:i]...), with...)
			done = i + n
			if len(b) > maxHTML {
				return b
			}
		}
		i += n
	}
	return append(b, s[done:]...)
}

// plainInHTML has the bytes that need no escaping in HTML.
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
