package message

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"o2archiver/shared/record"
)

// maxSubject is the maximum length of a subject in characters. Exchange stores 255.
const maxSubject = 250

// subjectOf returns the subject. It follows the vendor's convention, "SMS from 447700900123 to 447700900456", with
// names if they are known. For a call it includes the result and length. The message's own subject, if it has one,
// comes last.
func subjectOf(r *record.Record, c *participants) string {
	var b strings.Builder
	b.WriteString(kindWord(r))
	b.WriteString(" from ")
	b.WriteString(c.from.label())
	group := oneLine(r.GroupName, 80)
	switch {
	case r.GroupMessage && group != "":
		b.WriteString(" to chat group " + group)
	case len(c.to) > 0:
		b.WriteString(" to ")
		b.WriteString(firstThree(c.to))
	}
	// What is missing must not be cut off, so the names before it are.
	var end string
	if length := callLength(r); isCall(r) && length > 0 {
		end = " (" + formatDuration(length) + ")"
	}
	if c.missing != "" {
		end += " (" + c.missing + ")"
	}
	s := oneLine(b.String(), maxSubject-len(end)) + end
	const least = 10 // characters of the item's own subject; fewer are of no use
	if room := maxSubject - utf8.RuneCountInString(s) - len(": "); room >= least {
		if own := oneLine(r.Subject, room); own != "" {
			s += ": " + own
		}
	}
	return s
}

// missingWords returns what the message lacks in words for the subject, or "" if nothing: attachments, parts of a
// long SMS, the recording of a call, fields that were left out, or values that the block does not show in full (cut).
// absent is the number of attachments that are not attached. The words are ASCII and at most about 120 characters.
func missingWords(r *record.Record, absent int, cut bool) string {
	count := func(n int, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return formatThousands(int64(n)) + " " + one + "s"
	}
	lost, apart := missingPieces(r)
	var missing, all []string
	if absent > 0 {
		missing = append(missing, count(absent, "attachment"))
	}
	if lost > 0 {
		missing = append(missing, count(lost, "part"))
	}
	if lacksRecording(r) {
		missing = append(missing, "recording")
	}
	if len(missing) > 0 {
		all = append(all, strings.Join(missing, " and ")+" missing")
	}
	if apart > 0 {
		all = append(all, count(apart, "part")+" in another message")
	}
	if len(r.LeftOut) > 0 || cut {
		all = append(all, "incomplete")
	}
	return strings.Join(all, ", ")
}

// missingPieces returns how many parts of a long SMS did not arrive, and how many are in another message.
func missingPieces(r *record.Record) (lost, apart int) {
	for _, piece := range r.Pieces {
		switch {
		case piece.Lost:
			lost++
		case piece.Apart:
			apart++
		}
	}
	return lost, apart
}

// kindWord returns the word for the kind of a record, and for a call also its result.
func kindWord(r *record.Record) string {
	switch r.Kind {
	case record.SMS, record.MMS:
		return string(r.Kind)
	case record.CallLog, record.CallAudio:
		switch callStatus(r) {
		case "missed":
			return "Missed call"
		case "rejected", "declined":
			return "Rejected call"
		case "no answer", "not answered", "unanswered":
			return "Unanswered call"
		}
		return "Call"
	}
	if s := oneLine(string(r.Kind), 40); s != "" && r.Kind != record.Message {
		return s
	}
	return "Message"
}

// firstThree returns the labels of the first three people and the number of the others.
func firstThree(people []person) string {
	var names []string
	for i := range people {
		if i == 3 {
			break
		}
		names = append(names, people[i].label())
	}
	if more := len(people) - len(names); more > 0 {
		return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", more)
	}
	if n := len(names) - 1; n > 0 {
		return strings.Join(names[:n], ", ") + " and " + names[n]
	}
	return names[0]
}
