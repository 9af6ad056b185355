package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"o2archiver/shared/archive"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

const (
	// heldWhole is the size in bytes up to which a rendered message is kept in memory for all its copies: as large as
	// Graph takes in one request, with base64 applied twice. A larger message is rendered again for each copy, streamed
	// from its media.
	heldWhole = 6 << 20

	// streamed is the memory in bytes that the copies of a larger message need concurrently: the chunks of an upload.
	streamed = 6 << 20

	// least is the minimum weight of a message. It limits the number of small messages.
	least = 16 << 10
)

// rendered is one record's message in its RFC 5322 form, shared by all copies of the record.
type rendered struct {
	msg   *message.Message
	form  Form
	whole []byte                                   // the message; nil: it is too large to be held
	open  func(blob string) (io.ReadCloser, error) // opens the content of an attachment

	mu  sync.Mutex
	sum string // hex SHA-256 of the message; empty until it is known
}

// Form holds the administrator's settings for messages in mailboxes.
type Form struct {
	HTML          bool // the body is HTML instead of plain text
	Conversations bool // Outlook groups the messages of a conversation
}

// renderMessage renders the message if it is small enough to be held; otherwise each copy renders it.
func (im *Importer) renderMessage(ctx context.Context, msg *message.Message) (*rendered, error) {
	out := &rendered{msg: msg, form: im.opts.Form, open: func(blob string) (io.ReadCloser, error) {
		body, _, err := im.opts.Media.Open(ctx, blob)
		return body, err
	}}
	if msg.Size() > heldWhole {
		return out, nil
	}
	var buf bytes.Buffer
	buf.Grow(int(msg.Size()))
	if err := msg.Write(&buf, out.open); err != nil {
		return nil, fmt.Errorf("render the message: %w", err)
	}
	sum := sha256.Sum256(buf.Bytes())
	out.whole, out.sum = buf.Bytes(), hex.EncodeToString(sum[:])
	return out, nil
}

// errNotRead means that storage, not the item, prevented an attachment from being read.
var errNotRead = errors.New("an attachment can't be looked at for now")

// peekAttachment returns a function that returns the first n bytes of an attachment. A missing or damaged attachment is
// not an error here: it is reported by the copies.
func (im *Importer) peekAttachment(ctx context.Context) func(a record.Attachment, n int) ([]byte, error) {
	return func(a record.Attachment, n int) ([]byte, error) {
		head, err := im.readAttachment(ctx, a.Blob(), n)
		if again, _ := retry.IsTransient(err); again || ctx.Err() != nil || errors.Is(err, archive.ErrDenied) ||
			errors.Is(err, archive.ErrArchived) {
			return nil, fmt.Errorf("%w: %w", errNotRead, err)
		}
		return head, nil
	}
}

func (im *Importer) readAttachment(ctx context.Context, blob string, n int) ([]byte, error) {
	body, _, err := im.opts.Media.Open(ctx, blob)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, int64(n)))
}

// renderWeight returns the number of bytes to reserve from the shared memory for a message with text bytes of text.
func renderWeight(m *message.Message, text int) int64 {
	if m.Size() > heldWhole {
		return min(streamed+2*int64(text), MaxMemory) // the text is held even if the message is streamed
	}
	return max(least, m.Size())
}

// hash returns the SHA-256 of the message, or "" if no copy has been read to its end.
func (r *rendered) hash() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sum
}

// read returns the parsed message for one copy. The caller must call closeMessage, which ends the rendering
// of a large one.
func (r *rendered) read(key string) (m *mailbox.Message, closeMessage func(), err error) {
	var src io.Reader = bytes.NewReader(r.whole)
	closeMessage = func() {}
	if r.whole == nil {
		pr, pw := io.Pipe()
		go func() { pw.CloseWithError(r.msg.Write(pw, r.open)) }()
		src = &summing{r: pr, h: sha256.New(), of: r}
		closeMessage = func() { pr.Close() }
	}
	parsed, err := message.Parse(src)
	if err != nil {
		closeMessage()
		return nil, nil, fmt.Errorf("parse the message: %w", err)
	}
	m = forMailbox(parsed, key, r.form)
	next := m.Next
	if r.whole == nil {
		m.Next = func() (*mailbox.Attachment, error) {
			a, err := next()
			if errors.Is(err, io.EOF) {
				_, _ = io.Copy(io.Discard, src) // the hash also covers what follows the last part
			}
			return a, err
		}
	}
	return m, closeMessage, nil
}

// summing is a reader that stores the hash of a message once it has been read to its end.
type summing struct {
	r  io.Reader
	h  hash.Hash
	of *rendered
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.h.Write(p[:n])
	if errors.Is(err, io.EOF) {
		s.of.mu.Lock()
		s.of.sum = hex.EncodeToString(s.h.Sum(nil))
		s.of.mu.Unlock()
	}
	return n, err
}

// forMailbox converts the RFC 5322 message to the form that is sent to Graph.
func forMailbox(p *message.Parsed, key string, f Form) *mailbox.Message {
	m := &mailbox.Message{
		Key: key, MessageID: "<" + p.ID + ">", Subject: ShowControls(p.Subject),
		Text: ShowControls(bodyPrefix(p.Text)), Whole: p.Text,
		From: mailbox.Address(p.From), Sent: p.Date, Received: p.Date,
		InReplyTo: p.InReplyTo, References: p.References,
	}
	// A body that is too long for a request is truncated, which HTML can't be: such a message has a plain-text body.
	html := f.HTML && mailbox.FitsBody(p.HTML)
	if html {
		m.HTML = p.HTML
	}
	if f.Conversations {
		m.Topic, m.Index = p.ThreadTopic, p.ThreadIndex
	}
	for _, to := range p.To {
		m.To = append(m.To, mailbox.Address(to))
	}
	for _, h := range p.Headers {
		if slices.Contains(searched, h.Name) {
			m.Headers = append(m.Headers, mailbox.Header(h))
		}
	}
	m.Next = func() (*mailbox.Attachment, error) {
		part, err := p.Next()
		if err != nil {
			return nil, err
		}
		a := &mailbox.Attachment{Name: part.Name, Type: part.Type, Size: part.Size, Body: part.Body}
		if html && part.Inline { // a plain-text body refers to no attachment, and mail programs may hide inline ones
			a.Inline, a.ContentID = true, part.ContentID
		}
		return a, nil
	}
	return m
}

// searched lists the headers that are sent to Graph, which accepts five. A message that lacks one of them gets no other
// in its place.
var searched = []string{"X-O2-Message-Id", "X-O2-Type", "X-O2-Owner", "X-O2-Conversation", "X-O2-Original-Sha256"}

// bodyPrefix returns slightly more of a text than a body can hold: the body then states that it continues, and the
// whole text is attached as a file.
func bodyPrefix(text string) string {
	const more = mailbox.MaxBody + utf8.UTFMax
	if len(text) <= more {
		return text
	}
	return strings.ToValidUTF8(text[:more], "")
}

// ShowControls returns the text for a message in a mailbox: each character that a mailbox does not store is replaced by
// its number, as ⟦U+0007⟧. The RFC 5322 form and the batch keep these characters.
func ShowControls(text string) string {
	if !strings.ContainsFunc(text, message.NotStorable) {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		if message.NotStorable(c) {
			fmt.Fprintf(&b, "⟦U+%04X⟧", c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
