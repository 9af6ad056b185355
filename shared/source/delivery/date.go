package delivery

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// zones are the offsets of the zone names of RFC 5322 section 4.3. Any other name is of no known offset.
var zones = map[string]string{
	"UT": "+0000", "UTC": "+0000", "GMT": "+0000", "Z": "+0000",
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800",
	"PDT": "-0700",
}

// parseDate parses a date of RFC 5322 or RFC 3339, of C's ctime or JavaScript's Date, or in a form that differs from
// these in the order of its words or in what separates them, with an offset. A date without one is not guessed, nor is
// the order of a date's numbers.
func parseDate(value string) (time.Time, bool) {
	const longest = 200
	if len(value) > longest {
		return time.Time{}, false
	}
	value = strings.TrimSpace(withoutComments(value)) // mostly the name of the zone
	if t, ok := parsePlain(value); ok {
		return t, true
	}
	return parsePlain(fraction.ReplaceAllString(value, "$1.$2"))
}

// fraction is a comma between the seconds of a time and a fraction of them.
var fraction = regexp.MustCompile(`(:\d\d:\d\d),(\d)`)

// parsePlain parses a date without comments. A comma in it is a separator.
func parsePlain(value string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, value); err == nil {
		return t.UTC(), true
	}
	if _, day, ok := strings.Cut(value, ","); ok {
		if t, ok := parseWords(day); ok {
			return t, true
		}
	}
	return parseWords(strings.ReplaceAll(value, ",", " "))
}

// withoutComments returns a field without the comments in it (RFC 5322 section 3.2.2).
func withoutComments(value string) string {
	var b strings.Builder
	depth := 0
	for _, c := range []byte(value) {
		switch {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// parseWords parses a date by its words.
func parseWords(text string) (time.Time, bool) {
	words := strings.Fields(text)
	if len(words) > 0 && !isDigit(words[0][0]) && monthOf(words[0]) == "" { // the day's name
		words = words[1:]
	}
	if len(words) > 0 {
		words = append(splitDay(words[0]), words[1:]...)
	}
	var day, month, year, clock, zone string
	for _, word := range words {
		isNumber := strings.Trim(word, "0123456789") == ""
		hour, after := splitClock(word)
		switch {
		case isNumber && day == "" && len(word) <= 2:
			day = word
		case isNumber && year == "" && (len(word) == 4 || len(word) == 2):
			year = word
		case month == "" && monthOf(word) != "":
			month = monthOf(word)
		case clock == "" && hour != "":
			clock, zone = hour, after
		case clock != "" && zone == "" && (strings.EqualFold(word, "AM") || strings.EqualFold(word, "PM")):
			clock += " " + strings.ToUpper(word)
		case clock != "":
			zone = strings.TrimSpace(zone + " " + word)
		default:
			return time.Time{}, false
		}
	}
	offset := offsetOf(zone)
	if day == "" || month == "" || year == "" || clock == "" || offset == "" {
		return time.Time{}, false
	}
	if len(year) == 2 {
		if t, err := time.Parse("06", year); err == nil {
			year = fmt.Sprint(t.Year())
		}
	}
	for _, layout := range []string{"15:04:05", "15:04", "3:04:05 PM", "3:04 PM"} {
		text := strings.Join([]string{day, month, year, clock, offset}, " ")
		t, err := time.Parse("2 Jan 2006 "+layout+" -0700", text)
		if err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// splitDay returns day, month and year of a word that has all three, such as 28-Nov-2026 and 2026-11-28; otherwise the
// word. Of a date in numbers only the form that begins with the year has one meaning. The time may follow a "T".
func splitDay(word string) []string {
	if date, clock, ok := strings.Cut(word, "T"); ok && strings.Count(date, "-") == 2 && clock != "" {
		return append(splitDay(date), clock)
	}
	all := strings.Split(word, "-")
	if len(all) != 3 {
		return []string{word}
	}
	if number, err := time.Parse("2006-01-02", word); err == nil {
		return []string{fmt.Sprint(number.Day()), number.Format("Jan"), number.Format("2006")}
	}
	return all
}

// splitClock returns the time that a word is or begins with, and what follows it, such as the offset.
func splitClock(word string) (clock, rest string) {
	end := strings.IndexFunc(word, func(c rune) bool { return (c < '0' || c > '9') && c != ':' && c != '.' })
	if end < 0 {
		end = len(word)
	}
	if word == "" || !isDigit(word[0]) || strings.IndexByte(word[:end], ':') < 0 {
		return "", ""
	}
	for _, half := range []string{"AM", "PM"} {
		if strings.EqualFold(word[end:], half) {
			return word[:end] + " " + half, ""
		}
	}
	return word[:end], word[end:]
}

// monthOf returns the short name of a month by its name in English, or "".
func monthOf(word string) string {
	word = strings.TrimSuffix(word, ".")
	for m := time.January; m <= time.December; m++ {
		name := m.String()
		if strings.EqualFold(word, name) || strings.EqualFold(word, name[:3]) ||
			m == time.September && strings.EqualFold(word, "Sept") {
			return name[:3]
		}
	}
	return ""
}

// offsetOf returns a zone as in RFC 5322, such as +0100, "" if its offset is not known. It may have a name of UTC in
// front of the offset, and any name behind it.
func offsetOf(zone string) string {
	zone = strings.ToUpper(zone)
	if offset, ok := zones[zone]; ok {
		return offset
	}
	for _, name := range []string{"GMT", "UTC", "UT"} {
		if rest, ok := strings.CutPrefix(zone, name); ok {
			zone = strings.TrimSpace(rest)
			break
		}
	}
	offset, name, _ := strings.Cut(zone, " ")
	if offset == "" || offset[0] != '+' && offset[0] != '-' || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	digits := offset[1:]
	hours, minutes, ok := strings.Cut(digits, ":")
	if !ok && len(digits) == 4 {
		hours, minutes, ok = digits[:2], digits[2:], true
	}
	if !ok {
		minutes = "00"
	}
	if len(hours) == 1 {
		hours = "0" + hours
	}
	if len(hours) != 2 || len(minutes) != 2 || strings.Trim(hours+minutes, "0123456789") != "" {
		return ""
	}
	return offset[:1] + hours + minutes
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
