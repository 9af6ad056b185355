package message

import (
	"fmt"
	"strings"

	"o2archiver/shared/record"
)

// maxSubject is in characters: Exchange keeps 255.
const maxSubject = 250

// subjectOf follows the vendor's convention: "SMS from 447700900123 to 447700900456", with names where they are known. What became of a
// call is in it, and the subject that the message itself has comes behind it.
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
	if c.missing != "" { // before what may be cut off
		b.WriteString(" (" + c.missing + ")")
	}
	if own := oneLine(r.Subject, maxSubject); own != "" {
		b.WriteString(": " + own)
	}
	return oneLine(b.String(), maxSubject)
}

// missingWords says what a reader would look for and not find: attachments, parts of a long SMS, or what was left out for its amount. "" if nothing is.
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

// kindWord is the word for a record.
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

// firstThree names the first three.
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
