// Package record has the archived item: what one record is, how it is read from the
// source's JSON, what identifies it, and what makes it unreadable.
//
// It uses the standard library only, so that every other package may build on it.
package record

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Kind is the type of an item as the source gives it, in upper case. A Kind that is not
// among the constants is legal: it is archived and shown as given.
type Kind string

// The kinds that the source is known to send.
const (
	SMS       Kind = "SMS"
	MMS       Kind = "MMS"
	CallLog   Kind = "CALL_LOG"   // a call without a recording
	CallAudio Kind = "CALL_AUDIO" // a call whose recording is the attachment
	System    Kind = "SYSTEM"     // a heartbeat: counted, never imported
)

// Record is one archived message or call. The texts in it are the source's own: hostile,
// of any length, valid UTF-8 (see telemessage.Parse for what a lone surrogate becomes).
type Record struct {
	ID      string // messageId, or "sha256:" and the SHA-256 of the item's own bytes
	Derived bool   // the item had no messageId, so ID was derived

	Kind     Kind
	Network  string
	Owner    string // msisdn: whose phone archived the item, as given
	Time     time.Time
	TimeText string // messageTime as given

	Archived     time.Time // when the source stored it; zero if missing or unreadable
	ArchivedText string

	Direction string // as given, e.g. In, OUT
	Status    string // as given, e.g. Delivered, Missed
	From      Participant
	To        []Participant

	GroupMessage bool
	GroupID      string // a hint only: a conversation is its set of participants
	GroupName    string

	Subject     string
	Text        string
	ContentType string // of Text, as given
	Attachments []Attachment
	Call        *Call // nil if the item has no callInfo

	Pieces []Piece // what a long SMS in pieces was put together from; nil for any other
	Total  int     // how many pieces there should be

	// LeftOut has what the item says and the message does not, by our own names of its fields. A bare name had the wrong
	// JSON type; any other reason follows in brackets: "to (more than 50000 entries)".
	LeftOut []string
	SHA256  string // hex SHA-256 of the (first) item's bytes as the source sent them
}

// Participant is one person in a message, as given.
type Participant struct {
	Value     string // number in any spelling, short code or alphanumeric sender
	FirstName string
	LastName  string
	Emails    []string // the property User's Email address, split and trimmed; may be empty
}

// Name is the participant's full name, or "".
func (p Participant) Name() string {
	return strings.TrimSpace(strings.TrimSpace(p.FirstName) + " " + strings.TrimSpace(p.LastName))
}

// Attachment is a file that belongs to a record. Its bytes lie in the media container
// as Blob unless Gone says why they don't.
type Attachment struct {
	Name   string // as given
	Type   string // as given
	Size   int64  // of the bytes; what the source claims if Gone
	SHA256 string // hex, measured; if Gone what the source claims, "" if it claims none
	Gone   string // the reason, in plain words, why the bytes can't be had; "" if they are there
	Day    string // of the blob, e.g. "2026/11/28"; "" for blobs of the form before
	// Digest is what the source gave as the file's digest, as given, where that is no SHA-256 in any form that is
	// known: nothing could be checked with it. "" where there was none, or one that could be used.
	Digest string
}

// Blob is the name of the attachment's bytes in the media container.
func (a Attachment) Blob() string { return Media{SHA256: a.SHA256, Day: a.Day}.Blob() }

// Call is what the source says of a call. Its times are as given: impossible ones are shown, not judged.
type Call struct {
	ID       string
	Status   string
	Start    string
	Answer   string
	End      string
	Duration time.Duration // callDurationInMillis; 0 if missing
}

// Piece is one item of a long SMS. A piece that never came, or stands in another record, has no ID.
type Piece struct {
	Number int // from 1
	ID     string
	SHA256 string
	Lost   bool // it never came, or what came can't be read
	Apart  bool // it came, and is part of another record: all pieces together were too large for one
}

// Participants is From followed by To, leaving out entries without any content.
func (r *Record) Participants() []Participant {
	all := make([]Participant, 0, 1+len(r.To))
	for _, p := range append([]Participant{r.From}, r.To...) {
		if p.given() {
			all = append(all, p)
		}
	}
	return all
}

// Sender is From; where that is insert-address-token, the owner. With the token a phone asks the network to put in the
// address of who sends an MMS (OMA MMS Encapsulation section 7.3.20), so the archived item of the sender's phone has it.
func (r *Record) Sender() Participant {
	p := r.From
	token := strings.NewReplacer("-", "", "_", "", " ", "").Replace(LowerASCII(p.Value[:min(len(p.Value), 100)]))
	received := strings.HasPrefix(LowerASCII(strings.TrimSpace(r.Direction)), "in")
	if strings.Contains(token, "insertaddresstoken") && strings.TrimSpace(r.Owner) != "" && !received {
		p.Value = r.Owner
	}
	return p
}

// Source names the intake in the identity of a copy. It never changes: a change would
// import everything again.
const Source = "telemessage-o2"

// Key identifies the copy of a message in one mailbox: 64 lower-case hex digits, the same
// on every run. mailbox is the directory object id of the mailbox's user.
// Graph compares property values without case, hence hex and not base64.
func Key(messageID, mailbox string) string {
	return hexSHA256("v1|" + Source + "|" + messageID + "|" + LowerASCII(mailbox))
}

// MessageKey identifies the message whatever mailbox it is in: 64 lower-case hex digits.
func MessageKey(messageID string) string { return hexSHA256("v1|" + Source + "|" + messageID) }

// Fingerprint is the SHA-256 over what a reader would take for the content of the message: kind,
// time, sender, text, attachments. Two archived forms of one message for two owners have
// the same one; a message whose content differs under the same id has another.
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

// digitsOrText reduces a number, which owners' copies spell differently (07700 900123, +447700900123), to its last nine
// digits, and leaves anything with a letter as it is.
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

func hexSHA256(s string) string {
	d := sha256.Sum256([]byte(s))
	return hex.EncodeToString(d[:])
}
