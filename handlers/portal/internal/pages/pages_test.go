package pages

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
)

// The limits are those of a page that opens at once on a telephone.
func TestFilesAreSmall(t *testing.T) {
	all, err := ParseAll()
	if err != nil {
		t.Fatal(err)
	}
	for name, limit := range map[string]int{"portal.css": 15_000, "portal.js": 5_000} {
		if n := len(all.files[name].content); n == 0 || n > limit {
			t.Errorf("%s has %d bytes, want at most %d", name, n, limit)
		}
	}
}

// The policy of the pages refuses script and style within a page.
func TestTemplatesHoldNoScriptOrStyle(t *testing.T) {
	entries, err := templates.ReadDir("templates")
	if err != nil || len(entries) < 4 {
		t.Fatal(len(entries), err)
	}
	for _, e := range entries {
		text, err := templates.ReadFile("templates/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []string{"<style", " style=", " onclick=", " onchange=", "javascript:", "<script>",
			"http://", "https://"} {
			if strings.Contains(string(text), wrong) {
				t.Errorf("%s has %s", e.Name(), wrong)
			}
		}
	}
}

// A page that is first needed by several people at once is parsed once, and is the same for all of them.
func TestFirstViewsAtOnce(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	p := Page{Name: "error", Title: "A title", Person: identity.Person{Name: "Ann", Role: identity.Reader},
		Data: struct{ Says, Do string }{"It says this.", "Do that."}}
	var each [8]bytes.Buffer
	var wait sync.WaitGroup
	for i := range each {
		wait.Go(func() {
			if err := all.Render(&each[i], p); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for i := range each {
		if got := each[i].String(); got != each[0].String() || !strings.Contains(got, "It says this.") {
			t.Errorf("view %d:\n%s", i, got)
		}
	}
	if err := all.Render(&each[0], Page{Name: "layout"}); err == nil {
		t.Error("the layout is a page")
	}
}

// What can be scrolled can be scrolled by the keyboard, also where no browser test shows a table that is wide enough.
func TestTablesCanBeScrolledByKeyboard(t *testing.T) {
	entries, err := templates.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	const region = ` class="scroll"`
	seen := 0
	for _, e := range entries {
		text, err := templates.ReadFile("templates/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Count(string(text), region)
		seen += all
		if all != strings.Count(string(text), region+` tabindex="0"`) {
			t.Errorf("%s has a region that scrolls, and that the keyboard can't reach", e.Name())
		}
	}
	if seen < 10 {
		t.Errorf("only %d regions were found: the test looks for the wrong text", seen)
	}
}

func TestHostileValuesAreEscaped(t *testing.T) {
	all, err := ParseAll()
	if err != nil {
		t.Fatal(err)
	}
	const hostile = `"><script>alert(1)</script>`
	var out bytes.Buffer
	p := Page{Name: "error", Title: hostile, Notice: hostile,
		Person: identity.Person{Name: hostile, Role: identity.Reader},
		Data:   struct{ Says, Do string }{hostile, hostile}}
	if err := all.Render(&out, p); err != nil {
		t.Fatal(err)
	}
	chart := string(drawStrip(hostile, []Cell{{Title: hostile, State: hostile, Link: hostile}})) +
		string(drawBars(hostile, []Bar{{Title: hostile, Class: hostile, Count: 1}}))
	if strings.Contains(out.String()+chart, "<script>alert") {
		t.Errorf("the page holds what was to be escaped")
	}
}

func TestFunctions(t *testing.T) {
	now := time.Date(2026, 11, 29, 5, 30, 0, 0, time.UTC)
	for _, test := range []struct{ got, want string }{
		{groupDigits(1234567), "1,234,567"}, {groupDigits(-1000), "-1,000"}, {groupDigits(999), "999"},
		{CountThings(1, "message", "messages"), "1 message"},
		{CountThings(2000, "message", "messages"), "2,000 messages"},
		{describeAge(now, now.Add(-3*time.Hour)), "3 hours ago"}, {describeAge(now, now), "just now"},
		{describeAge(now, now.Add(-75*time.Hour)), "3 days ago"}, {describeAge(now, time.Time{}), "never"},
		{describeBytes(150e6), "150.0 MB"}, {dayName(now), "Sun 29 Nov 2026"},
		{Mask("+447700900123", false), "+44•••23"}, {Mask("+447700900123", true), "+447700900123"},
		{Mask("ann@contoso.com", false), "a•••@contoso.com"}, {Mask("600123", false), "•••"},
		{string(timeElement(now)),
			`<time datetime="2026-11-29T05:30:00Z" title="29 Nov 2026, 05:30 UTC">29 Nov 2026, 05:30 UTC</time>`},
	} {
		if test.got != test.want {
			t.Errorf("%s, want %s", test.got, test.want)
		}
	}
	if got := percentOf(999_999, 1_000_000); got != 99 {
		t.Errorf("%d percent while something is missing", got)
	}
}
