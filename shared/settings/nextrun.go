package settings

import (
	"strings"
	"time"
)

// maxAhead is how far ahead NextRun looks: a schedule may name the 29th of February.
const maxAhead = 9 * 366

// NextRun returns the first time after now, in UTC, at which a schedule of the form of FETCH_SCHEDULE starts a run. It
// returns the zero time if schedule is not of that form, or names no day within nine years.
func NextRun(schedule string, now time.Time) time.Time {
	texts := strings.Fields(schedule)
	if len(texts) != len(cronFields()) {
		return time.Time{}
	}
	var sets [6]uint64
	for i, f := range cronFields() {
		var ok bool
		if sets[i], ok = f.parse(texts[i]); !ok {
			return time.Time{}
		}
	}
	has := func(field, value int) bool { return sets[field]&(1<<value) != 0 }
	now = now.UTC()
	year, month, first := now.Date()
	for ahead := range maxAhead {
		day := time.Date(year, month, first+ahead, 0, 0, 0, 0, time.UTC)
		if !has(3, day.Day()) || !has(4, int(day.Month())) || !has(5, int(day.Weekday())) {
			continue
		}
		for minutes := range 24 * 60 {
			if !has(2, minutes/60) || !has(1, minutes%60) {
				continue
			}
			for second := range 60 {
				at := day.Add(time.Duration(minutes*60+second) * time.Second)
				if has(0, second) && at.After(now) {
					return at
				}
			}
		}
	}
	return time.Time{}
}
