package message

import (
	"bufio"
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/textproto"

	"o2archiver/shared/record"
)

// textType is the content type of the text. It is plain text, so HTML in it is shown and never rendered.
const textType = "text/plain; charset=utf-8"

// fields collects the fields of a header, folded.
//
// QUIRK: go-message folds a line of encoded words only before column 998 if the first of them does not fit after the
// field's name. RFC 2047 section 2 allows such a line 76 characters, so the fields are folded here.
type fields struct {
	b   []byte
	err error
}

const lineLimit = 76

// itemField returns the field of the source's item from which a header field is made, for the errors about it.
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

// add adds a field. value MUST have single spaces and none at its ends: the field may be folded at each of them, and
// unfolding returns the same value. A value that is not ASCII sets f.err.
func (f *fields) add(name, value string) {
	if !isASCII(value) {
		// The last check before the header is written. All values that arrive here should be ASCII.
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
		// RFC 5322 allows folding before the first word, but some programs then take the field for empty. So only
		// encoded words are folded there, which have to be on short lines; other words stay below the 998 characters
		// that a line may have.
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

// render returns the header's bytes with the empty line at its end.
func (f *fields) render() ([]byte, error) {
	return append(f.b, "\r\n"...), f.err
}

// header returns the header in go-message's form.
func (f *fields) header() (textproto.Header, error) {
	if f.err != nil {
		return textproto.Header{}, f.err
	}
	return textproto.ReadHeader(bufio.NewReader(bytes.NewReader(append(f.b, "\r\n"...))))
}

// encodeWords returns s for a header: unchanged if possible, else in encoded words (RFC 2047). Encoding is needed for
// characters outside ASCII, words that are too long, and text that readers would decode as encoded words. s must not
// contain control characters.
func encodeWords(s string) string {
	if isPlain(s) && !longWord(s) && !(strings.IndexByte(s, '=') >= 0 && strings.Contains(s, "=?")) {
		return s
	}
	const (
		hex   = "0123456789ABCDEF"
		start = "=?utf-8?q?"
		limit = 64 // characters in an encoded word, so that one mostly fits on a line with the field's name
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
		if word+width > limit-2 { // section 5: a character must not be divided between words
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

// wordLiteral reports whether c may stand for itself in an encoded word everywhere, display names included (section 5
// (3)).
func wordLiteral(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ' ' ||
		c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

// longWord reports whether s has a word that is too long for the lines that RFC 5322 section 2.1.1 allows.
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
