package importer

import (
	"testing"

	"o2archiver/shared/journal"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/tally"
)

// Each reason for which a mailbox refuses a copy has a code of its own in the totals.
func TestRefusalsHaveReasons(t *testing.T) {
	for want, err := range map[tally.Reason]*mailbox.Error{
		tally.MailboxFull:  {Kind: mailbox.Refused, Code: "ErrorQuotaExceeded"},
		tally.MailboxGone:  {Kind: mailbox.NoMailbox},
		tally.AccessDenied: {Kind: mailbox.Denied},
		tally.TooLarge:     {Kind: mailbox.TooLarge},
		tally.Refused:      {Kind: mailbox.Refused, Status: 400, Code: "ErrorInvalidRequest"},
	} {
		r := journal.Record{Outcome: journal.RecordFailed,
			Reason: "a copy of it failed: " + refusalReason(err) + "; a note"}
		if got := tally.ReasonOf(r); got != want {
			t.Errorf("%q is %s, want %s", r.Reason, got, want)
		}
	}
}
