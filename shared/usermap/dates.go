package usermap

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// dates parses the days of one file. Numbers separated by slashes or dashes may have the day or the month first. The
// file itself has to show which, by a date that can be read in one way only.
type dates struct {
	dayFirst, monthFirst int // lines, from 1, that show it; 0 if none does
	forms                []DateForm
}

// DateForm is one way in which dates of the file are written, with its first date.
type DateForm struct {
	Name  string // such as "day/month/year"
	Line  int
	Given string // the date as written
	Read  string // the date as interpreted: 2026-11-22
	Count int
}

var (
	numbers   = regexp.MustCompile(`^(\d{1,2})([/-])(\d{1,2})([/-])(\d{4})$`)
	shortYear = regexp.MustCompile(`^\d{1,2}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{2}$`)
	serial    = regexp.MustCompile(`^\d{5}([.,]\d*)?$`)
	midnight  = regexp.MustCompile(`(?i)[ T]00:00(:00(\.0+)?)?Z?$`)
	ordinal   = regexp.MustCompile(`(?i)\b(\d{1,2})(st|nd|rd|th)\b`)
)

// named are the forms that can be read in one way only.
var named = []struct{ name, layout string }{
	{"year-month-day", time.DateOnly}, {"year/month/day", "2006/1/2"},
	{"year.month.day", "2006.1.2"}, {"yearmonthday", "20060102"},
	{"day.month.year", "2.1.2006"},
	{"day month year", "2 Jan 2006"}, {"day month year", "2 January 2006"},
	{"day-month-year", "2-Jan-2006"}, {"day-month-year", "2-January-2006"},
	{"month day, year", "Jan 2, 2006"}, {"month day, year", "January 2, 2006"},
}

// look records what a date shows about the order of day and month.
func (d *dates) look(text string, line int) {
	first, second, _, ok := splitSlashed(text)
	switch {
	case !ok || first == second || first > 31 || second > 31:
	case first > 12 && second <= 12:
		d.dayFirst = cmp.Or(d.dayFirst, line)
	case second > 12 && first <= 12:
		d.monthFirst = cmp.Or(d.monthFirst, line)
	}
}

// splitSlashed splits a date that consists of numbers.
func splitSlashed(text string) (first, second, year int, ok bool) {
	m := numbers.FindStringSubmatch(trimTime(text))
	if m == nil || m[2] != m[4] {
		return 0, 0, 0, false
	}
	first, _ = strconv.Atoi(m[1])
	second, _ = strconv.Atoi(m[3])
	year, _ = strconv.Atoi(m[5])
	return first, second, year, true
}

// trimTime returns a date without the time of day that databases append (midnight), and without the apostrophe with
// which a spreadsheet marks a text.
func trimTime(text string) string {
	text = strings.TrimPrefix(text, "'")
	return strings.TrimSpace(text[:len(text)-len(midnight.FindString(text))])
}

// read parses a date; an empty one is open. If the date is refused, reason is not "".
func (d *dates) read(text string, open day, column string, line int) (_ day, reason string) {
	if text == "" {
		return open, ""
	}
	if first, second, year, ok := splitSlashed(text); ok {
		name := "day/month/year"
		switch {
		case d.dayFirst > 0 && d.monthFirst > 0 && first != second:
			return 0, column + " can be read in two ways: line " + strconv.Itoa(d.dayFirst) +
				" has the day first, line " + strconv.Itoa(d.monthFirst) + " the month; write it as 2026-11-22"
		case d.dayFirst == 0 && d.monthFirst == 0 && first != second && first <= 12 && second <= 12:
			return 0, column +
				" can be read in two ways, day first or month first, and no date of the file shows which: " +
				"write it as 2026-11-22"
		case d.monthFirst > 0:
			first, second, name = second, first, "month/day/year"
		}
		t := time.Date(year, time.Month(second), first, 0, 0, 0, 0, time.UTC)
		if second < 1 || second > 12 || t.Day() != first || !isSensibleYear(t) {
			return 0, column + noDate
		}
		return d.note(name, text, t, line), ""
	}
	plain := ordinal.ReplaceAllString(trimTime(text), "$1")
	for _, form := range named {
		if t, err := time.Parse(form.layout, plain); err == nil && isSensibleYear(t) {
			return d.note(form.name, text, t, line), ""
		}
	}
	switch {
	case shortYear.MatchString(plain):
		return 0, column + " has a year of two digits: write it as 2026-11-22"
	case serial.MatchString(plain):
		return 0, column + " is a spreadsheet's number of a day: make the column a date, or write it as 2026-11-22"
	}
	return 0, column + noDate
}

const noDate = " is no date: write it as 2026-11-22"

// isSensibleYear reports whether the year of a date is from 1990 to 9999.
func isSensibleYear(t time.Time) bool { return t.Year() >= 1990 && t.Year() <= 9999 }

// note counts a form in which a date was read, and returns the day.
func (d *dates) note(name, given string, t time.Time, line int) day {
	for i := range d.forms {
		if d.forms[i].Name == name {
			d.forms[i].Count++
			return dayOf(t)
		}
	}
	d.forms = append(d.forms, DateForm{Name: name, Line: line, Given: given, Read: t.Format(time.DateOnly), Count: 1})
	return dayOf(t)
}
