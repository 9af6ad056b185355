package delivery

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"o2archiver/shared/record"
)

const (
	// vendorPrefix begins the names of the vendor's header fields. Their values are documented nowhere.
	vendorPrefix = "X-TELEMESSAGE-"
	// encryptedHeader has the key of an item that is encrypted with a key of the customer.
	encryptedHeader = vendorPrefix + "ENC-DATAKEY"

	maxID = 1_000 // bytes of a message ID; a longer one is not the item's identity
)

// encryptedText is the text of an item that is encrypted with a key of the customer.
const encryptedText = "⟦encrypted with a key of the customer: all parts are attached as they came⟧"

// Parse converts a batch's entry that Describe made into its record. All of its errors are a *record.Fault: this entry,
// and nothing else, is quarantined. The entry is all that it reads: the message and its parts stay in the media
// container.
func Parse(e record.Entry) (*record.Record, error) {
	r := &record.Record{SHA256: e.RawHash, Mail: true}
	if e.Mail != nil {
		r.ID = messageID(e.Source, e.Mail.Header)
	}
	if r.ID = cmp.Or(r.ID, e.ID); r.ID == "" && e.RawHash != "" {
		r.ID, r.Derived = "sha256:"+e.RawHash, true
	}
	fault := func(field, reason string) error {
		return &record.Fault{Field: field, Reason: reason, ID: r.ID, SHA256: r.SHA256}
	}
	switch {
	case e.Fault != "":
		return nil, fault("item", e.Fault)
	case e.Version != 1:
		return nil, fault("v", "is not the version that this program knows")
	case e.Mail == nil:
		return nil, fault("mail", "is missing")
	}
	m := e.Mail
	if e.Source != record.TeleMessage {
		r.Source = e.Source
	}
	r.LeftOut = append(r.LeftOut, m.LeftOut...)
	var about subject // of a generic message nothing: its subject is a person's
	if r.Source == record.GenericEML {
		setGenericKind(r, m)
		setOwner(r, m)
	} else {
		about = readSubject(decodedField(m.Header, "Subject"))
		setKind(r, m, about)
	}
	setPeople(r, m, about)
	r.Status = vendorField(m.Header, "Status")
	r.GroupID, r.GroupName = vendorField(m.Header, "GroupID"), vendorField(m.Header, "GROUP_NAME")
	r.GroupMessage = r.GroupID != "" || r.GroupName != "" || about.toGroup
	r.GroupName = cmp.Or(r.GroupName, about.group)
	if !isLabel(about, r) {
		r.Subject = decodedField(m.Header, "Subject")
	}
	r.Text = m.Text
	r.ContentType, _, _ = strings.Cut(m.TextType, ";") // the text is in UTF-8 now
	if version := vendorField(m.Header, "ENC-DATAKEY"); version != "" {
		r.Text = encryptedText
		r.LeftOut = append(r.LeftOut, "text (it is encrypted with a key of the customer)")
	}
	setAttachments(r, e)
	r.TimeText = fieldOf(m.Header, "Date")
	var ok bool
	r.Time, ok = parseDate(r.TimeText)
	switch {
	case r.TimeText == "":
		return nil, fault("Date", "is missing")
	case !ok:
		return nil, fault("Date", "is not a date of RFC 5322 with an offset")
	case !e.Until.IsZero() && r.Time.After(e.Until.Add(24*time.Hour)):
		return nil, fault("Date", "lies more than 24 hours after the time in which the item was collected")
	}
	if err := record.Check(r); err != nil {
		return nil, err
	}
	return r, nil
}

// messageID returns the ID that a message states, or "".
func messageID(source string, header []record.HeaderField) string {
	id := trimColon(fieldOf(header, vendorPrefix+"ArchiveMessageID"))
	if source == record.GenericEML {
		id = strings.Trim(fieldOf(header, "Message-ID"), "<> \t")
	}
	if len(id) > maxID {
		return ""
	}
	return id
}

// fieldOf returns the value of the first field of a name that is not empty, or "".
func fieldOf(header []record.HeaderField, name string) string {
	for _, f := range header {
		if f[1] != "" && record.EqualFoldASCII(f[0], name) {
			return f[1]
		}
	}
	return ""
}

// decodedField is fieldOf, with encoded words decoded.
func decodedField(header []record.HeaderField, name string) string {
	return validText(decodeWords(fieldOf(header, name)))
}

// vendorField returns the value of one of the vendor's fields, decoded.
func vendorField(header []record.HeaderField, name string) string {
	return trimColon(decodedField(header, vendorPrefix+name))
}

