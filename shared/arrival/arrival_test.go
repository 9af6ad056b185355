package arrival

import (
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 28, 5, 30, 0, 0, time.UTC)

func TestIsComplete(t *testing.T) {
	t.Parallel()
	const after = 10 * time.Minute
	file := File{"a.zip", 100, now.Add(-5 * time.Minute)}
	at := func(f File, ago time.Duration) Sighting { return Sighting{f, now.Add(-ago)} }
	grown, touched, other := file, file, file
	grown.Size++
	touched.ModTime = touched.ModTime.Add(time.Second)
	other.Path = "b.zip"
	timeless, elsewhere := file, file
	epoch := File{"a.zip", 100, time.Unix(0, 0)}
	timeless.ModTime = time.Time{}
	elsewhere.ModTime = elsewhere.ModTime.In(time.FixedZone("", 3600))
	for name, tt := range map[string]struct {
		file    File
		earlier Sighting
		want    bool
	}{
		"never seen, new":           {file, Sighting{}, false},
		"never seen, old":           {File{"a.zip", 100, now.Add(-after)}, Sighting{}, true},
		"never seen, not quite old": {File{"a.zip", 100, now.Add(-after + 1)}, Sighting{}, false},
		"seen for a minute":         {file, at(file, time.Minute), true},
		"seen for less":             {file, at(file, time.Minute-1), false},
		"grown":                     {file, at(grown, time.Hour), false},
		"touched":                   {file, at(touched, time.Hour), false},
		"another file":              {file, at(other, time.Hour), false},
		"seen in the future":        {file, at(file, -time.Hour), false},
		"a clock that is ahead":     {File{"a.zip", 100, now.Add(time.Hour)}, Sighting{}, false},
		"no time of change":         {timeless, Sighting{}, false},
		"1970":                      {epoch, Sighting{}, false},
		"before 1970":               {File{"a.zip", 100, time.Unix(-1, 0)}, Sighting{}, false},
		"in the first second":       {File{"a.zip", 100, time.Unix(0, 999_999_999)}, Sighting{}, false},
		"after 1970":                {File{"a.zip", 100, time.Unix(1, 0)}, Sighting{}, true},
		"1970, seen":                {epoch, at(epoch, time.Minute), true},
		"1970, seen for less":       {epoch, at(epoch, time.Second), false},
		"no time, seen":             {timeless, at(timeless, time.Hour), true},
		"other zone":                {file, at(elsewhere, time.Hour), true},
		"empty and old":             {File{"a.zip", 0, now.Add(-time.Hour)}, Sighting{}, true},
	} {
		if got := IsComplete(tt.file, tt.earlier, now, after); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
	if !IsComplete(file, Sighting{}, now, 0) || IsComplete(File{"a", 1, now.Add(1)}, Sighting{}, now, -time.Hour) {
		t.Error("a limit of zero, or below, is not that of a file without a change in the future")
	}
}

func TestSight(t *testing.T) {
	t.Parallel()
	file := File{"a.zip", 100, now}
	first := Sight(file, Sighting{}, now)
	if first.Since != now || Sight(file, first, now.Add(time.Hour)) != first {
		t.Error("the first listing is not remembered")
	}
	grown := file
	grown.Size++
	if s := Sight(grown, first, now.Add(time.Hour)); s.Since != now.Add(time.Hour) || s.File != grown {
		t.Error("a file that grew is as old as before")
	}
	if s := Sight(file, first, now.Add(-time.Hour)); s.Since != now.Add(-time.Hour) {
		t.Error("a sighting lies in the future") // the clock was put back
	}
}

func TestIsPlainName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.zip": true, "a b é.zip": true, "...": true, ".a": true, strings.Repeat("x", maxName): true,
		"": false, ".": false, "..": false, "a/b": false, `a\b`: false, "/": false, "a\x00": false, "a\n": false,
		"a\x7f": false, strings.Repeat("x", maxName+1): false,
	} {
		if got := IsPlainName(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}
