package telemessage

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"

	"o2archiver/shared/jsonscan"
)

// InlineContent returns the bytes of the attachment with this index in Outline.Attachments, decoded while they are
// read. They are Base64 in the standard or URL alphabet, with or without padding and white space (RFC 4648 sections 4
// and 5, RFC 2045 section 6.8), also as a data URL (RFC 2397). If the content is not valid Base64, reading returns a
// base64.CorruptInputError.
func InlineContent(raw []byte, index int) (io.Reader, error) {
	contents, err := ReadContents(raw)
	if err != nil {
		return nil, err
	}
	return contents.Open(index)
}

// Contents are the inline contents of one item's attachments. An item may have thousands of them, and is parsed once
// for all.
type Contents struct{ it *item }

// ReadContents returns the contents of an item.
func ReadContents(raw []byte) (*Contents, error) {
	it, err := readItem(raw)
	if err != nil {
		return nil, fmt.Errorf("open inline content: %w", err)
	}
	return &Contents{it}, nil
}

// Open is InlineContent for an item that has been parsed.
func (c *Contents) Open(index int) (io.Reader, error) {
	it := c.it
	if index < 0 || index >= len(it.sources) {
		return nil, fmt.Errorf("open inline content: the item has %d attachments", len(it.sources))
	}
	if !it.sources[index].Inline {
		return nil, errors.New("open inline content: the attachment has none")
	}
	content := it.contents[index]
	content = content[1 : len(content)-1]
	const head = 200 // maximum length of a data URL's type and parameters
	if bytes.HasPrefix(content, []byte("data:")) {
		if i := bytes.Index(content[:min(len(content), head)], []byte(";base64,")); i >= 0 {
			content = content[i+len(";base64,"):]
		}
	}
	return base64.NewDecoder(base64.RawStdEncoding, &base64Text{rest: content}), nil
}

// base64Text is a reader that converts the inside of a JSON string to the one form of Base64 that the decoder
// accepts.
type base64Text struct {
	rest   []byte
	read   int64 // characters of the string read so far
	ending bool  // the first = was read
}

func (b *base64Text) Read(p []byte) (n int, err error) {
	for n < len(p) && len(b.rest) > 0 {
		c, size := b.next()
		b.rest = b.rest[size:]
		b.read += int64(size)
		switch {
		case jsonscan.IsBlank(c):
			continue
		case c == '=':
			b.ending = true
			continue
		case b.ending, !inAlphabet(c):
			b.rest = nil
			return n, base64.CorruptInputError(b.read - int64(size))
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		}
		p[n] = c
		n++
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// next returns the next character of the JSON string and its length in bytes; c is 0 for any that is not ASCII.
func (b *base64Text) next() (c byte, size int) {
	if b.rest[0] != '\\' {
		return b.rest[0], 1
	}
	switch c := b.rest[1]; c {
	case 'n', 'r', 't':
		return ' ', 2
	case 'b', 'f':
		return 0, 2
	case 'u':
		unit, err := strconv.ParseUint(string(b.rest[2:6]), 16, 16)
		if err != nil || unit > 0x7F {
			return 0, 6
		}
		return byte(unit), 6
	default:
		return c, 2
	}
}

// inAlphabet reports whether c is in the standard or the URL alphabet of Base64.
func inAlphabet(c byte) bool {
	switch {
	case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/', c == '-', c == '_':
		return true
	}
	return false
}