// trimColon returns a value without one colon at its beginning. QUIRK: a public parser of such files has the colon as
// part of a field's name.
func trimColon(value string) string { return strings.TrimSpace(strings.TrimPrefix(value, ":")) }

// setKind sets kind and network.
func setKind(r *record.Record, m *record.Mail, about subject) {
	r.Network = vendorField(m.Header, "Network")
	given := vendorField(m.Header, "MessageType")
	r.Kind = cmp.Or(record.KnownKind(given), record.Kind(record.UpperASCII(given)), record.KnownKind(about.kind))
}

// labelKind returns the kind that a subject of the vendor's form names.
func labelKind(about subject) record.Kind {
	return cmp.Or(record.KnownKind(about.kind), record.Kind(record.UpperASCII(about.kind)))
}

// isLabel reports whether a subject is the vendor's label of the item, all of which the record has elsewhere: kind,
// sender, and recipient or group. It is not a subject of the sender's then, such as an MMS may have.
func isLabel(about subject, r *record.Record) bool {
	isSender := sameDigits(about.from, r.From.Value)
	if about.from == "" {
		isSender = about.sender == r.From.Value
	}
	if r.Kind == "" || labelKind(about) != r.Kind || r.From.Value == "" || !isSender {
		return false
	}
	if about.toGroup {
		return about.group == r.GroupName
	}
	return len(r.To) == 1 && about.to != "" && sameDigits(about.to, r.To[0].Value)
}

// sameDigits reports whether two numbers have the same digits.
func sameDigits(a, b string) bool { return onlyDigits(a) == onlyDigits(b) }

func onlyDigits(s string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, s)
}

// setPeople sets sender and recipients. People of generic messages have addresses only: what may be a number in their
// names is part of the name.
func setPeople(r *record.Record, m *record.Mail, about subject) {
	from := peopleOf(r, m.Header, "From")
	if len(from) > 0 {
		r.From = from[0]
		r.To = append(r.To, from[1:]...) // RFC 5322 section 3.6.2: a message may have several authors
	}
	for _, name := range []string{"To", "Cc", "Bcc"} {
		r.To = append(r.To, peopleOf(r, m.Header, name)...)
	}
	if r.Source == record.GenericEML {
		return
	}
	if r.From.Value == "" && len(from) <= 1 {
		r.From.Value = about.from
	}
	if about.sender != "" && labelKind(about) == r.Kind && len(from) == 1 && len(r.From.Emails) == 0 &&
		r.From.Name() == about.sender {
		// A sender without a number, such as a bank or a withheld one: its name stands where a number would.
		r.From = record.Participant{Value: about.sender}
	}
	switch {
	case about.to == "" || len(r.To) > 1:
	case len(r.To) == 0:
		r.To = []record.Participant{{Value: about.to}}
	case r.To[0].Value == "":
		r.To[0].Value = about.to
	}
	// Last, so that the domains change nothing else: an item that is delivered again after they were changed is the
	// same record for record.Fingerprint and record.Parties.
	if len(m.Domains) > 0 {
		moveOutside(&r.From, m.Domains)
		for i := range r.To {
			moveOutside(&r.To[i], m.Domains)
		}
	}
}

// peopleOf returns the participants in all fields of a name.
func peopleOf(r *record.Record, header []record.HeaderField, name string) (all []record.Participant) {
	for _, f := range header {
		if !record.EqualFoldASCII(f[0], name) {
			continue
		}
		read := readPeople
		if name == "From" {
			read = readAuthors
		}
		some, more := read(f[1], r.Source != record.GenericEML)
		if more || len(all)+len(some) > maxPeople {
			r.LeftOut = append(r.LeftOut,
				fmt.Sprintf("%s (all after the first %d entries)", record.LowerASCII(name), maxPeople))
			return append(all, some[:min(len(some), maxPeople-len(all))]...)
		}
		all = append(all, some...)
	}
	return all
}

// setAttachments sets the attachments.
func setAttachments(r *record.Record, e record.Entry) {
	for i, p := range e.Mail.Parts {
		a := record.Attachment{Name: p.Name, Type: p.Type}
		switch {
		case i >= len(e.Media):
			a.Gone = "it was not stored"
		case e.Media[i].Gone != "":
			a.Gone, a.Size = e.Media[i].Gone, e.Media[i].Size
		default:
			a.Size, a.SHA256, a.Day = e.Media[i].Size, e.Media[i].SHA256, e.Media[i].Day
		}
		r.Attachments = append(r.Attachments, a)
	}
}
