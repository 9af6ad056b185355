package delivery

import (
	"errors"
	"io"
	"mime"
	"strings"
	"time"
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

// zones are the offsets of the zone names of RFC 5322 section 4.3. Any other name is of no known offset.
var zones = map[string]string{
	"UT": "+0000", "UTC": "+0000", "GMT": "+0000", "Z": "+0000",
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800",
	"PDT": "-0700",
}

// parseDate parses a date of RFC 5322, or of RFC 3339, with an offset. A date without one is not guessed.
func parseDate(value string) (time.Time, bool) {
	const longest = 200
	if len(value) > longest {
		return time.Time{}, false
	}
	value, _, _ = strings.Cut(value, "(") // a comment, mostly the name of the zone
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(value)); err == nil {
		return t.UTC(), true
	}
	if _, day, ok := strings.Cut(value, ","); ok {
		value = day
	}
	words := strings.Fields(value)
	if len(words) > 0 && len(words) == 6 && len(words[0]) == 3 { // a day's name without a comma
		words = words[1:]
	}
	if len(words) != 5 {
		return time.Time{}, false
	}
	if offset, ok := zones[strings.ToUpper(words[4])]; ok {
		words[4] = offset
	}
	text := strings.Join(words, " ")
	for _, layout := range []string{
		"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700", "2 Jan 06 15:04:05 -0700",
		"2 January 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -07:00",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
