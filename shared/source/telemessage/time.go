package telemessage

import (
	"regexp"
	"strings"
	"time"
)

// dateTime is the grammar of RFC 3339 section 5.6. The time package also accepts an hour of one digit, a comma, and
// an offset of 99 hours.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// parseTime parses a time in RFC 3339, and no other format. Section 5.6 allows T and Z in lower case, and second 60
// for a leap second.
func parseTime(s string) (time.Time, bool) {
	const longest = 64
	upper := strings.ToUpper(s)
	if len(s) > longest || !dateTime.MatchString(upper) {
		return time.Time{}, false
	}
	if t, err := time.Parse(time.RFC3339, upper); err == nil {
		return t.UTC(), true
	}
	const seconds = len("2006-01-02T15:04:")
	if upper[seconds:seconds+2] == "60" {
		t, err := time.Parse(time.RFC3339, upper[:seconds]+"59"+upper[seconds+2:])
		if err == nil && t.UTC().Format("15:04:05") == "23:59:59" {
			return t.UTC().Add(time.Second), true
		}
	}
	return time.Time{}, false
}
