// Package mimeread reads an RFC 5322 message part by part, once, from its beginning to its end, in memory that does
// not depend on its size. It accepts what programs really write: parts that are never closed, headers without the
// empty line after them, unknown encodings, line ends of any kind. It returns what it could read and reports what it
// could not.
//
// The structure is found by one pass over the lines with a stack of boundaries, not by a reader per level: a message
// that is nested deeper than any program would nest it costs no more than a flat one.
package mimeread

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Limits for one message, which bound its memory. What exceeds one is reported by Scanner.Found.
const (
	MaxHeader     = 8 << 20  // bytes of a message's header
	MaxPartHeader = 64 << 10 // bytes of a part's header
	MaxDepth      = 100      // levels of multiparts; a deeper one is a part like any other
	MaxParts      = 10_000
	MaxWrappers   = 5 // journal reports around an item

	maxFields   = 10_000
	maxBoundary = 1_000    // bytes; RFC 2046 section 5.1.1 allows 70
	maxLoose    = 4 << 20  // bytes of a multipart that has no part
	window      = 16 << 10 // bytes of a line that are looked at together
)

// Part is a part of a message that is not a multipart itself.
type Part struct {
	Header   Header
	Type     string            // media type in lower case, without parameters; text/plain if there is none
	Params   map[string]string // parameters of the type, names in lower case
	Encoding string            // transfer encoding, in lower case
	Within   string            // type of the multipart that it is a part of, "" if it is all of a message
	Depth    int               // number of multiparts around it
	Ordinal  int               // counted from 0, over all parts of the message
	Body     io.Reader         // decoded; valid until the next call of Next

	damaged *bool
	loose   bool // it is the text of a multipart without parts
}

// Undecoded reports whether the transfer encoding is unknown, so that Body is as it is in the message.
func (p *Part) Undecoded() bool { return !p.loose && !isKnown(p.Encoding) }

// Damaged reports whether characters of the transfer encoding were dropped, as far as Body was read.
func (p *Part) Damaged() bool { return p.damaged != nil && *p.damaged }

// Found is what a message has besides its parts.
type Found struct {
	TooDeep   bool // a multipart below MaxDepth levels is a part in one piece
	TooMany   bool // the parts after the first MaxParts were not read
	Unclosed  bool // the message ends before its multiparts are closed: it may be cut short
	NoParts   bool // a multipart has no part or no boundary; the text in it is a part of type text/plain
	Cut       bool // more of the text of such a multipart than fits was not read
	HeaderCut bool // a header of a part was longer than MaxPartHeader
	Damaged   bool // a message that was unwrapped is in Base64, of which characters were dropped
	UTF16     bool // the message is text in UTF-16, of which nothing can be read
}

// Scanner reads one message.
type Scanner struct {
	Header Header // of the message
	Found  Found

	in        *bufio.Reader
	lineEnd   byte  // the last one of a line end
	err       error // of the input, other than io.EOF
	lineStart bool
	stack     []container // the open ones, the innermost last
	pending   *delimiter  // was read and ends the current body
	body      *body
	parts     int
	started   bool
	done      bool

	wrapping *wrapping
	inner    *Scanner // of a message in this one that is decoded and read in place of it
	damaged  *bool    // of the decoder that inner reads from
	depth    int      // multiparts around the message
	itemAt   int      // length of the stack where the innermost message that was unwrapped begins
	itemDone bool     // that message was read
}

// container is an open multipart.
type container struct{ boundary, kind string }

// delimiter is a line between the parts of the multipart at a level of the stack.
type delimiter struct {
	level int
	last  bool
}

// NewScanner reads the header of a message and returns a Scanner for its parts. unwrap reports whether a message that
// is a part, with the header inner, is to be read in place of the one that it is in, with the header outer, as it is in
// a journal report. In a message that is read so, it is asked again, for at most MaxWrappers levels. unwrap may be nil.
func NewScanner(r io.Reader, unwrap func(outer, inner Header) bool) *Scanner {
	s := &Scanner{in: bufio.NewReaderSize(r, window), lineStart: true, wrapping: &wrapping{unwrap: unwrap}}
	s.sniff()
	s.Header = s.readHeader(headerOptions{limit: MaxHeader, message: true})
	s.wrapping.headers = []Header{s.Header}
	return s
}

