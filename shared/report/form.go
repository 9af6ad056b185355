package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
	"o2archiver/shared/usermap"
)

// Form holds what the form of a message depends on, besides its record. It should be that of the import.
type Form struct {
	Region  string         // DEFAULT_REGION
	MaxItem int64          // MAX_ITEM_SIZE, bytes
	MaxFile int64          // maximum size of an attachment in this cloud, bytes; 0: no limit
	Mapping *usermap.Table // the administrator's mapping; nil: there is none
}

// ErrDiffers reports that a message made from the archive is not the one that was imported.
var ErrDiffers = errors.New("the message is not the one that was imported: its SHA-256 is not that of the journal" +
	" (it differs too where DEFAULT_REGION or MAX_ITEM_SIZE have been changed since, or the form of messages " +
	"with the program)")

// Message is the message of an ImportedCopy, made again from the archive as import made it.
type Message struct {
	// SHA256 is the hash, in hex, of the message that was imported. It is "" if the message can't be proven: the
	// journal has no hash of its form, or the mapping has changed since.
	SHA256 string

	made *message.Message
	line *batchLine
}

// ID returns the message's id, which is part of its Message-ID.
func (m *Message) ID() string { return m.made.ID() }

// Size returns the message's size in bytes.
func (m *Message) Size() int64 { return m.made.Size() }

// Write streams the message to w and returns the SHA-256, in hex, of what it wrote. It returns ErrDiffers if that is
// not the hash of the message that was imported.
func (m *Message) Write(w io.Writer) (sum string, err error) {
	if sum, err = m.line.write(m.made, w); err == nil && m.SHA256 != "" && sum != m.SHA256 {
		err = ErrDiffers
	}
	return sum, err
}

// batchLine is one line of a batch, with what is needed to render its message.
type batchLine struct {
	rec      *record.Record
	rendered string // hex SHA-256 of the message in the journal; "" if there is none
	open     func(blob string) (io.ReadCloser, error)
	build    func(omit func(record.Attachment) string) (*message.Message, error)
	proven   bool // the message as built here has the hash rendered
	unsure   bool // the message was made with another version of the mapping
}

// parseLine parses a line into a record, as import does. known is the record's outcome. The error holds nothing of the
// content.
func (r *copyReader) parseLine(ctx context.Context, text []byte, known journal.Record) (*batchLine, error) {
	var entry record.Entry
	if err := json.Unmarshal(text, &entry); err != nil {
		return nil, errors.New("the line of the batch is not the JSON of an entry")
	}
	rec, err := source.Parse(entry)
	if err != nil {
		return nil, fmt.Errorf("the item can't be read: %w", err)
	}
	l := &batchLine{rec: rec, rendered: known.Rendered}
	var addresses map[int]string
	addresses, l.unsure = r.addresses(rec, known)
	l.open = func(blob string) (io.ReadCloser, error) {
		body, _, err := r.store.Media().Open(ctx, blob)
		return body, err
	}
	l.build = func(omit func(record.Attachment) string) (*message.Message, error) {
		m, err := message.Build(rec, message.Options{Region: r.form.Region, Numbers: r.numbers, Omit: omit,
			Peek: r.peek(ctx), Addresses: addresses})
		if err != nil {
			return nil, fmt.Errorf("no message can be made of the item: %w", err)
		}
		return m, nil
	}
	return l, nil
}

// peek returns a function that returns the first bytes of an attachment. A missing or unreadable attachment is no error
// here: it is reported when the message is written, as in import.
func (r *copyReader) peek(ctx context.Context) func(a record.Attachment, n int) ([]byte, error) {
	return func(a record.Attachment, n int) ([]byte, error) {
		head, err := r.readHead(ctx, a.Blob(), n)
		if IsEnvironmental(ctx, err) {
			return nil, fmt.Errorf("look at an attachment: %w", err)
		}
		return head, nil
	}
}

// readHead returns up to n bytes from the beginning of a blob.
func (r *copyReader) readHead(ctx context.Context, blob string, n int) ([]byte, error) {
	body, _, err := r.store.Media().Open(ctx, blob)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, int64(n)))
}

// Message returns the message as the copy's mailbox received it.
//
// A copy with the outcome imported has everything. An oversize copy lacks all attachments if the mailbox refused the
// size, and the journal has the hash of that form with the copy; otherwise it lacks what the settings exclude. An
// importer that took over the copy from one that died may have left no hash: if the settings exclude nothing, the
// mailbox refused the size.
func (c *ImportedCopy) Message() (*Message, error) {
	l := c.line
	if c.Outcome == journal.Imported {
		want := cmp.Or(c.Rendered, l.rendered)
		if want != l.rendered && l.rendered != "" {
			want = "" // it was made with another mapping than the record's latest form
		}
		return l.message(nil, want)
	}
	bare := func(a record.Attachment) string { return message.OverMailbox.Of(a) }
	if c.Rendered != "" {
		return l.message(bare, c.Rendered)
	}
	limit := &limit{form: c.form, room: c.form.MaxItem}
	m, err := l.message(limit.omit, l.rendered)
	if err != nil || limit.omitted {
		return m, err
	}
	// The journal has the hash of the whole message only. If that matches, at least the record and the settings are
	// those of the import.
	if err := l.prove(m.made); err != nil {
		return nil, err
	}
	return l.message(bare, "")
}

// message makes the line's message. want is the hash that it must have.
func (l *batchLine) message(omit func(record.Attachment) string, want string) (*Message, error) {
	m, err := l.build(omit)
	if err != nil {
		return nil, err
	}
	if l.unsure {
		want = ""
	}
	return &Message{SHA256: want, made: m, line: l}, nil
}

// limit omits the attachments that the settings exclude from a message.
type limit struct {
	form    Form
	room    int64 // bytes that attachments may still have
	omitted bool
}

// omit returns why an attachment is left out, or "".
func (x *limit) omit(a record.Attachment) string {
	switch {
	case x.form.MaxFile > 0 && a.Size > x.form.MaxFile:
		x.omitted = true
		return message.OverCloud.Of(a)
	case a.Size <= x.room:
		x.room -= a.Size
		return ""
	}
	x.omitted = true
	return message.OverLimit.Of(a)
}

// prove checks a message, which is not kept, against the journal's hash.
func (l *batchLine) prove(m *message.Message) error {
	if l.rendered == "" || l.proven || l.unsure {
		return nil
	}
	sum, err := l.write(m, io.Discard)
	if err != nil {
		return err
	}
	if sum != l.rendered {
		return ErrDiffers
	}
	l.proven = true
	return nil
}

// write streams the message to w, and returns its SHA-256 in hex.
func (l *batchLine) write(m *message.Message, w io.Writer) (string, error) {
	h := sha256.New()
	err := m.Write(io.MultiWriter(w, h), l.open)
	if errors.Is(err, archive.ErrNotFound) {
		return "", errors.New("an attachment is no longer in the archive's storage")
	}
	return hex.EncodeToString(h.Sum(nil)), err
}
