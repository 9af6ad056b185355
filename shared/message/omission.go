package message

import "o2archiver/shared/record"

// Omission is the reason why a stored attachment is not in a message. Its words are part of the message's bytes, so
// they must be the same on every run.
type Omission string

// The reasons for an omission.
const (
	OverLimit   Omission = "with it, the item is larger than the limit that is set for one"
	OverCloud   Omission = "this cloud's mailboxes do not take a file of this size"
	OverMailbox Omission = "the mailbox does not take a message of this size"
)

// Of returns the reason, followed by where the attachment is stored. It is made for Options.Omit.
func (o Omission) Of(a record.Attachment) string {
	const kept, hash = "; it is kept in the archive's storage, in the container media", " under its SHA-256"
	if a.Day != "" {
		return string(o) + kept + ", folder " + a.Day + "," + hash
	}
	return string(o) + kept + hash // a batch in the previous form has no day
}
