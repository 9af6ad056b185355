package account

import (
	"testing"

	"o2archiver/shared/tally"
)

// TestEveryReasonHasWords: each reason that the totals know is said definitely, with what to do.
func TestEveryReasonHasWords(t *testing.T) {
	all := []tally.Reason{tally.NoMailbox, tally.Heartbeat, tally.NotEntry, tally.TooManyLines, tally.Unreadable,
		tally.NotArchivable, tally.NoMessage, tally.MailboxFull, tally.MailboxGone, tally.AccessDenied, tally.TooLarge,
		tally.Refused, tally.NoAttachment, tally.OtherReason, tally.Pending}
	for _, reason := range all {
		if text := reasonTexts[reason]; text.says == "" || text.do == "" {
			t.Errorf("%s has no words", reason)
		}
	}
	if len(reasonTexts) != len(all) {
		t.Errorf("%d reasons have words, want %d", len(reasonTexts), len(all))
	}
}
