package delivery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A count is a plain number, whose digits may be grouped. A part of anything else is no count: it would prove that a
// ZIP is complete which is not.
func TestCount(t *testing.T) {
	t.Parallel()
	isEntry := entriesOf("a.eml", "000", "000.eml", "100.eml", "2 b.eml")
	for text, want := range map[string]int{
		"Count: 0": 0, "Count: 7": 7, "Count:\t7 ": 7, "count=007": 7, "COUNT : \"7\"": 7, "\"Count: 7\"": 7,
		"Count: 123456789": 123456789, "EML-Count: 7": 7, "Count: '7'": 7, "<list count=\"7\"/>": 7,
		`{"Count": 7, "files": []}`: 7, `{"count": "7"}`: 7, "{'count': 7, 'files': []}": 7, "Count: 7; Day: 28": 7,

		// Digits in groups.
		"Count: 1,000": 1000, "Count: 1.000": 1000, "Count: 1 000": 1000, "Count: 1'000": 1000,
		"Count: 1’000": 1000, "Count: 1\u00a0000": 1000, "Count: 1\u202f000": 1000, "Count: 1\u2009000": 1000,
		"Count: 12,345,678": 12345678, "Count: \"1,000\"": 1000, "Count: 1,000; a.eml": 1000,
		"Count: 1,000, a.eml": 1000,

		// The count in a line that lists.
		"Count: 1; a.eml": 1, "a.eml; Count: 1": 1, "Count: 2, 100.eml": 2, "Count: 2;100.eml;000.eml": 2,
		"Count: 1 a.eml": 1, "Count: 1\ta.eml": 1, "Count: 3; 2 b.eml": 3, "a.eml, Count: 1, 100.eml": 1,
		"Count: 7; gone.eml": 7, "Count: 1, Count: 1": 1,

		// Not certain.
		"Count:": -1, "Count: ": -1, "Count: x": -1, "Count: five": -1, "Count: no.eml": -1, "Count: 5.0": -1,
		"Count: 5.": -1, "Count: 5,5": -1, "Count: 1e3": -1, "Count: 1E3": -1, "Count: -1": -1, "Count: +1": -1,
		"Count: 0x10": -1, "Count: 10 of 12": -1, "Count: 10/12": -1, "Count: 10-12": -1, "Count: ~10": -1,
		"Count: 10+": -1, "Count: 10%": -1, "Count: 5k": -1, "Count: #5": -1, "Count: (5)": -1, "Count: 5?": -1,
		"Count: 1,00": -1, "Count: 1,0000": -1, "Count: 1000,000": -1, "Count: 0,123": -1, "Count: 1,000.5": -1,
		"Count: 1,000,00": -1, "Count: 1.000,000": -1, "Count: 1,000 000": -1, "Count: 1_000": -1,
		"Count: 1  000": -1, "Count: 1,": 1, "Count: 1, 000": -1, "Count: 1;2": -1, "Count: 7\t12": -1,
		"Count: 12345678901": -1, "Count: 1,234,567,890": -1, "Count: \"5": -1, "Count: \"5\"0": -1, "Count: 5'": -1,
		"Count: ٣": -1, "Count: 1\xa0000": -1, "Count: 1,000.eml": -1, "Count: 1 000.eml": -1,
		"Count: 2,100.eml": -1, "Count: 1\u00b2": -1, "Count: <5>": -1,
	} {
		got, err := ReadManifest(t.Context(), strings.NewReader(text), isEntry)
		if err != nil {
			t.Fatal(err)
		}
		if got.Count != want || got.Unclear != (want < 0) || got.Disagrees {
			t.Errorf("%q: %d, unclear %t, disagrees %t; want %d", text, got.Count, got.Unclear, got.Disagrees, want)
		}
	}
	for text, want := range map[string]ListManifest{
		"Count: 1\nCount: 1,000":      {Count: 1, Disagrees: true},
		"Count: 1,000\nCount: 1000":   {Count: 1000},
		"Count: 1, Count: 2":          {Count: 1, Disagrees: true},
		"Count: 5\nCount: 10 of 12":   {Count: 5, Unclear: true},
		"Count: 5.0\r\nCount: 5":      {Count: 5, Unclear: true},
		"Discount: 5\nAccount: 1,000": {Count: -1},
	} {
		got, err := ReadManifest(t.Context(), strings.NewReader(text), isEntry)
		if err != nil {
			t.Fatal(err)
		}
		if got.Count != want.Count || got.Unclear != want.Unclear || got.Disagrees != want.Disagrees {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// A line lists all entries that it names. What it names besides and is no entry is missing.
func TestSeveralNamesInALine(t *testing.T) {
	t.Parallel()
	isEntry := entriesOf("a.eml", "b.eml", "c d.eml", "x, y.eml", "Count: 7.eml", "p.png")
	type lists struct{ Listed, Missing []string }
	for text, want := range map[string]lists{
		"a.eml, b.eml":                    {Listed: []string{"a.eml", "b.eml"}},
		"b.eml;a.eml;p.png":               {Listed: []string{"a.eml", "b.eml", "p.png"}},
		"a.eml b.eml":                     {Listed: []string{"a.eml", "b.eml"}},
		"a.eml  c d.eml b.eml":            {Listed: []string{"a.eml", "b.eml", "c d.eml"}},
		"c d.eml, a.eml":                  {Listed: []string{"a.eml", "c d.eml"}},
		"x, y.eml, a.eml":                 {Listed: []string{"a.eml", "x, y.eml"}},
		"a.eml, x, y.eml":                 {Listed: []string{"a.eml", "x, y.eml"}},
		"a.eml, x, y.eml, b.eml":          {Listed: []string{"a.eml", "b.eml", "x, y.eml"}},
		"00ff x, y.eml":                   {Listed: []string{"x, y.eml"}},
		"00ff a.eml, 11ee b.eml":          {Listed: []string{"a.eml", "b.eml"}},
		`"a.eml", "b.eml"`:                {Listed: []string{"a.eml", "b.eml"}},
		"Count: 7.eml, a.eml":             {Listed: []string{"Count: 7.eml", "a.eml"}},
		"a.eml, a.eml":                    {Listed: []string{"a.eml"}},
		"a.eml, gone.eml":                 {Listed: []string{"a.eml"}, Missing: []string{"gone.eml"}},
		"gone.eml a.eml":                  {Listed: []string{"a.eml"}, Missing: []string{"gone.eml"}},
		"lost.eml;gone.eml;lost.eml":      {Missing: []string{"gone.eml", "lost.eml"}},
		"Count: 3; a.eml; gone.eml; note": {Listed: []string{"a.eml"}, Missing: []string{"gone.eml"}},
		strings.Repeat("f,", 400) + "a.eml," + strings.Repeat("f,", 400) + "x, y.eml,,b.eml": {
			Listed: []string{"a.eml", "b.eml", "x, y.eml"}},
		strings.Repeat("f,", 1000) + "a.eml," + strings.Repeat("f,", 1000) + ",b.eml": {
			Listed: []string{"a.eml", "b.eml"}},
	} {
		m, err := ReadManifest(t.Context(), strings.NewReader(text), isEntry)
		if err != nil {
			t.Fatal(err)
		}
		got := lists{slices.Sorted(maps.Keys(m.Listed)), slices.Sorted(slices.Values(m.Missing))}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if m.Unknown > 0 || m.Unclear {
			t.Errorf("%q: %+v", text, m)
		}
	}
}

// A count that is cut with its line proves nothing.
func TestCountInALineThatIsCut(t *testing.T) {
	t.Parallel()
	const text = "Count: 1000"
	for cut := range len(text) {
		line := strings.Repeat(" ", maxListLine-cut) + text
		m, err := ReadManifest(t.Context(), strings.NewReader(line), entriesOf())
		if err != nil || !m.Cut {
			t.Errorf("after %d bytes: %+v, %v", cut, m, err)
		}
	}
}

// The work for a line grows with its length, and not faster: it is counted in names that are looked up.
func TestLineOfSeparators(t *testing.T) {
	t.Parallel()
	for _, part := range []string{",", " a,", ", ", "1 ", "a,", "Count: 1,", "count=1 a "} {
		text := strings.Repeat(part, maxListLine/len(part))
		asked, bytes := 0, 0
		_, err := ReadManifest(t.Context(), strings.NewReader(text), func(name string) bool {
			asked++
			bytes += len(name)
			return false
		})
		if err != nil {
			t.Fatal(err)
		}
		// Each of two times, each part is looked up alone, and the rest of the line at the first ones.
		if asked > 2*(len(text)+maxSplits) || bytes > 2*len(text)*(maxSplits+1)+len(text) {
			t.Errorf("%q: asked for %d names of %d bytes, of a line of %d", part, asked, bytes, len(text))
		}
	}
	for part, most := range map[string]int{
		"a,":   1 + maxSplits + (maxSplits+1)*(maxSeparators+1), // once: there is no blank
		"a":    3,
		",  ":  2 * (maxSplits + 2),
		"a, b": 2*(1+maxSplits) + 2*(maxSplits+1)*(maxSeparators+1),
	} {
		asked := 0
		text := strings.Repeat(part, (maxSeparators-1)/max(1, strings.Count(part, ",")+strings.Count(part, " ")))
		_, err := ReadManifest(t.Context(), strings.NewReader(text), func(string) bool { asked++; return false })
		if err != nil || asked > most {
			t.Errorf("%q: asked for %d names, at most %d are needed, %v", part, asked, most, err)
		}
	}
}

// A manifest that is being read does not outlive its context.
func TestManifestIsCancelled(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	lines := 0
	m, err := ReadManifest(ctx, strings.NewReader(strings.Repeat("a\n", 10*linesPerCheck)), func(string) bool {
		if lines++; lines == linesPerCheck+1 {
			cancel(stopped)
		}
		return true
	})
	if m != nil || !errors.Is(err, stopped) || lines > 2*linesPerCheck {
		t.Errorf("%d lines, %v", lines, err)
	}
}
