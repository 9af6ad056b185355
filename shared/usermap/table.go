package usermap

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/phone" // numbers are compared in their one form, which only that package knows
)

// Table is an administrator's mapping of numbers to mailboxes. It doesn't change; any number of
// goroutines may use it.
type Table struct {
	version string
	london  *time.Location
	rows    map[string][]row // by E.164
}

// row is one line: whose the number was on the days from first to last.
type row struct {
	address     string // lower case
	first, last day
	line        int
}

// day is a date as the number yyyymmdd, so that days compare as numbers.
type day int

const (
	always = day(0)
	ever   = day(99999999)
	// maxRows is for one number; the time to compare them grows with its square.
	maxRows = 100
)

// Version is the SHA-256 of the file as it was uploaded, in hex.
func (t *Table) Version() string { return t.version }

// Len is how many numbers the table maps.
func (t *Table) Len() int { return len(t.rows) }

// Lookup gives the address, in lower case, of whoever held the number at that time. The number is in the form of E.164.
func (t *Table) Lookup(e164 string, at time.Time) (address string, ok bool) {
	rows := t.rows[e164]
	if len(rows) == 0 {
		return "", false
	}
	d := dayOf(at.In(t.london))
	for _, r := range rows {
		if r.first <= d && d <= r.last {
			return r.address, true
		}
	}
	return "", false
}

func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return day(y*10000 + int(m)*100 + d)
}

var (
	scientific = regexp.MustCompile(`^[+-]?[0-9]+([.,][0-9]*)?[eE][+-]?[0-9]+$`)
	fraction   = regexp.MustCompile(`^[0-9]{7,}[.,]0*$`)
)

// Addresses are the mailboxes that numbers are mapped to, in lower case, each once, sorted.
func (t *Table) Addresses() []string {
	all := map[string]bool{}
	for _, rows := range t.rows {
		for _, r := range rows {
			all[r.address] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// add takes one row in, or says why not: every mistake of it, so that the administrator needn't upload it once for each, and
// nothing of its content.
func (t *Table) add(c *columns, cells []string, line int, region string) (reasons []string) {
	if len(cells) > c.width && !blank(cells[c.width:]) {
		// Which cell is in the wrong column isn't known, so nothing more can be said.
		return []string{"there are more cells than columns; one with a separator in it has to stand in quotes"}
	}
	number, badNumber := readNumber(cell(cells, c.number), region)
	address, badAddress := readAddress(cell(cells, c.mailbox))
	first, badFirst := readDay(cell(cells, c.from), always, "Valid From", region)
	last, badLast := readDay(cell(cells, c.to), ever, "Valid To", region)
	backwards := ""
	if badFirst == "" && badLast == "" && first > last {
		backwards = "Valid From lies after Valid To"
	}
	for _, reason := range []string{badNumber, badAddress, badFirst, badLast, backwards} {
		if reason != "" {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) > 0 {
		return reasons
	}
	if reason := t.put(number, row{address, first, last, line}); reason != "" {
		return []string{reason}
	}
	return nil
}

// put takes a row in that says something by itself, or says why it doesn't go with the number's others.
func (t *Table) put(number string, r row) (reason string) {
	for _, other := range t.rows[number] {
		if r.last < other.first || other.last < r.first {
			continue
		}
		if r.address != other.address {
			return fmt.Sprintf("the number has another mailbox for the same days in line %d", other.line)
		}
		if r.first == other.first && r.last == other.last {
			return "" // the same again
		}
	}
	if len(t.rows[number]) == maxRows {
		return fmt.Sprintf("the number is in more than %d lines", maxRows)
	}
	t.rows[number] = append(t.rows[number], r)
	return ""
}

func readNumber(text, region string) (e164, reason string) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "'")) // a spreadsheet's mark of a text
	switch {
	case text == "":
		return "", "the number is empty"
	case scientific.MatchString(text):
		return "", "the number was rounded by a spreadsheet (scientific notation), its last digits are lost: " +
			"make the column text and put the number in again"
	case fraction.MatchString(text):
		return "", "the number ends in a decimal point: make the spreadsheet's column text"
	}
	e164, ok := phone.E164(text, region)
	if !ok {
		return "", "the number is no telephone number: digits with the country code are expected"
	}
	return e164, ""
}

func readAddress(text string) (address, reason string) {
	switch strings.Count(text, "@") {
	case 0:
		if text == "" {
			return "", "the mailbox is empty"
		}
		return "", "the mailbox has no @"
	case 1:
	default:
		return "", "the mailbox has more than one @"
	}
	address, ok := plain(text)
	if !ok {
		return "", "the mailbox is no email address"
	}
	return address, ""
}

// readDay reads a date; an empty one is open. Dates with slashes are read day first, as in Britain.
func readDay(text string, open day, column, region string) (d day, reason string) {
	if text == "" {
		return open, ""
	}
	forms := []string{time.DateOnly, "2 Jan 2006", "2-Jan-2006", "2.1.2006", "2/1/2006"}
	if region == "US" {
		forms = forms[:3] // there, 01/02 is more likely January
	}
	for _, form := range forms {
		if t, err := time.Parse(form, text); err == nil && t.Year() >= 1990 && t.Year() <= 9999 {
			return dayOf(t), ""
		}
	}
	return 0, column + " is no date: write it as 2026-11-22"
}
