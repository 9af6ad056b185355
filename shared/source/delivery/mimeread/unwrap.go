package mimeread

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"o2archiver/shared/record"
)

// maxHeaders is the maximum number of bytes of the headers of a message and of those that are unwrapped in it.
const maxHeaders = 2 * MaxHeader

// wrapping is what a Scanner and those of the messages in its message have in common.
type wrapping struct {
	unwrap  func(outer, inner Header) bool
	headers []Header // of the message, and of each message that was unwrapped in the one before
}

// Wrapped returns the headers of the messages that Next has unwrapped so far, each in the one before.
func (s *Scanner) Wrapped() []Header { return s.wrapping.headers[1:] }

// limit returns how many bytes the header of a further message may have.
func (w *wrapping) limit() int {
	left := maxHeaders
	for _, h := range w.headers {
		for _, f := range h.Fields {
			left -= len(f.Name) + len(f.Value)
		}
	}
	return max(0, min(left, MaxHeader))
}

// accept reports whether a message is to be unwrapped, and notes its header if it is.
func (w *wrapping) accept(inner Header) bool {
	isMessage := !inner.Cut && inner.Malformed < len(inner.Fields)
	if !isMessage || !w.unwrap(w.headers[len(w.headers)-1], inner) {
		return false
	}
	w.headers = append(w.headers, inner)
	return true
}

// enterLeaf begins a part that is no multipart. If that is a message to be unwrapped, it returns the first part of it,
// or nil if it has none.
func (s *Scanner) enterLeaf(p *Part) *Part {
	w := s.wrapping
	mayUnwrap := w.unwrap != nil && !s.itemDone && len(w.headers) <= MaxWrappers && isKnown(p.Encoding)
	if mayUnwrap && p.Type == "message/rfc822" && !isEncoded(p.Encoding) {
		return s.enterMessage(p)
	}
	s.body = &body{s: s}
	p.Body, p.damaged = decodeBody(p.Encoding, s.body, s.lineEnd)
	isMessage, isNamed := p.Type == "message/rfc822" || p.Type == "message/global", hasMessageName(p)
	if mayUnwrap && (isMessage || isNamed) && s.enterDecoded(p, !isMessage) {
		part, err := s.nextInner()
		if s.err == nil {
			s.err = err
		}
		if part == nil {
			s.skipBody()
		}
		return part
	}
	return p
}

// hasMessageName reports whether the name of a part's file is that of a message. Some programs attach the item to the
// report as a file.
func hasMessageName(p *Part) bool {
	name := strings.TrimSpace(p.FileName(nil))
	return len(name) >= 4 && record.EqualFoldASCII(name[len(name)-4:], ".eml")
}

// enterMessage begins a part that is a message without a transfer encoding. If it is unwrapped, its parts are found
// with those of the outer message, in one pass.
func (s *Scanner) enterMessage(p *Part) *Part {
	before := &bytes.Buffer{}
	inner := s.readHeader(headerOptions{limit: s.wrapping.limit(), raw: before, stop: true, message: true})
	if s.wrapping.accept(inner) {
		s.itemAt = len(s.stack)
		return s.enter(inner, "")
	}
	s.body = &body{s: s}
	p.Body = io.MultiReader(before, s.body)
	return p
}

// enterDecoded begins a part that is a message with a transfer encoding, or may be one by the name of its file only. It
// reports whether the message is unwrapped: then a Scanner of its own reads it. Otherwise the content of the part is as
// it was.
func (s *Scanner) enterDecoded(p *Part, byName bool) bool {
	before := &bytes.Buffer{}
	content := p.Body
	in := &recorder{r: content, to: before}
	inner := &Scanner{in: bufio.NewReaderSize(in, window), lineStart: true, wrapping: s.wrapping, depth: p.Depth}
	inner.sniff()
	inner.Header = inner.readHeader(headerOptions{limit: s.wrapping.limit(), stop: true, message: true})
	looksLikeOne := !byName || inner.Header.Malformed == 0 &&
		(inner.Header.Get("From") != "" || inner.Header.Get("Date") != "")
	if inner.err == nil && looksLikeOne && s.wrapping.accept(inner.Header) {
		in.to = nil
		s.inner, s.damaged = inner, p.damaged
		return true
	}
	p.Body = io.MultiReader(before, content)
	return false
}

// recorder is a reader that keeps what was read, as long as it has a buffer for that.
type recorder struct {
	r  io.Reader
	to *bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if r.to != nil {
		r.to.Write(p[:n])
	}
	return n, err
}

// nextInner returns the next part of the message that a Scanner of its own reads. Both results are nil if there is no
// such message, or after its end.
func (s *Scanner) nextInner() (*Part, error) {
	if s.inner == nil {
		return nil, nil
	}
	part, err := s.inner.Next()
	if err == nil {
		return part, nil
	}
	found, of := &s.Found, s.inner.Found
	found.TooDeep, found.TooMany = found.TooDeep || of.TooDeep, found.TooMany || of.TooMany
	found.Unclosed, found.NoParts = found.Unclosed || of.Unclosed, found.NoParts || of.NoParts
	found.Cut, found.HeaderCut = found.Cut || of.Cut, found.HeaderCut || of.HeaderCut
	found.Damaged = found.Damaged || of.Damaged || s.damaged != nil && *s.damaged
	s.inner, s.itemDone = nil, true
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return nil, err
}
