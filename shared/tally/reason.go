package tally

import (
	"strings"

	"o2archiver/shared/journal"
)

// Reason is a code for why a record was not archived. It groups the sentences of journals, which name the field, the
// status or the limit of each case.
type Reason string

// The reasons.
const (
	NoMailbox     Reason = "noMailbox"     // no participant has a mailbox
	Heartbeat     Reason = "heartbeat"     // excluded by rule
	NotEntry      Reason = "notEntry"      // the line of the batch is not an entry
	TooManyLines  Reason = "tooManyLines"  // the batch is longer than any that fetch writes
	Unreadable    Reason = "unreadable"    // the item cannot be read
	NotArchivable Reason = "notArchivable" // the item lacks what every message needs
	NoMessage     Reason = "noMessage"     // no message can be made of the item
	MailboxFull   Reason = "mailboxFull"
	MailboxGone   Reason = "mailboxGone"
	AccessDenied  Reason = "accessDenied"          // the mailbox is outside of the app's scope
	TooLarge      Reason = "tooLarge"              // the mailbox refuses the message for its size
	Refused       Reason = "refused"               // by the mailbox, for another reason
	NoAttachment  Reason = "noAttachment"          // an attachment is not in the archive's storage as it was stored
	OtherReason   Reason = "other"                 // a sentence that this table does not have
	copyFailed           = "a copy of it failed: " // precedes the reason of the copy in that of its record
)

// reasons has the beginnings of the journal's sentences. The first that fits counts. Tests in handlers/import hold
// it to what import writes.
var reasons = []struct {
	begins string
	code   Reason
}{
	{"no participant has a mailbox", NoMailbox},
	{"a heartbeat", Heartbeat},
	{"the line of the batch is not the JSON of an entry", NotEntry},
	{"the batch has more lines", TooManyLines},
	{"the item can't be read", Unreadable},
	{"the item can't be archived", NotArchivable},
	{"no message can be made of the item", NoMessage},
	{"the mailbox, or its table of named properties, is full", MailboxFull},
	{"the user has no mailbox any more", MailboxGone},
	{"access to the mailbox is denied", AccessDenied},
	{"the mailbox refuses the message for its size", TooLarge},
	{"the mailbox refuses the message (", Refused},
	{"an attachment is no longer in the archive's storage", NoAttachment},
	{"an attachment in the archive's storage could not be read", NoAttachment},
}

// IsKnown reports whether the reason is one that ReasonOf returns.
func (r Reason) IsKnown() bool {
	for _, known := range reasons {
		if known.code == r {
			return true
		}
	}
	return r == OtherReason
}

// ReasonOf returns the code of a record's reason.
func ReasonOf(r journal.Record) Reason {
	text := strings.TrimPrefix(r.Reason, copyFailed)
	for _, known := range reasons {
		if strings.HasPrefix(text, known.begins) {
			return known.code
		}
	}
	return OtherReason
}
