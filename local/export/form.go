package export

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
)

var (
	errDiffers = errors.New("the message is not the one that was imported: its SHA-256 is not that of the journal" +
		" (it differs too where DEFAULT_REGION or MAX_ITEM_SIZE have been changed since, or the form of messages with the program)")
	errForeign = errors.New("the journal's copy is of another message or mailbox than the line of the batch")
)

// line is one line of a batch, with what is needed to render its message.
type line struct {
	rec      *record.Record
	rendered string // hex SHA-256 of the message in the journal; "" if there is none
	open     func(blob string) (io.ReadCloser, error)
	build    func(omit func(record.Attachment) string) (*message.Message, error)
	proven   bool // the message as built here has the hash rendered
	unsure   bool // the message was made with another version of the mapping
}

// read parses a line into a record, as import does. Its error holds nothing of the content.
func (e *exporter) read(ctx context.Context, text []byte, known journal.Record) (*line, error) {
	var entry record.Entry
	if err := json.Unmarshal(text, &entry); err != nil {
		return nil, errors.New("the line of the batch is not the JSON of an entry")
	}
	rec, err := source.Parse(entry)
	if err != nil {
		return nil, fmt.Errorf("the item can't be read: %w", err)
	}
	l := &line{rec: rec, rendered: known.Rendered}
	var addresses map[int]string
	addresses, l.unsure = e.addresses(rec, known)
	l.open = func(blob string) (io.ReadCloser, error) {
		body, _, err := e.store.Media().Open(ctx, blob)
		return body, err
	}
	l.build = func(omit func(record.Attachment) string) (*message.Message, error) {
		m, err := message.Build(rec, message.Options{Region: e.options.Region, Numbers: e.workshop, Omit: omit,
			Peek: e.peek(ctx), Addresses: addresses})
		if err != nil {
			return nil, fmt.Errorf("no message can be made of the item: %w", err)
		}
		return m, nil
	}
	return l, nil
}

// peek returns a function that returns the first bytes of an attachment. A missing or unreadable attachment is no error
// here: it is reported when the message is written, as in import.
func (e *exporter) peek(ctx context.Context) func(a record.Attachment, n int) ([]byte, error) {
	return func(a record.Attachment, n int) ([]byte, error) {
		head, err := e.head(ctx, a.Blob(), n)
		if isEnvironmental(ctx, err) {
			return nil, fmt.Errorf("look at an attachment: %w", err)
		}
		return head, nil
	}
}

// head returns up to n bytes from the beginning of a blob.
func (e *exporter) head(ctx context.Context, blob string, n int) ([]byte, error) {
	body, _, err := e.store.Media().Open(ctx, blob)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, int64(n)))
}

// form returns the message as the copy's mailbox received it, and the hash that it must have: "" if the journal has
// none of this form.
//
// A copy with the outcome imported has everything. An oversize copy lacks all attachments if the mailbox refused the
// size, and the journal has the hash of that form with the copy; otherwise it lacks what the settings exclude. An
// importer that took over the copy from one that died may have left no hash: if the settings exclude nothing, the
// mailbox refused the size.
func (l *line) form(c journal.Copy, o Options) (m *message.Message, want string, err error) {
	if c.Outcome == journal.Imported {
		m, err = l.build(nil)
		if want = cmp.Or(c.Rendered, l.rendered); want != l.rendered && l.rendered != "" || l.unsure {
			want = "" // it was made with another mapping than the record's latest form, or than the one given
		}
		return m, want, err
	}
	bare := func(a record.Attachment) string { return message.OverMailbox.Of(a) }
	if c.Rendered != "" {
		if want = c.Rendered; l.unsure {
			want = ""
		}
		m, err = l.build(bare)
		return m, want, err
	}
	room, omitted := o.MaxItem, false
	m, err = l.build(func(a record.Attachment) string {
		switch {
		case o.MaxFile > 0 && a.Size > o.MaxFile:
			omitted = true
			return message.OverCloud.Of(a)
		case a.Size <= room:
			room -= a.Size
			return ""
		}
		omitted = true
		return message.OverLimit.Of(a)
	})
	if err != nil || omitted {
		if want = l.rendered; l.unsure {
			want = ""
		}
		return m, want, err
	}
	// The journal has the hash of the whole message only. If that matches, at least the record and the settings are
	// those of the import.
	if err := l.prove(m); err != nil {
		return nil, "", err
	}
	m, err = l.build(bare)
	return m, "", err
}

// prove checks a message, which is not written to a file, against the journal's hash.
func (l *line) prove(m *message.Message) error {
	if l.rendered == "" || l.proven || l.unsure {
		return nil
	}
	h := sha256.New()
	if err := l.write(m, h); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != l.rendered {
		return errDiffers
	}
	l.proven = true
	return nil
}

// write streams the message to w.
func (l *line) write(m *message.Message, w io.Writer) error {
	err := m.Write(w, l.open)
	if errors.Is(err, archive.ErrNotFound) {
		return errors.New("an attachment is no longer in the archive's storage")
	}
	return err
}
