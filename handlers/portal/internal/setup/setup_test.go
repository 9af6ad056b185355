package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/control"
)

// A text that was accepted stays what it was: a change needs another version, and a line here.
func TestTermsAreFixed(t *testing.T) {
	for version, want := range map[string]string{
		"2026-11": "f18e8626ce6fc2a96af3442b98342876998b7cc2e3591ecaa28764e2102df6e3",
	} {
		raw, err := os.ReadFile("terms/" + version + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != want {
			t.Errorf("the terms %s have changed: %x", version, sum)
		}
	}
	for _, s := range readTerms(termsText) {
		if s.Heading == "" || len(s.Paragraphs) == 0 {
			t.Errorf("a section of the terms is empty: %+v", s)
		}
	}
}

// The whole way: nothing is in force before the last click, and everything after it.
func TestSetUp(t *testing.T) {
	w := newWorld(t)
	page := w.get("/setup")
	if w.path != "/setup/terms" {
		t.Fatalf("the set-up begins at %s", w.path)
	}
	w.mustHold(page, "open-source project", "Version "+TermsVersion, `aria-current="step"`)
	if _, page := w.send("/setup/terms", "version", TermsVersion); !strings.Contains(page, "accept the terms.") {
		t.Error("without the tick the terms are accepted")
	}
	led, page := w.send("/setup/terms", "version", TermsVersion, "accept", "on")
	w.mustHold(page, "rest.telemessage.example")
	if c := w.connector(); led != "/setup/source" || !c.IsPaused("fetch", false) ||
		!c.IsPaused("import", false) || c.Terms == nil || c.Terms.Version != TermsVersion ||
		c.Terms.By != ann.ID || c.Terms.Name != ann.Name || !c.Terms.At.Equal(w.now) {
		t.Fatalf("after the terms: %s, %+v", led, c.Terms)
	}
	if led, _ = w.send("/setup/source", "username", siteName, "password", sitePassword); led != "/setup/mapping" {
		t.Fatalf("after the source: %s\n%s", led, w.page)
	}
	if diff := cmp.Diff([]string{sitePassword}, w.place.stored); diff != "" {
		t.Errorf("in the vault (-want +got):\n%s", diff)
	}
	if led, _ = w.send("/setup/mapping", "do", "switches", "automatic", "on", "custom", "on"); led != "/setup/domains" {
		t.Fatalf("after the mapping: %s\n%s", led, w.page)
	}
	led, page = w.send("/setup/domains", "domains", "Contoso.com\ncontoso.co.uk", "size", "10MB",
		"date", "2026-07-01", "zone", "Europe/London")
	if led != "/setup/review" {
		t.Fatalf("after the domains: %s\n%s", led, page)
	}
	w.mustHold(page, siteName, "contoso.com, contoso.co.uk", "up to 10 MB", "2026-06-30T23:00:00Z")
	if c := w.connector(); c.IsSetUp() || len(c.Settings) > 0 {
		t.Errorf("before the end: %+v", c)
	}
	w.mustHold(w.page, `name="start" value="on" checked`, "Nothing runs before you finish.")
	if led, page = w.send("/setup/review", "start", "on"); led != "/settings?done=finish" {
		t.Fatalf("after the review: %s\n%s", led, page)
	}
	w.mustHold(page, "The set-up is finished, and fetch and import are started.", "“Fetch now”", siteName)
	c := w.connector()
	if c.IsPaused("fetch", true) || c.IsPaused("import", true) { // as PAUSED of a new deployment has it for import
		t.Errorf("the end starts nothing: %v", c.Paused)
	}
	want := map[string]string{siteUser: siteName, automatic: "true", custom: "true",
		domains: "contoso.com,contoso.co.uk", maxItemSize: "10MB", fetchFrom: "2026-06-30T23:00:00Z"}
	if diff := cmp.Diff(want, c.Settings); diff != "" || !c.IsSetUp() || c.Finished.By != ann.ID {
		t.Errorf("in force, %+v (-want +got):\n%s", c, diff)
	}
	var what []string
	for _, line := range w.recorded() {
		what = append(what, string(line.Action))
		if line.Form == "" || line.By != ann.ID || line.Name != ann.Name {
			t.Errorf("a line without its form or its person: %+v", line)
		}
	}
	if diff := cmp.Diff([]string{"terms.accepted", "source.secret", "setup.finished"}, what); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	for where, text := range map[string]string{"storage": w.stored(), "the log": w.log.String(), "the page": w.page} {
		if strings.Contains(text, sitePassword) {
			t.Errorf("%s has the password", where)
		}
	}
	if w.get("/setup"); w.path != "/settings" {
		t.Errorf("a finished set-up leads to %s", w.path)
	}
}

// The steps are done in their order; a later page, asked for too early, leads to the first that is missing.
func TestStepsInOrder(t *testing.T) {
	w := newWorld(t)
	for _, step := range []string{"source", "mapping", "domains", "review"} {
		if w.get("/setup/" + step); w.path != "/setup/terms" {
			t.Errorf("%s leads to %s", step, w.path)
		}
	}
	w.acceptTerms()
	for _, step := range []string{"mapping", "domains", "review"} {
		if w.get("/setup/" + step); w.path != "/setup/source" {
			t.Errorf("%s leads to %s", step, w.path)
		}
		if led, _ := w.send("/setup/"+step, "do", "switches", "automatic", "on"); led != "/setup/source" {
			t.Errorf("a form of %s leads to %s", step, led)
		}
	}
	if status, _, _ := w.ask(httptest.NewRequest("GET", "/setup/nothing", nil)); status != 404 {
		t.Errorf("a step that is none: %d", status)
	}
	if status, _, _ := w.ask(httptest.NewRequest("GET", "/settings/size", nil)); status != 409 {
		t.Errorf("a setting before the end of the set-up: %d", status)
	}
}

// After a sign-in in between, or in another process, the same step has the same input; what was secret is asked for.
func TestInputIsKept(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	if _, page := w.send("/setup/source", "username", "other-name", "password", "bad"); !strings.Contains(page, "300") {
		t.Errorf("an unknown user is accepted:\n%s", page)
	}
	w.use(w.storage)
	w.mustHold(w.get("/setup"), `value="other-name"`, "has to be typed again", `type="password" value=""`)
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	w.send("/setup/mapping", "do", "switches", "custom", "on", "automatic", "on")
	led, page := w.send("/setup/domains", "domains", "no_domain", "size", "other", "other", "9 bits",
		"date", "2026-02-31")
	if led != "/setup/domains" {
		t.Fatalf("bad input is accepted:\n%s", page)
	}
	w.use(w.storage)
	page = w.get("/setup")
	w.mustHold(page, "no_domain", `value="9 bits"`, `value="2026-02-31"`)
	w.person = bob
	if page := w.get("/setup"); strings.Contains(page, "9 bits") || w.path != "/setup/source" {
		t.Errorf("another person sees %s", w.path)
	}
}

func TestPartsRefuse(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	for name, tt := range map[string]struct {
		fields []string
		wrong  string // the id of the element with the reason
		says   string
	}{
		"no domain":         {[]string{"domains", "contoso_com"}, "domains-help", "is no domain"},
		"HTML as a domain":  {[]string{"domains", "<script>alert(1)</script>"}, "domains-help", "is no domain"},
		"no size":           {[]string{"size", "other"}, "other-help", "Enter a size"},
		"a size too large":  {[]string{"size", "other", "other", "151MB"}, "other-help", "out of its range"},
		"no unit":           {[]string{"size", "other", "other", "150"}, "other-help", "has no unit"},
		"no choice":         {[]string{"size", "huge"}, "", "Choose one of them"},
		"no date":           {[]string{"date", "tomorrow"}, "date-help", "no date"},
		"a date too early":  {[]string{"date", "1999-12-31"}, "date-help", "before the year 2000"},
		"a date to come":    {[]string{"date", "2026-11-24"}, "date-help", "in the future"},
		"a zone of neither": {[]string{"date", "2026-11-01", "zone", "Mars"}, "zone-help", "Choose one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.get("/setup/domains")
			led, page := w.send("/setup/domains", append([]string{"size", "150MB"}, tt.fields...)...)
			if led != "/setup/domains" {
				t.Fatalf("it leads to %s", led)
			}
			w.mustHold(page, tt.says)
			if tt.wrong != "" {
				w.mustHold(page, `aria-describedby="`+tt.wrong+`" aria-invalid="true"`, `id="`+tt.wrong+`"`)
			}
			if strings.Contains(page, "<script>alert") {
				t.Error("the input is not escaped")
			}
			if w.get("/setup/review"); w.path != "/setup/domains" {
				t.Errorf("the review is at %s", w.path)
			}
		})
	}
}

