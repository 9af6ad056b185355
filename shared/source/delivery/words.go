package delivery

import (
	"errors"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"o2archiver/shared/jsonscan"
)

// errCharset reports a charset that is unknown here.
var errCharset = errors.New("the charset is unknown")

// charsetOf returns the encoding of a charset by its name, nil for UTF-8 and for a text without one.
func charsetOf(name string) (encoding.Encoding, error) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "", "us-ascii", "ascii", "utf-8", "utf8", "106", "3", "unicode-1-1-utf-8":
		return nil, nil
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
		return e, nil
	}
	if e, err := htmlindex.Get(name); err == nil {
		return e, nil
	}
	return nil, errCharset
}

// wordDecoder returns a decoder of encoded words (RFC 2047) in all known charsets.
func wordDecoder() *mime.WordDecoder {
	return &mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		e, err := charsetOf(charset)
		if err != nil || e == nil {
			return r, err
		}
		return e.NewDecoder().Reader(r), nil
	}}
}

// decodeWords decodes the encoded words in a header field. A field that cannot be decoded stays as it is.
func decodeWords(value string) string {
	if !strings.Contains(value, "=?") {
		return value
	}
	decoded, err := wordDecoder().DecodeHeader(value)
	if err != nil {
		return value
	}
	return decoded
}

// validText returns a text as valid UTF-8, as package jsonscan does.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return jsonscan.MarkInvalid([]byte(s))
}

// cutText returns the first n bytes of a text, without dividing a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