// Next returns the next part. It returns io.EOF after the last one, and any error of the input as it is.
func (s *Scanner) Next() (*Part, error) {
	part, err := s.nextInner()
	if part == nil && err == nil {
		part = s.nextOwn()
	}
	switch {
	case err != nil:
		return nil, err
	case s.err != nil:
		return nil, s.err
	case part == nil:
		return nil, io.EOF
	case s.parts == MaxParts:
		s.Found.TooMany, s.done, s.body, s.inner = true, true, nil, nil
		return nil, io.EOF
	}
	part.Ordinal = s.parts
	s.parts++
	return part, nil
}

// nextOwn returns the next part that no inner Scanner reads, or nil.
func (s *Scanner) nextOwn() *Part {
	s.skipBody()
	var part *Part
	if !s.started {
		s.started = true
		part = s.enter(s.Header, "")
	}
	for part == nil && !s.done && s.err == nil {
		part = s.advance()
	}
	return part
}

// skipBody reads the rest of the current body.
func (s *Scanner) skipBody() {
	if s.body != nil {
		_, _ = io.Copy(io.Discard, s.body) // its error is s.err
		s.body = nil
	}
}

// advance goes past a delimiter. It returns the part that follows, or nil: the next delimiter follows, or the end.
func (s *Scanner) advance() *Part {
	if s.pending == nil {
		if s.done = !s.skipToDelimiter(); s.done {
			s.Found.Unclosed = len(s.stack) > 0
			return nil
		}
	}
	d := *s.pending
	s.pending = nil
	s.itemDone = s.itemDone || d.level < s.itemAt
	if d.last {
		s.stack = s.stack[:d.level]
		return nil
	}
	s.stack = s.stack[:d.level+1]
	h := s.readHeader(headerOptions{limit: MaxPartHeader})
	s.Found.HeaderCut = s.Found.HeaderCut || h.Cut
	return s.enter(h, s.stack[d.level].kind)
}

// skipToDelimiter reads to the next delimiter of an open multipart, and reports whether there is one.
func (s *Scanner) skipToDelimiter() bool {
	for !s.atDelimiter() {
		if _, ok := s.nextPiece(); !ok {
			return false
		}
	}
	return true
}

// enter begins what follows a header: a part, which it returns, or a multipart, whose first delimiter it reads up to.
// within is the type of the multipart that it is a part of, "" if the header is that of a message.
func (s *Scanner) enter(h Header, within string) *Part {
	p := &Part{Header: h, Within: within, Depth: s.depth + len(s.stack)}
	contentType := h.Get("Content-Type")
	p.Type, p.Params = parseType(contentType)
	if within == "multipart/digest" && contentType == "" { // RFC 2046 section 5.1.5
		p.Type = "message/rfc822"
	}
	p.Encoding = Token(h.Get("Content-Transfer-Encoding"))
	boundary := p.Params["boundary"]
	switch {
	case !strings.HasPrefix(p.Type, "multipart/"):
	case p.Depth >= MaxDepth:
		s.Found.TooDeep = true
	case boundary != "" && len(boundary) <= maxBoundary:
		return s.enterMultipart(p, boundary)
	default: // without a boundary, all that follows is one text
		s.Found.NoParts = true
		p.Type, p.Params, p.loose = defaultType, map[string]string{}, true
	}
	return s.enterLeaf(p)
}

