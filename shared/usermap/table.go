package usermap

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/phone" // numbers are compared in E.164 form, which only that package can derive
)

// Table is an administrator's mapping of numbers to mailboxes. It is immutable and safe for concurrent use.
type Table struct {
	version  string
	encoding string
	london   *time.Location
	rows     map[string][]row // keyed by number in E.164 form
	lines    int
	dates    dates
}

// row is one line of the file: the mailbox of the number's holder from day first to day last.
type row struct {
	address     string // in lower case
	first, last day
	line        int
}

// day is a date as the number yyyymmdd, so that days compare as numbers.
type day int

const (
	always = day(0)
	ever   = day(99999999)
	// maxRows is the maximum number of rows for one number. Comparing them takes quadratic time.
	maxRows = 100
)

// Version returns the hex SHA-256 of the file as uploaded.
func (t *Table) Version() string { return t.version }

// Encoding returns what the file's encoding was taken for, in words.
func (t *Table) Encoding() string { return t.encoding }

// Rows returns the number of rows in the file, without the header and blank rows.
func (t *Table) Rows() int { return t.lines }

// Dates returns the ways in which the file's dates are written and were interpreted, in the order in which they
// occur.
func (t *Table) Dates() []DateForm { return slices.Clone(t.dates.forms) }

// Len returns how many numbers the table maps.
func (t *Table) Len() int { return len(t.rows) }

// Lookup returns the address, in lower case, of the person who held the number at that time. The number is in E.164
// form.
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

// dayOf returns the day of t in t's own zone.
func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return day(y*10000 + int(m)*100 + d)
}

var (
	scientific = regexp.MustCompile(`^[+-]?[0-9]+([.,][0-9]*)?[eE][+-]?[0-9]+$`)
	fraction   = regexp.MustCompile(`^[0-9]{7,}[.,]0*$`)
)

// Addresses returns the mailboxes that numbers are mapped to, in lower case, sorted and without repetition.
func (t *Table) Addresses() []string {
	all := map[string]bool{}
	for _, rows := range t.rows {
		for _, r := range rows {
			all[r.address] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// add adds one row, or returns the reasons why it is refused: all of its mistakes, so that the administrator can
// correct them in one go, and nothing of its content.
func (t *Table) add(c *columns, cells []string, line int, region string) (reasons []string) {
	if len(cells) > c.width && !isBlankRow(cells[c.width:]) {
		// It is not known which cell is in the wrong column, so no further check makes sense.
		return []string{"there are more cells than columns; one with a separator in it has to stand in quotes"}
	}
	for _, cell := range cells {
		if hasSwallowedRows(cell, region) {
			return []string{"a quotation mark takes the rows behind it into one cell: take it out, or double it"}
		}
	}
	number, badNumber := readNumber(cellAt(cells, c.number), region)
	address, badAddress := readAddress(cellAt(cells, c.mailbox))
	first, badFirst := t.dates.read(cellAt(cells, c.from), always, "Valid From", line)
	last, badLast := t.dates.read(cellAt(cells, c.to), ever, "Valid To", line)
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

// put adds a valid row, or returns the reason why it contradicts another row of the same number.
func (t *Table) put(number string, r row) (reason string) {
	for _, other := range t.rows[number] {
		if r.last < other.first || other.last < r.first {
			continue
		}
		if r.address != other.address {
			return fmt.Sprintf("the number has another mailbox for the same days in line %d", other.line)
		}
		if r.first == other.first && r.last == other.last {
			return "" // a repetition of that row
		}
	}
	if len(t.rows[number]) == maxRows {
		return fmt.Sprintf("the number is in more than %d lines", maxRows)
	}
	t.rows[number] = append(t.rows[number], r)
	return ""
}

// readNumber returns a number in E.164 form, or the reason why the cell is refused.
func readNumber(text, region string) (e164, reason string) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "'")) // a spreadsheet marks a cell as text with an apostrophe
	switch {
	case text == "":
		return "", "the number is empty"
	case phone.Extended(text, region):
		return "",
			"the number has an extension: messages come to a whole number, and the extension says that it " +
				"is not one person's"
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

// readAddress returns an address in lower case, or the reason why the cell is refused.
func readAddress(text string) (address, reason string) {
	if address, ok := plainAddress(text); ok {
		return address, ""
	}
	switch strings.Count(text, "@") {
	case 0:
		if text == "" {
			return "", "the mailbox is empty"
		}
		return "", "the mailbox has no @"
	case 1:
		return "", "the mailbox is no email address"
	}
	return "", "the mailbox has more than one @"
}

// hasSwallowedRows reports whether a cell of several lines contains what belongs to other rows. A stray quotation
// mark extends to the next one, and the people between them would be missing without notice.
func hasSwallowedRows(cell, region string) bool {
	if !strings.Contains(cell, "\n") {
		return false
	}
	for line := range strings.SplitSeq(cell, "\n") {
		for part := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ';' || c == '\t' }) {
			if strings.Contains(part, "@") {
				return true
			}
			if _, ok := phone.E164(part, region); ok {
				return true
			}
		}
	}
	return false
}
