// Package message converts an archived record into an RFC 5322 message, the same bytes on every run, and reads such a
// message back part by part. Texts, names, numbers and file names in a record come from the source and are treated as
// hostile: none can break out of its place in the message.
//
// Everything that a record holds is in the text, in one of a small set of headers, or in an attachment. The text of
// the record comes first, byte for byte; a block of data about the item follows below a ruler. The same content
// follows as HTML, with the pictures in it, unless it is very long.
package message

import (
	"errors"
	"fmt"
	"io"

	"o2archiver/shared/record"
)

const (
	// RFC 2606 section 2: names below .invalid never exist, so no address here can belong to a person.
	domain       = "o2archiver.invalid"
	senderDomain = "sms." + domain
	threadDomain = "conversation." + domain

	format       = "4" // version of the message's form, in X-O2-Format and in the block
	archiver     = "O2 Network Archiver, message format " + format
	maxRecipient = 500 // the limit of Microsoft Graph for the recipients of a message
)

// Options are the inputs to the form of a message, besides the record.
type Options struct {
	Region string // ISO 3166 code, two letters: the country of numbers without a country code

	// Addresses maps participants whose mailbox was found in the tenant to the address by which it was found. From
	// and To use that address, so that a search for it finds the message. Key 0 is the sender, n is the n-th
	// recipient of Record.To, counted from 1. An entry that is not a valid address is ignored.
	Addresses map[int]string

	// Numbers is a cache that speeds up the conversion of many messages. It may be nil.
	Numbers *NumberCache

	// Omit returns the reason why an attachment is left out of the message, in plain words, or "" to keep it. The
	// text then names the attachment and the reason. nil keeps all attachments.
	Omit func(a record.Attachment) string

	// Peek returns the first n bytes of an attachment, or all of a shorter one. Build calls it only where it needs to
	// know content: for the presentation (SMIL) of an MMS, pictures up to 2 MB, text files up to 64 KiB, recordings,
	// and files whose names have no extension. Its error is returned by Build. If it is nil, the text shows no
	// picture or file content, and attachments stay in the given order.
	Peek func(a record.Attachment, n int) ([]byte, error)
}

// Message is a converted message. It does not hold the attachments' bytes. It can be written any number of times, by
// several goroutines at once.
type Message struct {
	id    string
	bytes []byte // all except the attachments' bytes
	parts []part
	size  int64
}

// part is the body of an attachment in a message.
type part struct {
	at   int // its offset in Message.bytes
	blob string
	size int64
}

// Build converts a record into a message. The same record and options result in the same message. An error that lies
// in the record is a *record.Fault: what record.Check refuses, and what cannot be converted. All other errors are
// those of Options.Peek.
func Build(r *record.Record, o Options) (*Message, error) {
	if err := record.Check(r); err != nil {
		return nil, err
	}
	if r.Time.UTC().Year() > 9999 {
		// RFC 5322 section 3.3: a year has four digits.
		return nil, &record.Fault{Field: "messageTime", Reason: "lies after the year 9999"}
	}
	if o.Numbers == nil {
		o.Numbers = NewNumberCache() // still of use within one message: the owner is mostly a participant too
	}
	key := record.MessageKey(r.Source, r.ID)[:40]
	people := participantsOf(r, o)
	files, err := attachmentsOf(r, key, people, o)
	if err != nil {
		return nil, err
	}
	m := &Message{id: key + "@" + domain}
	room := o.Numbers.enter()
	defer o.Numbers.leave(room)
	var ends lengths
	room.text, ends = appendText(room.text[:0], r, people, files)
	absent := people.filesBeyond
	for i := range files {
		if files[i].absent != "" {
			absent++
		}
	}
	people.missing = missingWords(r, absent, people.cut)
	room.html = appendHTML(room.html[:0], room.text, ends, files)
	if err := m.layOut(room, headerOf(room, r, m.id, people), key, files); err != nil {
		// No record is known that causes an error here. If there is one, it is quarantined, and does not block
		// others.
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

// ID returns the Message-ID without the angle brackets. It depends on the record's ID only.
func (m *Message) ID() string { return m.id }

// Size returns the number of bytes that Write writes, with the attachments in base64.
func (m *Message) Size() int64 { return m.size }

// Write writes the message with CRLF line ends. open returns an attachment's bytes by its record.Attachment.Blob; it
// is not called for a message without attachments, and Write closes each reader. If an attachment has another number
// of bytes than the record states, Write returns an error, and what it has written is not a valid message. Write uses
// less than 256 KiB of memory.
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
		closeErr := body.Close()
		if err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("write attachment %d: %w", i+1, err)
		}
	}
	_, err := w.Write(m.bytes[done:])
	return err
}

// headerOf returns the message's header without the fields that describe its content.
func headerOf(in *room, r *record.Record, id string, c *participants) *fields {
	h := &fields{b: in.message[:0]}
	// RFC 5322 section 3.6.1: the time at which the message was sent.
	h.add("Date", r.Time.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	h.add("From", c.from.mail())
	if to := c.recipients(); to != "" {
		h.add("To", to)
	}
	h.add("Message-Id", "<"+id+">")
	// RFC 5322 section 3.6.4. All messages of a conversation are replies to the same message, which was never sent,
	// because the source does not tell which message is a reply to which.
	root := "<" + c.conversation + "@" + threadDomain + ">"
	h.add("In-Reply-To", root)
	h.add("References", root)
	h.add("Subject", encodeWords(subjectOf(r, c)))
	// Exchange derives PidTagConversationTopic and PidTagConversationIndex from these two (MS-OXCMAIL).
	h.add("Thread-Topic", encodeWords(c.threadTopic()))
	h.add("Thread-Index", c.threadIndex(r.Time))

	// Graph accepts only five private headers, and gets the first five. So the order is part of the format.
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

// private adds a header for programs. A header with an empty value is left out.
func (f *fields) private(name, value string) {
	if value == "" {
		return
	}
	if value = oneLine(value, 200); value != "" && value != " " {
		f.add(name, encodeWords(value))
	}
}
