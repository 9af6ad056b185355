package account

import "o2archiver/shared/tally"

// reasonText is a reason in words.
type reasonText struct{ says, do string }

// reasonTexts has why a record was not archived, and what to do about it. A test holds it to the reasons of tally.
var reasonTexts = map[tally.Reason]reasonText{
	tally.NoMailbox: {"No participant has a mailbox in your organization.",
		"Put the number into the mapping, then replay."},
	tally.Heartbeat: {"It is a heartbeat of the source, not a message.", "Nothing: it is left out by rule."},
	tally.NotEntry: {"The line of the batch is damaged.",
		"Restore the earlier version of the batch (operations manual, Restore), then replay."},
	tally.TooManyLines: {"The batch has more lines than any that fetch writes.",
		"Ask support: the batch was not written by this program."},
	tally.Unreadable: {"The item of the source can't be read.",
		"Ask support with run, batch and line. A later version may read it: replay then."},
	tally.NotArchivable: {"The item lacks what every message needs, such as its time.",
		"Ask support with run, batch and line. A later version may read it: replay then."},
	tally.NoMessage: {"No e-mail message can be made of the item.",
		"Ask support with run, batch and line. A later version may convert it: replay then."},
	tally.MailboxFull: {"The mailbox is full.", "Give the mailbox more room, then replay."},
	tally.MailboxGone: {"The user has no mailbox any more.",
		"Give the user a mailbox or change the mapping, then replay."},
	tally.AccessDenied: {"Import may not write into the mailbox.",
		"Add the mailbox to the scope of import, then replay."},
	tally.TooLarge: {"The mailbox refuses the message for its size.",
		"Raise the size limit of the mailbox, then replay."},
	tally.Refused: {"The mailbox refuses the message.",
		"The journal has the answer of the mailbox. Mend its cause, then replay."},
	tally.NoAttachment: {"An attachment is gone from the archive's storage, or damaged there.",
		"Restore the attachment (operations manual, Restore), then replay."},
	tally.OtherReason: {"There is another reason.",
		"The journal has it. Run the command Totals if the program is newer."},
	tally.Pending: {"It has no outcome yet.",
		"Nothing: import goes on by itself. If it lasts for a day, use the page Check."},
}

// NameReason returns a reason in words, and what to do about it.
func NameReason(r tally.Reason) (says, do string) {
	t, ok := reasonTexts[r]
	if !ok {
		t = reasonTexts[tally.OtherReason]
	}
	return t.says, t.do
}

// isReplayable reports whether a replay may bring a record with that reason into a mailbox.
func isReplayable(r tally.Reason) bool { return r != tally.Heartbeat && r != tally.Pending }

// ParseReason returns the reason of that code, or OtherReason.
func ParseReason(code string) tally.Reason {
	if r := tally.Reason(code); reasonTexts[r].says != "" {
		return r
	}
	return tally.OtherReason
}
