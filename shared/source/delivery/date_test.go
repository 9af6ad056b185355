package delivery

import (
	"testing"
	"time"
)

// A date with a known offset is read in any of the forms that programs write.
func TestDates(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 11, 27, 9, 30, 0, 0, time.UTC)
	for _, date := range []string{
		"Fri, 27 Nov 2026 09:30:00 +0000", "27 Nov 2026 10:30:00 +0100", "Fri 27 Nov 2026 09:30:00 GMT",
		"Fri, 27 Nov 2026 04:30:00 EST", "Fri, 27 Nov 2026 09:30:00 -0000 (UTC)", "Fri, 27 Nov 2026 09:30 UT",
		"Fri,  27  Nov  26 09:30:00 Z", "2026-11-27T09:30:00Z", "27 November 2026 09:30:00 +0000",
		"Fri, 27 Nov 26 9:30 GMT", "27 Nov 26 9:30 +0000", "Fr., 27 Nov 2026 09:30:00 +0000",
		"27-Nov-2026 09:30:00 +0000", "Friday, 27-Nov-26 09:30:00 GMT", "27-NOV-2026 09:30 utc",
		"Fri, 27 Nov 2026 09:30:00 GMT+0000", "Fri, 27 Nov 2026 10:30:00 UTC+01:00", "27 Nov 2026 10:30:00 GMT+1",
		"27 Nov 2026 04:30:00 UTC-05", "27 Nov 2026 10:30:00 GMT +0100", "27 Nov 2026 10:30:00 +01:00",
		"27 Nov 2026 10:30:00 +0100 CET", "27 Nov 2026 09:30:00+0000", "27 Nov 2026 09:30:00Z",
		"Fri Nov 27 09:30:00 UTC 2026", "Fri Nov 27 09:30:00 2026 +0000", "Nov 27 04:30:00 EST 2026",
		"Fri Nov 27 10:30:00 +0100 2026", "Fri Nov 27 2026 10:30:00 GMT+0100 (Central European Standard Time)",
		"2026-11-27 09:30:00 +0000 UTC", "2026-11-27 09:30:00Z", "2026-11-27T10:30:00+0100", "2026-11-27T09:30Z",
		"27 Nov 2026 9:30 AM GMT", "Nov 27, 2026 9:30:00AM GMT", "Fri, Nov 27, 2026 04:30 am EST",
		"Fri (a day), 27 Nov (eleven) 2026 09:30:00 (half (past)) +0000",
	} {
		if got, ok := parseDate(date); !ok || !got.Equal(want) {
			t.Errorf("%s: %v, %v", date, got, ok)
		}
	}
	for _, date := range []string{"Fri, 27 Nov 2026 09:30:00,123 +0000", "27 Nov 2026 09:30:00,123 GMT",
		"Fri, 27 Nov 2026 09:30:00.123 +0000", "2026-11-27T09:30:00,123Z", "Fri Nov 27 09:30:00,123 UTC 2026"} {
		if got, ok := parseDate(date); !ok || !got.Equal(want.Add(123*time.Millisecond)) {
			t.Errorf("%s: %v, %v", date, got, ok)
		}
	}
	sept := time.Date(2026, 9, 1, 21, 5, 0, 0, time.UTC)
	if got, ok := parseDate("1 Sept. 2026 9:05 PM GMT"); !ok || !got.Equal(sept) {
		t.Errorf("September: %v, %v", got, ok)
	}
}

// A date is refused if its offset is not known, or if it has more than one meaning.
func TestNoDates(t *testing.T) {
	t.Parallel()
	for _, date := range []string{
		"", ",", "-", "--", "GMT", "09:30", "27 Nov 2026", "27 Nov 2026 09:30:00", "Fri Nov 27 09:30:00 2026",
		"2026-11-27 09:30:00", "2026-11-27T09:30:00", "27 Nov 2026 09:30:00 BST", "27 Nov 2026 09:30:00 IST",
		"Fri Nov 27 09:30:00 CET 2026", "27 Nov 2026 09:30:00 A", "27 Nov 2026 09:30:00 GMT+", "27 Nov 2026 09:30:00 +",
		"27 Nov 2026 09:30:00 +100", "27 Nov 2026 09:30:00 GMT+01:0", "27 Nov 2026 09:30:00 GMT+0x",
		"27 Nov 2026 09:30:00 +0000 +0100", "27 Nov 2026 09:30:00 GMT 12", "27 Nov 026 09:30:00 GMT",
		"27/11/2026 09:30:00 GMT", "11/27/2026 09:30:00 GMT", "27-11-2026 09:30:00 GMT", "26-11-27 09:30:00 GMT",
		"31 Feb 2026 09:30:00 GMT", "27 Nov 2026 25:30:00 GMT", "27 Nov 2026 15:30 PM GMT", "27 Nov 2026 0930 GMT",
		"27 Nov 2026 09:30,5 +0000", "27--2026 09:30:00 GMT", "27 Nov 2026 09:30:00 (GMT)", "27 Nov 2026 :: GMT",
	} {
		if got, ok := parseDate(date); ok {
			t.Errorf("%s: %v", date, got)
		}
	}
}
