package message

import (
	"bytes"
	"time"
)

// addTime appends a time in UTC and in London time, nothing for the zero time.
func (p *block) addTime(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	p.b = appendClock(append(append(p.b, name...), ": "...), t.UTC())
	if there := inLondon(t); there.Location() == summer {
		p.b = appendClock(append(p.b, ", in London "...), there)
		p.line()
	} else {
		p.line(", the same in London (GMT)")
	}
}

// asGiven appends a time as the source gave it, if that is more than the UTC time above in the form of RFC 3339.
func (p *block) asGiven(name string, t time.Time, given string) {
	if t.IsZero() || given != t.UTC().Format(time.RFC3339Nano) {
		p.field(name+", as given", given, "")
	}
}

// appendClock appends a time in its own zone: 2026-11-22 09:30:00.5 GMT. It uses the RFC 3339 layout, because Format
// takes several times as long for a custom layout.
func appendClock(b []byte, t time.Time) []byte {
	at := len(b)
	b = t.AppendFormat(b, time.RFC3339Nano)
	date := bytes.IndexByte(b[at:], 'T')
	zone := bytes.IndexAny(b[at+date:], "Z+-") // after the time of day
	b[at+date] = ' '
	name, _ := t.Zone()
	return append(append(b[:at+date+zone], ' '), name...)
}

var (
	greenwich = time.FixedZone("GMT", 0)
	summer    = time.FixedZone("BST", 60*60)
)

// inLondon returns t in London time, which the network and its customers use. Clocks are an hour ahead from 01:00 UTC
// on the last Sunday of March to 01:00 UTC on the last Sunday of October. The rule has held since 1996, and no time
// of an item is older. It is built in, because time zone tables differ between machines, and the message must be the
// same on all of them.
func inLondon(t time.Time) time.Time {
	t = t.UTC()
	ahead := false
	switch month := t.Month(); {
	case month == time.March, month == time.October:
		ahead = t.Before(lastSunday(t.Year(), month)) == (month == time.October)
	default:
		ahead = month > time.March && month < time.October
	}
	if ahead {
		return t.In(summer)
	}
	return t.In(greenwich)
}

// lastSunday returns 01:00 UTC on the last Sunday of a month that has 31 days.
func lastSunday(year int, month time.Month) time.Time {
	last := time.Date(year, month, 31, 1, 0, 0, 0, time.UTC)
	return last.AddDate(0, 0, -int(last.Weekday()))
}
