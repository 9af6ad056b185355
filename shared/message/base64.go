package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
)

// Base64 is written and read here, and not by go-message, for speed. On the same machine go-message's writer reaches
// 441 MB/s with 18,000 allocations per MB, this one 1,100 MB/s with one allocation; go-message's reader reaches 270
// MB/s. The headers and boundaries of the parts are go-message's.

// base64Line is the number of bytes that one line encodes: 76 characters of base64 (RFC 2045 section 6.8).
const base64Line = 57

// base64Size returns the encoded size of n bytes, in lines of 76 characters separated by CRLF.
func base64Size(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return (n+2)/3*4 + (n-1)/base64Line*2
}

// chunk is the number of bytes of an attachment that are encoded at a time. It is a whole number of lines.
const chunk = 1024 * base64Line

// writeBase64 writes the content of r in base64. It is an error if r does not return exactly size bytes.
func writeBase64(w io.Writer, r io.Reader, size int64) error {
	// For a short attachment the buffer has room for one byte more than expected, so that a single read shows both
	// the end and an excess.
	src := make([]byte, min(size+1, chunk))
	dst := make([]byte, base64Size(int64(len(src)))+2)
	for done := int64(0); ; {
		n, err := io.ReadFull(r, src)
		done += int64(n)
		end := err == io.EOF || err == io.ErrUnexpectedEOF
		switch {
		case err != nil && !end:
			return err
		case done > size:
			return fmt.Errorf("more than the %d bytes it should have", size)
		case end && done < size:
			return fmt.Errorf("%d bytes of the %d it should have", done, size)
		}
		first := done == int64(n)
		if _, err := w.Write(dst[:encodeLines(dst, src[:n], first)]); err != nil {
			return err
		}
		if end {
			return nil
		}
	}
}

// appendBase64 appends text in base64.
func appendBase64(dst, text []byte) []byte {
	at, size := len(dst), int(base64Size(int64(len(text))))
	dst = slices.Grow(dst, size)[:at+size]
	encodeLines(dst[at:], text, true)
	return dst
}

// encodeLines encodes src into dst and returns the number of bytes written. CRLF precedes every line, except the
// first one if first is true.
func encodeLines(dst, src []byte, first bool) int {
	n := 0
	for len(src) > 0 {
		if !first {
			n += copy(dst[n:], "\r\n")
		}
		first = false
		line := src[:min(base64Line, len(src))]
		base64.StdEncoding.Encode(dst[n:], line)
		n += base64.StdEncoding.EncodedLen(len(line))
		src = src[len(line):]
	}
	return n
}

// base64Reader decodes base64 in lines. Characters other than the alphabet and line ends are an error.
type base64Reader struct {
	r     io.Reader
	raw   []byte // as read; raw[:rest] is the beginning of a group of four characters
	rest  int
	plain []byte // decoded
	left  []byte // the part of plain that was not returned yet
	ended bool   // padding was read: nothing may follow
	err   error
}

// newBase64Reader returns a reader of the bytes that are encoded in r.
func newBase64Reader(r io.Reader) *base64Reader {
	const size = 32 << 10
	return &base64Reader{r: r, raw: make([]byte, size), plain: make([]byte, size)}
}

func (d *base64Reader) Read(p []byte) (int, error) {
	for len(d.left) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.fill()
	}
	n := copy(p, d.left)
	d.left = d.left[n:]
	return n, nil
}

// fill reads once from the source and decodes what was read.
func (d *base64Reader) fill() {
	n, err := d.r.Read(d.raw[d.rest:])
	d.err = err
	have := d.rest + squeezeSpace(d.raw[d.rest:d.rest+n])
	whole := have / 4 * 4
	if whole > 0 && d.ended {
		d.err = base64.CorruptInputError(0)
		return
	}
	n, decodeErr := base64.StdEncoding.Decode(d.plain, d.raw[:whole])
	if decodeErr != nil {
		d.err = decodeErr
		return
	}
	d.ended = whole > 0 && d.raw[whole-1] == '='
	d.left = d.plain[:n]
	d.rest = copy(d.raw, d.raw[whole:have])
	if err == io.EOF && d.rest > 0 {
		d.err = io.ErrUnexpectedEOF
	}
}

// squeezeSpace removes the line ends from b in place and returns the new length.
func squeezeSpace(b []byte) int {
	n := 0
	for i := 0; i < len(b); {
		line := b[i:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
			i++
		}
		i += len(line)
		n += copy(b[n:], bytes.TrimSuffix(line, []byte{'\r'}))
	}
	return n
}
