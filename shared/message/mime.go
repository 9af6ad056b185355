package message

import (
	"bytes"
	"fmt"

	"github.com/emersion/go-message/textproto"
)

// layOut builds the message, except for the attachments' bytes. Its structure, without the levels that have nothing
// in them:
//
//	multipart/mixed                 RFC 2046 section 5.1.3; also without other attachments if there is no HTML
//	  multipart/alternative         section 5.1.4
//	    text/plain
//	    multipart/related           RFC 2387
//	      text/html
//	      the pictures shown in it
//	  the other attachments
//
// The levels with attachments are written by go-message. multipart/alternative, which every message has, is written
// directly, because a short text takes half as long again with go-message.
func (m *Message) layOut(in *room, head *fields, key string, files []file) error {
	l := &layout{m: m, key: key}
	alone := len(in.html) == 0 // no HTML, so no picture can be shown
	var pictures, others []*file
	for i := range files {
		switch f := &files[i]; {
		case f.absent != "":
		case f.cid != "" && !alone:
			pictures = append(pictures, f)
		default:
			others = append(others, f)
		}
	}
	outermost := alternative
	if len(others) > 0 || alone {
		outermost = mixed
	}
	head.add("Content-Type", l.multipart(outermost))
	b, err := head.render()
	if err != nil {
		return fmt.Errorf("build header: %w", err)
	}
	l.buf.b = b
	switch {
	case outermost == alternative:
		l.alternative(in.text, in.html, pictures)
	case alone:
		l.buf.put("--", l.boundary(mixed), "\r\n")
		l.text(textType, in.text)
		l.buf.put("\r\n")
		mw := l.writer(mixed)
		l.files(mw, others, false)
		if len(others) > 0 {
			l.note(mw.Close())
		} else {
			l.buf.put("--", l.boundary(mixed), "--\r\n")
		}
	default:
		mw := l.writer(mixed)
		l.part(mw, l.multipartHeader(alternative))
		l.alternative(in.text, in.html, pictures)
		l.files(mw, others, false)
		l.note(mw.Close())
	}
	if in.message = l.buf.b; cap(in.message) > maxRoom {
		m.bytes, in.message = in.message, nil // leave would not keep so large a buffer: no copy is needed
	} else {
		m.bytes = bytes.Clone(in.message)
	}
	return l.err
}

// layout writes the parts of a message. It keeps the first error.
type layout struct {
	m   *Message
	key string
	buf buffer
	err error
}

// buffer is the io.Writer that collects the message.
type buffer struct{ b []byte }

func (w *buffer) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// put appends texts.
func (w *buffer) put(parts ...string) {
	for _, s := range parts {
		w.b = append(w.b, s...)
	}
}

const (
	mixed       = "mixed"
	alternative = "alternative"
	related     = "related"
)

// alternative writes the text and then its HTML form, with the pictures that it shows.
func (l *layout) alternative(text, html []byte, pictures []*file) {
	border := l.boundary(alternative)
	l.buf.put("--", border, "\r\n")
	l.text(textType, text)
	l.buf.put("\r\n--", border, "\r\n")
	if len(pictures) == 0 {
		l.text(htmlType, html)
	} else {
		l.buf.put("Content-Type: multipart/related; type=\"text/html\";\r\n boundary=\"",
			l.boundary(related), "\"\r\n\r\n")
		l.buf.put("--", l.boundary(related), "\r\n")
		l.text(htmlType, html)
		l.buf.put("\r\n")
		mw := l.writer(related)
		l.files(mw, pictures, true)
		l.note(mw.Close())
	}
	l.buf.put("\r\n--", border, "--\r\n")
}

// text writes a part with its header. It is in quoted-printable, which people can read, or in base64 if more than a
// quarter of the text would be escaped (non-Latin scripts, binary data). Both preserve every byte: line ends other
// than CRLF, blanks at the ends of lines, and NUL.
func (l *layout) text(media string, text []byte) {
	head := func(encoding string) {
		l.buf.put("Content-Type: ", media, "\r\nContent-Transfer-Encoding: ", encoding, "\r\n\r\n")
	}
	at := len(l.buf.b)
	// Counted first: quoted-printable would need memory for three times the text.
	if len(text) > maxRoom && countEncoded(text) > len(text)/4 {
		head("base64")
		l.buf.b = appendBase64(l.buf.b, text)
		return
	}
	head("quoted-printable")
	var odd int
	if l.buf.b, odd = appendQuoted(l.buf.b, text); odd > len(text)/4 {
		l.buf.b = l.buf.b[:at]
		head("base64")
		l.buf.b = appendBase64(l.buf.b, text)
	}
}

// boundary returns a boundary, a different one for each level. By RFC 2045 section 6.7, "=_" cannot occur in a
// quoted-printable or base64 body. So no text can contain a boundary, even if its author knows how it is derived.
func (l *layout) boundary(kind string) string { return "=_o2_" + kind[:1] + "_" + l.key }

// multipart returns the content type of a multipart with its boundary.
func (l *layout) multipart(kind string) string {
	return "multipart/" + kind + `; boundary="` + l.boundary(kind) + `"`
}

// multipartHeader returns the header of a multipart.
func (l *layout) multipartHeader(kind string) textproto.Header {
	var h fields
	h.add("Content-Type", l.multipart(kind))
	header, err := h.header()
	l.note(err)
	return header
}

// writer returns go-message's writer for the parts of a multipart.
func (l *layout) writer(kind string) *textproto.MultipartWriter {
	mw := textproto.NewMultipartWriter(&l.buf)
	l.note(mw.SetBoundary(l.boundary(kind)))
	return mw
}

// part begins a part. Its body is written to l.buf.
func (l *layout) part(mw *textproto.MultipartWriter, h textproto.Header) {
	_, err := mw.CreatePart(h)
	l.note(err)
}

// files writes the headers of attachments, and records where in the message their bytes belong.
func (l *layout) files(mw *textproto.MultipartWriter, files []*file, inline bool) {
	for _, f := range files {
		h, err := f.fields(inline)
		l.note(err)
		l.part(mw, h)
		l.m.parts = append(l.m.parts, part{len(l.buf.b), f.Blob(), f.Size})
	}
}

// note keeps the first error.
func (l *layout) note(err error) {
	if l.err == nil && err != nil {
		l.err = fmt.Errorf("build parts: %w", err)
	}
}
