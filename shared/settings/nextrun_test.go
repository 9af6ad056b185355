package settings

import (
	"testing"
	"time"
)

func TestNextRun(t *testing.T) {
	now := time.Date(2026, 11, 30, 5, 30, 0, 0, time.UTC) // a Monday
	for schedule, want := range map[string]string{
		"0 30 5 * * *":       "2026-12-01T05:30:00Z", // after now, not at it
		"0 31 5 * * *":       "2026-11-30T05:31:00Z",
		"*/20 * * * * *":     "2026-11-30T05:30:20Z",
		"0 */15 * * * *":     "2026-11-30T05:45:00Z",
		"0 0 6 * * Mon-Fri":  "2026-11-30T06:00:00Z",
		"0 0 5 * * sunday,2": "2026-12-01T05:00:00Z",
		"0 0 0 1 1 *":        "2027-01-01T00:00:00Z",
		"0 0 0 29 feb *":     "2028-02-29T00:00:00Z",
		"0 0 0 31 feb *":     "0001-01-01T00:00:00Z",
		"30 5 * * *":         "0001-01-01T00:00:00Z",
		"0 61 5 * * *":       "0001-01-01T00:00:00Z",
		"":                   "0001-01-01T00:00:00Z",
	} {
		if got := NextRun(schedule, now.In(time.FixedZone("", 3600))).Format(time.RFC3339); got != want {
			t.Errorf("%q: %s, want %s", schedule, got, want)
		}
	}
}