// Each setting can be changed by itself, with one click's effect however often it comes.
func TestChangeOneSetting(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for _, tt := range []struct {
		name   string
		fields []string
		want   map[string]string
	}{
		{"domains", []string{"domains", "a.example b.example"}, map[string]string{domains: "a.example,b.example"}},
		{"domains", []string{"domains", ""}, map[string]string{domains: ""}},
		{"size", []string{"size", "other", "other", "25MB"}, map[string]string{maxItemSize: "25MB"}},
		{"start", []string{"date", "2026-01-02", "zone", "UTC"}, map[string]string{fetchFrom: "2026-01-02T00:00:00Z"}},
		{"mapping", []string{"do", "switches", "custom", "on", "automatic", "on"},
			map[string]string{custom: "true", automatic: "true"}},
	} {
		before := w.connector()
		w.get("/settings/" + tt.name)
		again := w.post("/settings/"+tt.name, tt.fields...)
		if led, page := w.send("/settings/"+tt.name, tt.fields...); led != "/settings?done="+tt.name {
			t.Fatalf("%s: %s\n%s", tt.name, led, page)
		}
		if status, _, location := w.ask(again); status != 303 || location != "/settings?done="+tt.name {
			t.Errorf("%s, the second click: %d %s", tt.name, status, location)
		}
		c := w.connector()
		if c.N > before.N+1 {
			t.Errorf("%s: %d changes", tt.name, c.N-before.N)
		}
		for name, v := range tt.want {
			if c.Settings[name] != v {
				t.Errorf("%s = %q, want %q", name, c.Settings[name], v)
			}
		}
	}
}

