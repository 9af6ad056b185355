// Package message makes an RFC 5322 message of an archived record, the same bytes on every run, and
// reads such a message back part by part. Texts, names, numbers and file names in a record are
// the source's and hostile: none of them gets out of the place it belongs to.
//
// What a record holds is in the text, in headers of a small fixed set, or in an attachment. The text of
// the message comes first, byte for byte; a block about the item follows below a line.
package message

import (
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message/textproto"

	"o2archiver/shared/record"
)

const (
	// RFC 2606 section 2: nothing below .invalid will ever be somebody's address.
	domain       = "o2archiver.invalid"
	senderDomain = "sms." + domain
	threadDomain = "conversation." + domain

	format       = "1" // of the message: what X-O2-Format says
	maxRecipient = 500 // Microsoft Graph: a message has at most 500 recipients
)

// Options are what the form of a message depends on besides the record.
type Options struct {
	Region string // ISO 3166, two letters: where a number without a country code belongs to

	// Numbers may be nil, and makes many messages faster if it isn't.
	Numbers *Numbers

	// Omit says why an attachment is left out of the message, in plain words; "" keeps it.
	// The text then names the attachment and the reason. nil keeps all.
	Omit func(a record.Attachment) string
}

// Message is one message ready to be written. It holds no attachment's bytes, and may be written any
// number of times, also by several goroutines at once.
type Message struct {
	id       string
	head     []byte // the header with the empty line after it; nil without attachments
	body     []byte // the text, encoded; without attachments behind the header
	boundary string // "" without attachments
	text     textproto.Header
	parts    []part
	size     int64
}

// Build makes the message of a record. The same record and options give the same message. It
// refuses with a *record.Fault what record.Check refuses, and more than 1,000 attachments.
func Build(r *record.Record, o Options) (*Message, error) {
	if err := record.Check(r); err != nil {
		return nil, err
	}
	if r.Time.UTC().Year() > 9999 {
		// RFC 5322 section 3.3: a year has four digits here.
		return nil, &record.Fault{Field: "messageTime", Reason: "lies after the year 9999"}
	}
	key := record.MessageKey(r.ID)[:40]
	files, err := attachments(r, o.Omit)
	if err != nil {
		return nil, err
	}
	cast := castOf(r, o)

	m := &Message{id: key + "@" + domain}
	text := appendText(make([]byte, 0, 2048+len(r.Text)), r, cast, files)
	encoding := encodingOf(text)
	h := headerOf(r, m.id, cast, len(text))
	if m.parts = kept(files); len(m.parts) == 0 {
		h.add("Content-Type", textType)
		h.add("Content-Transfer-Encoding", encoding)
		head, err := h.render()
		if err != nil {
			return nil, fmt.Errorf("build header: %w", err)
		}
		m.body = appendEncoded(head, text, encoding)
		return m, m.measure()
	}

	// RFC 2045 section 6.7: "=_" can be in no quoted-printable or base64 body, so no
	// text can hold the boundary, however well its author knows how it is derived.
	m.boundary = "=_o2_" + key
	h.add("Content-Type", `multipart/mixed; boundary="`+m.boundary+`"`)
	if m.head, err = h.render(); err != nil {
		return nil, fmt.Errorf("build header: %w", err)
	}
	var t fields
	t.add("Content-Type", textType)
	t.add("Content-Transfer-Encoding", encoding)
	if m.text, err = t.header(); err != nil {
		return nil, fmt.Errorf("build text part: %w", err)
	}
	m.body = appendEncoded(nil, text, encoding)
	return m, m.measure()
}

// ID is the Message-ID without the angle brackets. It depends on the record's ID alone.
func (m *Message) ID() string { return m.id }

// Size is how many bytes Write gives, attachments in base64 included.
func (m *Message) Size() int64 { return m.size }

// Write writes the message with CRLF line ends. open gives an attachment's bytes by their hex SHA-256; it
// is not called for a message without attachments, and each of its readers is closed. An attachment that gives
// another number of bytes than the record says is an error; what has been written then is no message.
// Write holds less than 256 KiB.
func (m *Message) Write(w io.Writer, open func(sha256 string) (io.ReadCloser, error)) error {
	return m.write(w, func(i int, w io.Writer) error {
		if open == nil {
			return fmt.Errorf("open attachment %d: no way to open it", i+1)
		}
		p := m.parts[i]
		body, err := open(p.sha256)
		if err != nil {
			return fmt.Errorf("open attachment %d: %w", i+1, err)
		}
		err = writeBase64(w, body, p.size)
		if closeErr := body.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("write attachment %d: %w", i+1, err)
		}
		return nil
	})
}

// write writes the message; content writes the body of attachment i.
func (m *Message) write(w io.Writer, content func(i int, w io.Writer) error) error {
	if m.boundary == "" {
		_, err := w.Write(m.body)
		return err
	}
	if _, err := w.Write(m.head); err != nil {
		return err
	}
	mw := textproto.NewMultipartWriter(w)
	if err := mw.SetBoundary(m.boundary); err != nil {
		return err
	}
	pw, err := mw.CreatePart(m.text)
	if err != nil {
		return err
	}
	if _, err := pw.Write(m.body); err != nil {
		return err
	}
	for i := range m.parts {
		pw, err := mw.CreatePart(m.parts[i].header)
		if err != nil {
			return err
		}
		if err := content(i, pw); err != nil {
			return err
		}
	}
	return mw.Close()
}

// measure works the size out: everything but the attachments' bytes is written to nowhere.
func (m *Message) measure() error {
	var n counter
	err := m.write(&n, func(i int, _ io.Writer) error {
		n += counter(base64Size(m.parts[i].size))
		return nil
	})
	m.size = int64(n)
	return err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// headerOf is the message's header but for the fields that describe its content. room is how many bytes will
// probably come behind it.
func headerOf(r *record.Record, id string, c *cast, room int) *fields {
	h := &fields{b: make([]byte, 0, 1536+room+room/8)}
	// RFC 5322 section 3.6.1: the moment at which the message was put on its way.
	h.add("Date", r.Time.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	h.add("From", c.from.mail())
	if to := c.recipients(); to != "" {
		h.add("To", to)
	}
	h.add("Message-Id", "<"+id+">")
	if c.conversation != "" {
		// RFC 5322 section 3.6.4. All messages of a conversation answer one that was never sent, for
		// the source doesn't say which message answers which.
		root := "<" + c.conversation + "@" + threadDomain + ">"
		h.add("In-Reply-To", root)
		h.add("References", root)
	}
	h.add("Subject", encodeWords(subject(r, c)))

	// The first five go to Graph, which takes no more, so the order is part of the format.
	h.private("X-O2-Message-Id", r.ID)
	h.private("X-O2-Type", string(r.Kind))
	h.private("X-O2-Owner", r.Owner)
	h.private("X-O2-Conversation", c.conversation)
	h.private("X-O2-Original-Sha256", r.SHA256)
	h.private("X-O2-Direction", r.Direction)
	h.private("X-O2-Status", r.Status)
	if r.ArchivedText != "" || r.Archived.IsZero() {
		h.private("X-O2-Archived", r.ArchivedText)
	} else {
		h.private("X-O2-Archived", r.Archived.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	h.private("X-O2-Format", format)
	h.add("Mime-Version", "1.0")
	return h
}

// private adds a header for machines. An empty value leaves it out.
func (f *fields) private(name, value string) {
	if value = oneLine(value, 200); strings.Trim(value, " ") != "" {
		f.add(name, encodeWords(value))
	}
}
