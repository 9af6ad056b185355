package mimeread

import (
	"bufio"
	"bytes"
	"io"
)

// isEncoded reports whether a transfer encoding changes the content.
func isEncoded(encoding string) bool { return encoding == "base64" || encoding == "quoted-printable" }

// isKnown reports whether a transfer encoding is known, those of RFC 2045 section 6 and the words that programs write
// for none.
func isKnown(encoding string) bool {
	switch encoding {
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "7", "8", "utf-8", "utf8", "us-ascii", "none", "identity":
		return true
	}
	return isEncoded(encoding)
}

// decodeBody returns a reader of the decoded content. An unknown encoding is not decoded. Errors in an encoding are not
// errors of the reader: what can be decoded is content (RFC 2045 sections 6.7 and 6.8), and damaged, unless it is nil,
// becomes true if anything else was dropped.
func decodeBody(encoding string, r io.Reader, lineEnd byte) (content io.Reader, damaged *bool) {
	switch encoding {
	case "base64":
		b := newBase64Reader(r)
		return b, &b.damaged
	case "quoted-printable":
		return &quotedReader{in: bufio.NewReader(r), lineEnd: lineEnd}, nil
	}
	return r, nil
}

// base64Reader decodes Base64, and ignores characters that are not of its alphabet, as RFC 2045 section 6.8 demands. A
// padding character ends a quantum and not the content, because some programs encode a file in pieces.
type base64Reader struct {
	in    io.Reader
	text  []byte // what is read at a time
	bits  uint32
	count int    // characters in bits
	out   []byte // decoded from text
	ready []byte // of out, what is not returned yet
	err   error

	damaged bool // characters were dropped that are neither of the alphabet nor white space
}

const base64Window = 4 << 10 // characters that are decoded together

func newBase64Reader(in io.Reader) *base64Reader {
	return &base64Reader{in: in, text: make([]byte, base64Window), out: make([]byte, 0, base64Window)}
}

func (b *base64Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.ready) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		var n int
		n, b.err = b.in.Read(b.text)
		b.out = b.out[:0]
		b.decode(b.text[:n])
		if b.err != nil {
			b.flushQuantum()
		}
		b.ready = b.out
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// decode appends to out what the characters complete.
func (b *base64Reader) decode(text []byte) {
	for i := 0; i < len(text); i++ {
		for b.count == 0 && i+4 <= len(text) { // whole quanta without anything between them
			v0, v1 := base64Values[text[i]], base64Values[text[i+1]]
			v2, v3 := base64Values[text[i+2]], base64Values[text[i+3]]
			if v0|v1|v2|v3 > 63 {
				break
			}
			b.out = append(b.out, v0<<2|v1>>4, v1<<4|v2>>2, v2<<6|v3)
			i += 4
		}
		if i == len(text) {
			return
		}
		value := base64Values[text[i]]
		switch {
		case text[i] == '=':
			b.flushQuantum()
			continue
		case value == notBase64:
			c := text[i]
			b.damaged = b.damaged || c != ' ' && c != '\t' && c != '\r' && c != '\n'
			continue
		}
		b.bits = b.bits<<6 | uint32(value)
		if b.count++; b.count == 4 {
			b.flushQuantum()
		}
	}
}

// flushQuantum appends to out the whole bytes of the characters so far.
func (b *base64Reader) flushQuantum() {
	size := max(0, b.count-1)
	b.damaged = b.damaged || b.count == 1 // six bits of a byte
	bits := b.bits << (6 * (4 - b.count))
	b.out = append(b.out, []byte{byte(bits >> 16), byte(bits >> 8), byte(bits)}[:size]...)
	b.bits, b.count = 0, 0
}

// notBase64 is the value of a character outside of the alphabet.
const notBase64 = 0xff

// base64Values are the values of the characters.
var base64Values = func() (values [256]byte) {
	for i := range values {
		values[i] = notBase64
	}
	for value, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		values[c] = byte(value)
	}
	return values
}()

// quotedReader decodes Quoted-Printable. An equals sign that begins no valid code is content (RFC 2045 section 6.7).
type quotedReader struct {
	in      *bufio.Reader
	lineEnd byte
	ready   []byte
	err     error
}

func (q *quotedReader) Read(p []byte) (int, error) {
	for len(q.ready) == 0 {
		if q.err != nil {
			return 0, q.err
		}
		var line []byte
		line, q.err = q.in.ReadSlice(q.lineEnd)
		whole := q.err == nil || q.err == io.EOF
		if q.err == bufio.ErrBufferFull {
			q.err = nil
			// A code that the buffer divides is completed with the bytes after it.
			line = append([]byte(nil), line...)
			for range 2 {
				if at := bytes.LastIndexByte(line, '='); at < 0 || at < len(line)-2 {
					break
				}
				c, err := q.in.ReadByte()
				if err != nil {
					q.err = err
					break
				}
				line = append(line, c)
				whole = c == q.lineEnd
			}
		}
		q.ready = decodeQuoted(line, whole)
	}
	n := copy(p, q.ready)
	q.ready = q.ready[n:]
	return n, nil
}

// decodeQuoted decodes a line, or the beginning of one. whole means that line ends with a line end or is the last one.
func decodeQuoted(line []byte, whole bool) []byte {
	end := []byte(nil)
	if whole {
		text := bytes.TrimRight(line, " \t\r\n") // white space at the end was added on the way
		end = line[len(text):]
		if at := bytes.IndexAny(end, "\r\n"); at >= 0 {
			end = end[at:]
		}
		line = text
		if bytes.HasSuffix(line, []byte("=")) {
			line, end = line[:len(line)-1], nil
		}
	}
	out := make([]byte, 0, len(line)+len(end))
	for i := 0; i < len(line); i++ {
		if line[i] == '=' && i+2 < len(line) {
			high, low := hexValue(line[i+1]), hexValue(line[i+2])
			if high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
				continue
			}
		}
		out = append(out, line[i])
	}
	return append(out, end...)
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