// Of two administrators at once, the second is told, and nothing of the second's is mixed in.
func TestTwoAdministrators(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/size")
	slow := w.post("/settings/size", "size", "10MB")
	w.person = bob
	w.get("/settings/domains")
	w.send("/settings/domains", "domains", "bob.example")
	w.person = ann
	if status, page, _ := w.ask(slow); status != 409 || !strings.Contains(page, "changed meanwhile") {
		t.Errorf("the second change: %d\n%s", status, page)
	}
	if c := w.connector(); c.Settings[maxItemSize] != "150MB" || c.Settings[domains] != "bob.example" {
		t.Errorf("in force: %v", c.Settings)
	}
}

// Two set-ups at once: one is finished, the other is told.
func TestTwoSetUps(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "size", "150MB", "domains", "ann.example")
	slow := w.post("/setup/review")
	w.person, w.now = bob, w.now.Add(time.Hour)
	w.get("/setup")
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "size", "150MB", "domains", "bob.example")
	if led, page := w.send("/setup/review"); led != "/settings?done=finish-paused" {
		t.Fatalf("it ends at %s\n%s", led, page)
	}
	if c := w.connector(); !c.IsPaused("fetch", false) || !c.IsPaused("import", false) {
		t.Errorf("without the start it starts: %v", c.Paused)
	}
	w.person = ann
	if status, _, location := w.ask(slow); status != 303 || location != "/settings" {
		t.Errorf("the second end: %d %s", status, location)
	}
	if c := w.connector(); c.Finished.By != bob.ID || c.Settings[domains] != "bob.example" {
		t.Errorf("in force: %+v", c)
	}
}

// A field that is too long is refused, and never cut: a part of a list of domains would be another list.
func TestLongFieldIsRefused(t *testing.T) {
	list := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintf("d%04d.contoso.example\n", i)
		}
		return text
	}
	w := newWorld(t)
	w.acceptTerms()
	_, page := w.send("/setup/source", "username", strings.Repeat("x", maxInput+1), "password", sitePassword)
	w.mustHold(page, "longer than 4,096")
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	before := w.stored()
	led, page := w.send("/setup/domains", "domains", list(300), "size", "150MB")
	w.mustHold(page, "longer than 4,096", "d0299.contoso.example")
	if led != "/setup/domains" || w.stored() != before {
		t.Errorf("it leads to %s", led)
	}
	w.send("/setup/domains", "domains", list(100), "size", "150MB")
	w.send("/setup/review", "start", "on")
	w.get("/settings/domains")
	_, page = w.send("/settings/domains", "domains", list(300))
	w.mustHold(page, "longer than 4,096")
	if got := w.connector().Settings[domains]; strings.Count(got, ",") != 99 {
		t.Errorf("in force: %s", got)
	}
}

// A document that can't be read is not written over.
func TestUnreadableConnector(t *testing.T) {
	w := newWorld(t)
	if _, err := w.store.Settings().Put(t.Context(), "connector.json", map[string]int{"v": 9}, "", nil); err != nil {
		t.Fatal(err)
	}
	status, page, _ := w.ask(httptest.NewRequest("GET", "/settings", nil))
	if status != 500 || !strings.Contains(page, "settings/history") {
		t.Errorf("%d\n%s", status, page)
	}
}

// Newer terms are accepted without another set-up, and nothing stops meanwhile.
func TestNewerTerms(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
		c.Terms.Version = "2025-01"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.mustHold(w.get("/settings"), "newer version of the terms", "/setup/terms")
	w.mustHold(w.get("/setup/terms"), "Version 2025-01 was accepted")
	if led, _ := w.send("/setup/terms", "version", TermsVersion, "accept", "on"); led != "/settings" {
		t.Errorf("it leads to %s", led)
	}
	if c := w.connector(); !c.IsSetUp() || c.Terms.Version != TermsVersion {
		t.Errorf("%+v", c)
	}
}
