// Package record defines the archived item: the record, what identifies it, and what makes it unreadable.
//
// It uses the standard library only, so that every other package can depend on it.
package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Kind is the type of an item as the source gives it, in upper case. A Kind that is not among the constants is legal:
// it is archived and shown as given.
type Kind string

// The kinds that the source is known to send.
const (
	SMS       Kind = "SMS"
	MMS       Kind = "MMS"
	CallLog   Kind = "CALL_LOG"   // a call without a recording
	CallAudio Kind = "CALL_AUDIO" // a call whose recording is the attachment
	System    Kind = "SYSTEM"     // a heartbeat: counted, never imported
)

// Message is the kind of a message of another archive of which nothing states the kind.
const Message Kind = "MESSAGE"

// Record is one archived message or call. Its texts are the source's own: hostile, of any length, but valid UTF-8
// (telemessage.Parse replaces lone surrogates and invalid bytes).
type Record struct {
	Source  string // name of the item's source, as in Entry; "" means TeleMessage
	ID      string // messageId, or "sha256:" and the SHA-256 of the item's own bytes
	Derived bool   // the item had no messageId, so ID was derived
	Mail    bool   // the item is an e-mail message, which cannot state all that an item can

	Kind     Kind
	Network  string
	Owner    string // msisdn as given: the number of the phone that archived the item
	Time     time.Time
	TimeText string // messageTime as given

	Archived     time.Time // when the source stored it; zero if missing or unreadable
	ArchivedText string

	Direction string // as given, e.g. In, OUT
	Status    string // as given, e.g. Delivered, Missed
	From      Participant
	To        []Participant

	GroupMessage bool
	GroupID      string // a hint only: a conversation is identified by its participants
	GroupName    string

	Subject     string
	Text        string
	ContentType string // content type of Text, as given
	Attachments []Attachment
	Call        *Call // nil if the item has no callInfo

	Pieces []Piece // the items of which a long SMS was composed; nil for any other record
	Total  int     // number of parts that the long SMS should have

	// LeftOut names the fields of the item that the message lacks. A name alone means that the field had the wrong
	// JSON type; any other reason follows in brackets: "to (more than 50000 entries)".
	LeftOut []string
	SHA256  string // hex SHA-256 of the (first) item's bytes as the source sent them
}

// Participant is one person in a message, as given.
type Participant struct {
	Value     string // number in any spelling, short code or alphanumeric sender
	FirstName string
	LastName  string
	Emails    []string // entries of the property User's Email address, see SplitEmails; may be empty
	// Outside is an address of none of the organization's domains: it is shown as part of the name, and no mailbox is
	// looked up by it. "" if there is none, or the domains are not known.
	Outside string `json:",omitempty"`
}

// Name returns the participant's full name, or "". Outside follows it in brackets, or stands for it.
func (p Participant) Name() string {
	name := strings.TrimSpace(strings.TrimSpace(p.FirstName) + " " + strings.TrimSpace(p.LastName))
	switch {
	case p.Outside == "":
		return name
	case name == "":
		return p.Outside
	}
	return name + " (" + p.Outside + ")"
}

// address returns the participant's first address, or "".
func (p Participant) address() string {
	if len(p.Emails) > 0 {
		return p.Emails[0]
	}
	return p.Outside
}

// Attachment is a file of a record. Its bytes are in the media container under the name Blob, unless Gone is set.
type Attachment struct {
	Name   string // as given
	Type   string // as given
	Size   int64  // in bytes; with Gone, as the source claims
	SHA256 string // hex, computed from the bytes; with Gone, as the source claims, "" if it claims none
	Gone   string // why the bytes could not be fetched, in plain words; "" if they are stored
	Day    string // folder of the blob, e.g. "2026/11/28"; "" for blobs of the previous form
	// Digest is the source's digest of the file, as given, if it is not a SHA-256 in any known form, so that nothing
	// could be verified with it. It is "" if there was no digest, or a usable one.
	Digest string
}

