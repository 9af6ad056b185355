package message

import (
	"fmt"
	"strings"

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
	if isCall(r) {
		if length := callLength(r); length > 0 {
			b.WriteString(" (" + formatDuration(length) + ")")
		}
	}
	if c.missing != "" { // before what may be truncated
		b.WriteString(" (" + c.missing + ")")
	}
	if own := oneLine(r.Subject, maxSubject); own != "" {
		b.WriteString(": " + own)
	}
	return oneLine(b.String(), maxSubject)
}

// missingWords returns what the message lacks in words for the subject, or "" if nothing: attachments, parts of a
// long SMS, or content that was left out because of its amount. absent is the number of attachments that are not
// attached.
func missingWords(r *record.Record, absent int) string {
	lost := 0
	for _, piece := range r.Pieces {
		if piece.Lost {
			lost++
		}
	}
	count := func(n int, one string) string {
		if n == 1 {
			return "1 " + one + " missing"
		}
		return formatThousands(int64(n)) + " " + one + "s missing"
	}
	_, others := leftOut(r)
	switch {
	case absent > 0:
		return count(absent, "attachment")
	case lost > 0:
		return count(lost, "part")
	case len(others) > 0:
		return "incomplete"
	}
	return ""
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
	if s := oneLine(string(r.Kind), 40); s != "" {
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