// enterMultipart reads the text before the first part of a multipart. It returns nil, or, if no part follows, a part
// with that text: with a wrong boundary it is all that the message has.
func (s *Scanner) enterMultipart(p *Part, boundary string) *Part {
	s.stack = append(s.stack, container{boundary, p.Type})
	level := len(s.stack) - 1
	loose, cut := bytes.Buffer{}, false
	for !s.atDelimiter() {
		piece, ok := s.nextPiece()
		if !ok {
			break
		}
		if cut = cut || loose.Len()+len(piece) > maxLoose; !cut {
			loose.Write(piece)
		}
	}
	if s.pending != nil && s.pending.level == level && !s.pending.last {
		return nil
	}
	if s.pending == nil {
		s.done = true
	}
	if s.pending == nil || s.pending.level < level {
		s.Found.Unclosed = true
	}
	if len(bytes.TrimSpace(loose.Bytes())) == 0 {
		return nil
	}
	s.Found.NoParts, s.Found.Cut = true, s.Found.Cut || cut
	p.Type, p.Params, p.Body, p.loose = defaultType, map[string]string{}, &loose, true
	return p
}

// nextPiece returns the next line with its end, or the next window of a longer one. It is valid until the next call. ok
// is false at the end of the input.
func (s *Scanner) nextPiece() (piece []byte, ok bool) {
	piece, err := s.in.ReadSlice(s.lineEnd)
	switch {
	case err == nil:
		s.lineStart = true
	case errors.Is(err, bufio.ErrBufferFull):
		s.lineStart = false
	case !errors.Is(err, io.EOF):
		s.err = err
		return nil, false
	}
	return piece, len(piece) > 0
}

// atDelimiter reports whether the next line is a delimiter of an open multipart, reads it, and sets pending to it.
func (s *Scanner) atDelimiter() bool {
	if s.pending != nil {
		return true
	}
	if !s.lineStart || len(s.stack) == 0 {
		return false
	}
	if start, _ := s.in.Peek(2); string(start) != "--" {
		return false
	}
	line := s.peekLine()
	for level := len(s.stack) - 1; level >= 0; level-- {
		rest, ok := bytes.CutPrefix(line[2:], []byte(s.stack[level].boundary))
		if !ok {
			continue
		}
		// RFC 2046 section 5.1.1: white space may follow a delimiter.
		rest, last := bytes.CutPrefix(rest, []byte("--"))
		if len(bytes.TrimRight(rest, " \t\r\n")) > 0 {
			continue
		}
		_, _ = s.in.Discard(len(line)) // it was peeked at
		s.pending = &delimiter{level: level, last: last}
		return true
	}
	return false
}

// peekLine returns the next line with its end without reading it, or the beginning of one that cannot be a delimiter.
func (s *Scanner) peekLine() []byte {
	for size := 256; ; size *= 2 {
		size = min(size, 2*maxBoundary)
		line, err := s.in.Peek(size)
		if end := bytes.IndexByte(line, s.lineEnd); end >= 0 {
			return line[:end+1]
		}
		if err != nil || size == 2*maxBoundary {
			return line
		}
	}
}

// body is the content of a part as it is in the message, up to the delimiter that ends it. The line end before the
// delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
type body struct {
	s    *Scanner
	rest []byte // of the current piece
	held []byte // line end that is content only if no delimiter follows
	buf  [2]byte
	end  bool
}

func (b *body) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(b.rest) == 0 {
			if b.end {
				break
			}
			b.fill()
		}
		c := copy(p[n:], b.rest)
		b.rest = b.rest[c:]
		n += c
	}
	switch {
	case n > 0 || len(p) == 0:
		return n, nil
	case b.s.err != nil:
		return 0, b.s.err
	}
	return 0, io.EOF
}

// fill reads the next piece of the body. A held line end is returned before the piece that follows it.
func (b *body) fill() {
	if b.s.atDelimiter() {
		b.end = true
		return
	}
	if len(b.held) > 0 {
		b.rest, b.held = b.held, nil
		return
	}
	piece, ok := b.s.nextPiece()
	if !ok {
		b.end = true
		b.s.Found.Unclosed = b.s.Found.Unclosed || len(b.s.stack) > 0
		b.s.done = true
		return
	}
	text := bytes.TrimSuffix(piece, []byte{b.s.lineEnd})
	if len(text) < len(piece) && b.s.lineEnd == '\n' {
		text = bytes.TrimSuffix(text, []byte("\r"))
	}
	b.rest, b.held = text, append(b.buf[:0], piece[len(text):]...)
}
