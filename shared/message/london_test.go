package message

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"o2archiver/local/soak"
)

// The rule is that of the tables of time zones, and no table on a machine changes it.
func TestLondon(t *testing.T) {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	const clock = "2006-01-02 15:04:05 MST"
	first, last := 2020, 2028
	if soak.ForTest(t).Long {
		first, last = 1996, 2080
	}
	for at := time.Date(first, 1, 1, 0, 59, 59, 0, time.UTC); at.Year() < last; at = at.Add(time.Hour) {
		for _, at := range []time.Time{at, at.Add(time.Second)} {
			if want, got := at.In(zone).Format(clock), inLondon(at).Format(clock); got != want {
				t.Fatalf("%v is %s in London, want %s", at, got, want)
			}
		}
	}
	for given, want := range map[string]string{
		"2026-07-01T09:00:00.25Z":     "2026-07-01 10:00:00.25 BST",
		"2026-10-25T00:59:59Z":        "2026-10-25 01:59:59 BST",
		"2026-10-25T01:00:00Z":        "2026-10-25 01:00:00 GMT",
		"2026-03-29T06:30:00+05:30":   "2026-03-29 02:00:00 BST",
		"9999-12-31T23:59:59Z":        "9999-12-31 23:59:59 GMT",
		"2026-11-22T09:30:00.000001Z": "2026-11-22 09:30:00.000001 GMT",
	} {
		at, err := time.Parse(time.RFC3339, given)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendClock(nil, inLondon(at))); got != want {
			t.Errorf("%s is %s in London, want %s", given, got, want)
		}
	}
}

// A table of time zones with another London in it, as ZONEINFO or an old system may have, is not asked.
func TestTablesOfTheMachineAreNotAsked(t *testing.T) {
	r := shortText()
	r.Time = time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC)
	r.Archived = time.Time{}
	t.Setenv("ZONEINFO", t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	text, _ := appendText(nil, r, participantsOf(r, Options{Region: "GB", Numbers: NewNumberCache()}), nil)
	if want := "Time: 2026-07-01 09:00:00 UTC, in London 2026-07-01 10:00:00 BST\r\n"; !strings.Contains(string(text),
		want) {
		t.Errorf("the text has no %q", want)
	}
}
