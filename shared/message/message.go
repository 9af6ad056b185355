// Package message makes an RFC 5322 message of an archived record, the same bytes on every run, and
// reads such a message back part by part. Texts, names, numbers and file names in a record are
// the source's and hostile: none of them gets out of the place it belongs to.
//
// What a record holds is in the text, in headers of a small fixed set, or in an attachment. The text of
// the message comes first, byte for byte; a block about the item follows below a line. Unless it is very long, the same stands
// there once more as HTML, with the pictures in it.
package message

import (
	"errors"
	"fmt"
	"io"

	"o2archiver/shared/record"
)

const (
	// RFC 2606 section 2: nothing below .invalid will ever be somebody's address.
	domain       = "o2archiver.invalid"
	senderDomain = "sms." + domain
	threadDomain = "conversation." + domain

	format       = "3" // of the message: what X-O2-Format and the text's signature say
	maxRecipient = 500 // Microsoft Graph: a message has at most 500 recipients
)

// Options are what the form of a message depends on besides the record.
type Options struct {
	Region string // ISO 3166, two letters: where a number without a country code belongs to

	// Addresses has, of participants whose mailbox in the tenant was found, the address by which it was: From and To name them by
	// it, so that a search for the address finds them. 0 is the sender, n the n-th of Record.To. An entry that is no valid address counts for nothing.
	Addresses map[int]string

	// Numbers may be nil, and makes many messages faster if it isn't.
	Numbers *NumberCache

	// Omit says why an attachment is left out of the message, in plain words; "" keeps it.
	// The text then names the attachment and the reason. nil keeps all.
	Omit func(a record.Attachment) string

	// Peek gives the first n bytes of an attachment, or all of a shorter one. Build asks for the few that it must know: the presentation
	// (SMIL) of an MMS, pictures up to 2 MB, files of text up to 64 KiB, recordings, and files whose names have no extension. Its error is Build's.
	// nil: no picture or file is shown in the text, and attachments stay in the given order.
	Peek func(a record.Attachment, n int) ([]byte, error)
}

// Message is one message ready to be written. It holds no attachment's bytes, and may be written any
// number of times, also by several goroutines at once.
type Message struct {
	id    string
	bytes []byte // all but the attachments' bytes
	parts []part
	size  int64
}

// part is the body of an attachment in a message.
type part struct {
	at   int // where in Message.bytes it belongs
	blob string
	size int64
}

// Build makes the message of a record. The same record and options give the same message. Errors that lie in the record are a
// *record.Fault: what record.Check refuses, and what no message can be made of. Others are those of Options.Peek.
func Build(r *record.Record, o Options) (*Message, error) {
	if err := record.Check(r); err != nil {
		return nil, err
	}
	if r.Time.UTC().Year() > 9999 {
		// RFC 5322 section 3.3: a year has four digits here.
		return nil, &record.Fault{Field: "messageTime", Reason: "lies after the year 9999"}
	}
	if o.Numbers == nil {
		o.Numbers = NewNumberCache() // the owner's number is mostly a participant's too
	}
	key := record.MessageKey(r.ID)[:40]
	cast := castOf(r, o)
	files, err := attachmentsOf(r, key, cast, o)
	if err != nil {
		return nil, err
	}
	absent := cast.filesBeyond
	for i := range files {
		if files[i].absent != "" {
			absent++
		}
	}
	cast.missing = missingWords(r, absent)
	m := &Message{id: key + "@" + domain}
	room := o.Numbers.enter()
	defer o.Numbers.leave(room)
	var ends lengths
	room.text, ends = appendText(room.text[:0], r, cast, files)
	room.html = appendHTML(room.html[:0], room.text, ends, files)
	if err := m.layOut(room, headerOf(room, r, m.id, cast), key, files); err != nil {
		// No record is known that comes here; one that does is quarantined alone, and holds up nothing else.
		var fault *record.Fault
		if !errors.As(err, &fault) {
			fault = &record.Fault{Field: "item", Reason: "can't be laid out as a message: " + err.Error()}
		}
		return nil, fault
	}
	m.size = int64(len(m.bytes))
	for _, p := range m.parts {
		m.size += base64Size(p.size)
	}
	return m, nil
}

// ID is the Message-ID without the angle brackets. It depends on the record's ID alone.
func (m *Message) ID() string { return m.id }

// Size is how many bytes Write gives, attachments in base64 included.
func (m *Message) Size() int64 { return m.size }

// Write writes the message with CRLF line ends. open returns an attachment's bytes by record.Attachment.Blob; it
// is not called for a message without attachments, and each of its readers is closed. An attachment that gives
// another number of bytes than the record says is an error; what has been written then is no message.
// Write holds less than 256 KiB.
func (m *Message) Write(w io.Writer, open func(blob string) (io.ReadCloser, error)) error {
	done := 0
	for i, p := range m.parts {
		if _, err := w.Write(m.bytes[done:p.at]); err != nil {
			return err
		}
		done = p.at
		if open == nil {
			return fmt.Errorf("open attachment %d: no way to open it", i+1)
		}
		body, err := open(p.blob)
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
	}
	_, err := w.Write(m.bytes[done:])
	return err
}

// headerOf is the message's header but for the fields that describe its content.
func headerOf(in *room, r *record.Record, id string, c *participants) *fields {
	h := &fields{b: in.message[:0]}
	// RFC 5322 section 3.6.1: the moment at which the message was put on its way.
	h.add("Date", r.Time.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	h.add("From", c.from.mail())
	if to := c.recipients(); to != "" {
		h.add("To", to)
	}
	h.add("Message-Id", "<"+id+">")
	// RFC 5322 section 3.6.4. All messages of a conversation answer one that was never sent, for
	// the source doesn't say which message answers which.
	root := "<" + c.conversation + "@" + threadDomain + ">"
	h.add("In-Reply-To", root)
	h.add("References", root)
	h.add("Subject", encodeWords(subjectOf(r, c)))
	// What Exchange makes PidTagConversationTopic and PidTagConversationIndex of (MS-OXCMAIL).
	h.add("Thread-Topic", encodeWords(c.threadTopic()))
	h.add("Thread-Index", c.threadIndex(r.Time))

	// The first five go to Graph, which takes no more, so the order is part of the format.
	h.private("X-O2-Message-Id", r.ID)
	h.private("X-O2-Type", string(r.Kind))
	h.private("X-O2-Owner", r.Owner)
	h.private("X-O2-Conversation", c.conversation)
	h.private("X-O2-Original-Sha256", r.SHA256)
	h.private("X-O2-Direction", r.Direction)
	h.private("X-O2-Status", r.Status)
	h.private("X-O2-Time", r.TimeText)
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
	if value == "" {
		return
	}
	if value = oneLine(value, 200); value != "" && value != " " {
		f.add(name, encodeWords(value))
	}
}
