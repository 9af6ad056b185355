package message

import (
	"bufio"
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"

	"o2archiver/shared/record"
)

// textType is the type of the text. The text is never rendered: HTML in it is shown as it stands.
const textType = "text/plain; charset=utf-8"

// fields collects a header's fields, folded.
//
// QUIRK: go-message folds a line of encoded words only before column 998 when the first of them doesn't fit
// behind the field's name, so the folding is done here. RFC 2047 section 2 allows such a line 76.
type fields struct {
	b   []byte
	err error
}

const lineLimit = 76

// itemField is the item's field that a header is made of.
func itemField(header string) string {
	switch header {
	case "From", "To", "Subject":
		return strings.ToLower(header)
	case "Thread-Topic":
		return "to"
	case "X-O2-Message-Id":
		return "messageId"
	case "X-O2-Type":
		return "messageType"
	case "X-O2-Owner":
		return "msisdn"
	case "Content-Type", "Content-Disposition", partHash:
		return "attachment"
	}
	return "item"
}

// add adds a field. value has single spaces, and none at its ends: each is where the line
// may be folded, and unfolding gives the same value again.
func (f *fields) add(name, value string) {
	if !isASCII(value) {
		// The last door before the header: nothing that comes here should hold one.
		f.err = &record.Fault{Field: itemField(name), Reason: "has a character that no header may hold"}
		return
	}
	f.b = append(f.b, name...)
	f.b = append(f.b, ':')
	column := len(name) + 1
	if column+1+len(value) <= lineLimit { // nothing to fold
		f.b = append(append(append(f.b, ' '), value...), "\r\n"...)
		return
	}
	for first := true; len(value) > 0; first = false {
		word := value
		if i := strings.IndexByte(value, ' '); i >= 0 {
			word, value = value[:i], value[i+1:]
		} else {
			value = ""
		}
		// A field may be folded before its first word, but there are programs that take it for empty then. Only encoded words have to
		// be on short lines; others are short of the 998 characters that a line may have.
		if column+1+len(word) > lineLimit && (!first || strings.HasPrefix(word, "=?")) {
			f.b = append(f.b, "\r\n"...)
			column = 0
		}
		f.b = append(f.b, ' ')
		f.b = append(f.b, word...)
		column += 1 + len(word)
	}
	f.b = append(f.b, "\r\n"...)
}

// render gives the header's bytes with the empty line at its end.
func (f *fields) render() ([]byte, error) {
	return append(f.b, "\r\n"...), f.err
}

// header gives the header in go-message's form.
func (f *fields) header() (textproto.Header, error) {
	if f.err != nil {
		return textproto.Header{}, f.err
	}
	return textproto.ReadHeader(bufio.NewReader(bytes.NewReader(append(f.b, "\r\n"...))))
}

// encodeWords makes encoded words (RFC 2047) of a text that can't stand in a header as it is: with other
// characters than ASCII, or which a reader would itself take for encoded words. Text without control characters only.
func encodeWords(s string) string {
	if isPlain(s) && !longWord(s) && !(strings.IndexByte(s, '=') >= 0 && strings.Contains(s, "=?")) {
		return s
	}
	const (
		hex   = "0123456789ABCDEF"
		start = "=?utf-8?q?"
		limit = 64 // characters in a word: with a field's name it mostly still fits into a line
	)
	b := make([]byte, 0, 3*len(s)+32)
	b = append(b, start...)
	word := len(start)
	for _, c := range s {
		var buf [4]byte
		n := utf8.EncodeRune(buf[:], c)
		width := 3 * n
		asIs := wordLiteral(c)
		if asIs {
			width = 1
		}
		if word+width > limit-2 { // section 5: a character may not be divided between words
			b = append(append(b, "?= "...), start...)
			word = len(start)
		}
		switch {
		case c == ' ':
			b = append(b, '_')
		case asIs:
			b = append(b, byte(c))
		default:
			for _, o := range buf[:n] {
				b = append(b, '=', hex[o>>4], hex[o&15])
			}
		}
		word += width
	}
	return string(append(b, "?="...))
}

// wordLiteral says whether c stands for itself in an encoded word anywhere, a display name included: section 5 (3).
func wordLiteral(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ' ' ||
		c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

// longWord says whether folding at spaces leaves a line longer than RFC 5322 section 2.1.1 allows.
func longWord(s string) bool {
	if len(s) <= 900 {
		return false
	}
	for word := range strings.SplitSeq(s, " ") {
		if len(word) > 900 {
			return true
		}
	}
	return false
}
