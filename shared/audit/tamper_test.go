package audit

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// The days of threeDays.
const first, second, third = "2026/11/29", "2026/11/30", "2026/12/02"

// logs is the content of the logs, by their days.
type logs map[string][]byte

// threeDays returns a log of three days, of which the last one is open, with a day between them that has none.
func threeDays(t *testing.T) (days logs) {
	t.Helper()
	inBubble(t, func(t *testing.T, d *desk) {
		days = logs{}
		for _, form := range []string{"a", "b", "c"} {
			d.append(entry(form + "1"))
			d.append(entry(form + "2"))
			d.clock.Add(24 * time.Hour)
			if form == "b" {
				d.clock.Add(24 * time.Hour)
			}
		}
		for _, day := range []string{genesis, first, second, third} {
			data, _, err := d.log.opts.Logs.Tail(t.Context(), day, maxDay)
			if err != nil {
				t.Fatal(err)
			}
			days[day] = data
		}
	})
	return days
}

// replace changes a text of a day.
func replace(day, text, with string) func(logs) {
	return func(days logs) {
		if !bytes.Contains(days[day], []byte(text)) {
			panic(day + " has no " + text)
		}
		days[day] = bytes.Replace(days[day], []byte(text), []byte(with), 1)
	}
}

// reorder makes the second day of its own lines, by their numbers.
func reorder(numbers ...int) func(logs) {
	return func(days logs) {
		lines := bytes.SplitAfter(days[second], []byte("\n"))
		days[second] = nil
		for _, n := range numbers {
			days[second] = append(days[second], lines[n-1]...)
		}
	}
}

// Whatever is done to the log, but for what is missing at its end, is noticed.
func TestTampering(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(logs)
		fine   bool
	}{
		"nothing":                  {reorder(1, 2, 3), true},
		"the last day less":        {func(d logs) { delete(d, third) }, true}, // what no chain shows
		"a name":                   {replace(second, "jane@", "john@"), false},
		"a letter in another day":  {replace(first, "Put", "put"), false},
		"a count":                  {replace(second, `"count":3`, `"count":4`), false},
		"the mark of the first":    {replace(genesis, `"first":true,`, ``), false},
		"the first day's name":     {replace(genesis, first, second), false},
		"the next day's name":      {replace(second, third, "2026/12/01"), false},
		"a mark of a first":        {replace(second, `"v":1,`, `"v":1,"first":true,`), false},
		"an empty line":            {replace(second, "\n", "\n\n"), false},
		"no end of a line":         {func(d logs) { d[third] = bytes.TrimSuffix(d[third], []byte("\n")) }, false},
		"no first line":            {reorder(2, 3), false},
		"a line less":              {reorder(1, 3), false},
		"no last line":             {reorder(1, 2), false},
		"two lines changed places": {reorder(2, 1, 3), false},
		"a line twice":             {reorder(1, 1, 2, 3), false},
		"a day less":               {func(d logs) { delete(d, second) }, false},
		"the first day less":       {func(d logs) { delete(d, first) }, false},
		"all of the oldest less":   {func(d logs) { delete(d, genesis); delete(d, first) }, true}, // no longer kept
		"a line after the end":     {func(d logs) { d[first] = slices.Concat(d[first], d[second]) }, false},
		"two days changed places":  {func(d logs) { d[first], d[second] = d[second], d[first] }, false},
	} {
		t.Run(name, func(t *testing.T) {
			days := threeDays(t)
			tt.change(days)
			inBubble(t, func(t *testing.T, d *desk) {
				for day, data := range days {
					err := d.log.opts.Logs.Create(t.Context(), day)
					if err = errors.Join(err, d.log.opts.Logs.Append(t.Context(), day, 0, data)); err != nil {
						t.Fatal(err)
					}
				}
				p, err := d.log.Verify(t.Context())
				if (err == nil) != tt.fine || err != nil && !errors.Is(err, ErrTampered) ||
					err == nil && p.Whole != (days[genesis] != nil) {
					t.Errorf("%+v, %v", p, err)
				}
			})
		})
	}
}
