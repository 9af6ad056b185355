package settings

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// cronField is one field of an NCRONTAB expression.
type cronField struct {
	name     string
	min, max int
	names    []string // names of the values from min on
}

// cronFields returns the fields of an expression in their order.
func cronFields() []cronField {
	return []cronField{
		{"second", 0, 59, nil},
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day", 1, 31, nil},
		{"month", 1, 12, []string{"january", "february", "march", "april", "may", "june", "july", "august",
			"september", "october", "november", "december"}},
		{"day of the week", 0, 6, []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday",
			"saturday"}},
	}
}

// checkSchedule accepts a schedule in the form that the Functions host accepts. Without the check, a mistake would
// only be one line in the host's log, and the function would never run.
func checkSchedule(v string) (string, error) {
	fields := strings.Fields(v)
	if len(fields) != 6 {
		return "", fmt.Errorf("has %d fields", len(fields))
	}
	var sets [6]uint64
	for i, f := range cronFields() {
		set, ok := f.parse(fields[i])
		if !ok {
			return "", errors.New("has a bad " + f.name)
		}
		sets[i] = set
	}
	if !everMatches(sets[3], sets[4]) {
		return "", errors.New("names a day that never comes")
	}
	return strings.Join(fields, " "), nil
}

// everMatches reports whether at least one of the months has one of the days. Both are sets of bits.
func everMatches(days, months uint64) bool {
	longest := [...]int{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	first := bits.TrailingZeros64(days)
	for m := 1; m <= 12; m++ {
		if months&(1<<m) != 0 && first <= longest[m] {
			return true
		}
	}
	return false
}

// parse returns the field's values as a set of bits.
func (f cronField) parse(text string) (set uint64, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		span, every, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(every)
			if err != nil || n < 1 || n > f.max {
				return 0, false
			}
			step = n
		}
		from, to, ok := f.span(span)
		if !ok {
			return 0, false
		}
		if stepped && from == to {
			to = f.max // 5/10 means 5, 15, 25 …
		}
		for v := from; v <= to; v += step {
			set |= 1 << v
		}
	}
	return set, true
}

// span parses one value, a range of values, or * for all.
func (f cronField) span(text string) (from, to int, ok bool) {
	if text == "*" {
		return f.min, f.max, true
	}
	first, last, ranged := strings.Cut(text, "-")
	from, ok = f.value(first)
	if !ok || !ranged {
		return from, from, ok
	}
	to, ok = f.value(last)
	return from, to, ok && from <= to
}

// value parses a number within the field's limits, or a name, in full or as its first three letters.
func (f cronField) value(text string) (int, bool) {
	for i, name := range f.names {
		if t := strings.ToLower(text); t == name || t == name[:3] {
			return f.min + i, true
		}
	}
	n, err := strconv.ParseUint(text, 10, 8)
	return int(n), err == nil && int(n) >= f.min && int(n) <= f.max
}