// Blob returns the name of the attachment's bytes in the media container.
func (a Attachment) Blob() string { return Media{SHA256: a.SHA256, Day: a.Day}.Blob() }

// Call is what the source reports about a call. Its times are as given: impossible ones are shown, and not judged.
type Call struct {
	ID       string
	Status   string
	Start    string
	Answer   string
	End      string
	Duration time.Duration // callDurationInMillis; 0 if missing
}

// Piece is one part of a long SMS. A part that is missing, or is in another record, has no ID.
type Piece struct {
	Number int // counted from 1
	ID     string
	SHA256 string
	Lost   bool // it was not received, or cannot be read
	Apart  bool // it is in another record, because all parts together were too large for one
}

// Participants returns From followed by To, without entries that have no content.
func (r *Record) Participants() []Participant {
	all := make([]Participant, 0, 1+len(r.To))
	for _, p := range append([]Participant{r.From}, r.To...) {
		if p.given() {
			all = append(all, p)
		}
	}
	return all
}

// Sender returns From; if From is insert-address-token, it returns the owner. With this token a phone asks the
// network to insert the address of the sender of an MMS (OMA MMS Encapsulation section 7.3.20), so only the item
// archived from the sender's phone has it.
func (r *Record) Sender() Participant {
	p := r.From
	token := separators.Replace(LowerASCII(p.Value[:min(len(p.Value), 100)]))
	received := strings.HasPrefix(LowerASCII(strings.TrimSpace(r.Direction)), "in")
	if strings.Contains(token, "insertaddresstoken") && strings.TrimSpace(r.Owner) != "" && !received {
		p.Value = r.Owner
	}
	return p
}

// TeleMessage is the name of the TeleMessage site as a source. Like the name of any source it is part of the identity
// of a copy, so it MUST NOT change: a change would import everything again. A name MUST NOT contain "|", which
// separates the parts of a key.
const TeleMessage = "telemessage-o2"

// Key returns the key of the copy of a message in one mailbox: 64 lower-case hex digits, the same on every run. source
// is the name of the item's source; "" means TeleMessage. mailbox is the directory object ID of the mailbox's user;
// its case does not matter. The key is hex and not base64, because Graph compares property values without case.
func Key(source, messageID, mailbox string) string {
	return hexSHA256("v1|" + cmp.Or(source, TeleMessage) + "|" + messageID + "|" + LowerASCII(mailbox))
}

// MessageKey returns the key of a message, which is the same for all mailboxes: 64 lower-case hex digits. source is as
// in Key.
func MessageKey(source, messageID string) string {
	return hexSHA256("v1|" + cmp.Or(source, TeleMessage) + "|" + messageID)
}

// Fingerprint returns a hex SHA-256 of what a reader regards as the content of the message: kind, time, sender,
// subject, text, attachments. If a message was archived for two owners, both records have the same fingerprint.
// Records with the same ID but different content have different ones.
func (r *Record) Fingerprint() string {
	h := sha256.New()
	put := func(fields ...string) {
		for _, f := range fields {
			h.Write([]byte(f))
			h.Write([]byte{0})
		}
	}
	put(string(r.Kind), r.Time.UTC().Format(time.RFC3339Nano), digitsOrText(r.From.Value), r.Subject, r.Text)
	for _, a := range r.Attachments {
		put(a.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digitsOrText returns the last nine digits of a number, because the records of different owners spell it differently
// (07700 900123, +447700900123). A text with a letter is returned unchanged.
func digitsOrText(s string) string {
	var digits strings.Builder
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits.WriteRune(c)
		case strings.ContainsRune("+ -().\u00a0", c):
		default:
			return s
		}
	}
	all := digits.String()
	return all[max(0, len(all)-9):]
}

// hexSHA256 returns the SHA-256 of s in hex.
func hexSHA256(s string) string {
	d := sha256.Sum256([]byte(s))
	return hex.EncodeToString(d[:])
}
