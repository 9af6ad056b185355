package pages

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// templateFunctions returns what templates can call.
func templateFunctions() template.FuncMap {
	return template.FuncMap{
		"time": timeElement, "day": dayName, "ago": describeAge, "count": groupNumber, "plural": CountThings,
		"bytes": describeBytes, "percent": percentOf, "duration": DescribeDuration,
		"strip": drawStrip, "bars": drawBars, "mask": Mask,
		"dict": makeDict,
	}
}

// timeElement returns a time as an element: in UTC, which the script shows in the reader's zone with UTC beside.
func timeElement(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">never</span>`
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%[2]s</time>`,
		t.Format(time.RFC3339), t.Format("2 Jan 2006, 15:04 UTC")))
}

// dayName returns a day of UTC.
func dayName(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("Mon 2 Jan 2006")
}

// describeAge returns how long before now t was.
func describeAge(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if now.Sub(t) < 10*time.Second {
		return "just now"
	}
	return DescribeDuration(now.Sub(t)) + " ago"
}

// DescribeDuration returns a duration in its largest unit, rounded down.
func DescribeDuration(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return CountThings(int(d.Seconds()), "second", "seconds")
	case d < 2*time.Hour:
		return CountThings(int(d.Minutes()), "minute", "minutes")
	case d < 48*time.Hour:
		return CountThings(int(d.Hours()), "hour", "hours")
	default:
		return CountThings(int(d.Hours()/24), "day", "days")
	}
}

// groupNumber is groupDigits for the numbers that pages have: an int, an int64, or a pointer to one.
func groupNumber(n any) (string, error) {
	switch n := n.(type) {
	case int:
		return groupDigits(int64(n)), nil
	case int64:
		return groupDigits(n), nil
	case *int64:
		return groupDigits(*n), nil
	}
	return "", fmt.Errorf("a number of the type %T", n)
}

// groupDigits returns a number with a comma between groups of three digits.
func groupDigits(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return sign + b.String()
}

// CountThings returns a number with its noun.
func CountThings(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return groupDigits(int64(n)) + " " + many
}

func describeBytes(n int64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%d bytes", n)
	case n < 1e6:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
}

// percentOf returns part of whole in percent, rounded down: 100 only if nothing is missing.
func percentOf(part, whole int) int {
	if whole <= 0 {
		return 0
	}
	return min(100, int(int64(part)*100/int64(whole)))
}

// Mask returns a telephone number or an address of which only the beginning and the end are left, unless it is for an
// administrator.
func Mask(s string, admin bool) string {
	if admin || s == "" {
		return s
	}
	if local, domain, ok := strings.Cut(s, "@"); ok {
		return firstRunes(local, 1) + "•••@" + domain
	}
	runes := []rune(s)
	if len(runes) < 8 {
		return "•••"
	}
	return string(runes[:3]) + "•••" + string(runes[len(runes)-2:])
}

func firstRunes(s string, n int) string {
	runes := []rune(s)
	return string(runes[:min(n, len(runes))])
}

// makeDict returns a map of names and values in turn, for a template with several arguments.
func makeDict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict has a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict has a name that is a %T", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
