package auditlog

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/orders"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/audit"
)

func newWorld(t *testing.T) (*portaltest.World, *Pages) {
	t.Helper()
	w := portaltest.New(t)
	p := New(audit.New(audit.Options{Logs: w.Store.Audit(), Now: w.Clock}), w.Clock)
	w.Serve([]web.Route{{Pattern: "GET /audit", Role: identity.Reader, Handle: p.Page}})
	return w, p
}

// TestWhatPeopleDidIsShown: each change once, with who made it, on the page of its day.
func TestWhatPeopleDidIsShown(t *testing.T) {
	w, p := newWorld(t)
	ctx := t.Context()
	if code, body := w.Get("/audit"); code != 200 || !strings.Contains(body, "Nothing was changed on this day") {
		t.Errorf("an empty log: %d", code)
	}
	for range 2 { // it comes twice
		err := p.RecordOrder(ctx, orders.Change{Person: w.Person, Form: portaltest.Form, Action: "command.replay",
			Object: "2026/11/23/run", Count: 3})
		if err != nil {
			t.Fatal(err)
		}
	}
	evil := w.Person
	evil.Name = "<script>alert(1)</script>"
	err := p.log.Append(ctx, audit.Entry{By: evil.ID, Name: evil.Name, Action: "settings.domains",
		Says: "Changed the <b>domains"})
	if err != nil {
		t.Fatal(err)
	}
	w.Now = w.Now.AddDate(0, 0, 3)
	if err := p.RecordOrder(ctx, orders.Change{Person: w.Person, Form: "y", Action: "command.run"}); err != nil {
		t.Fatal(err)
	}
	w.Person.Role = identity.Reader
	_, body := w.Get("/audit?day=2026-11-24")
	for _, want := range []string{"Each of the 2 lines", "command.replay", "2026/11/23/run", "ann@contoso.com",
		"settings.domains", "Changed the &lt;b&gt;domains", "2 lines", `href="/audit?day=2026-11-27" rel="next"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<script>alert") || strings.Contains(body, `rel="prev"`) {
		t.Error("the page has markup of a name, or a day without lines")
	}
	if _, body := w.Get("/audit"); !strings.Contains(body, "command.run") || !strings.Contains(body, "2026-11-24") {
		t.Error("today's page lacks today's line, or the day before")
	}
	if code, _ := w.Get("/audit?day=x"); code != 404 {
		t.Errorf("no day: %d", code)
	}
}

// manyLines is a log with so many lines of one day, whose objects are their numbers, from 1.
type manyLines int

func (manyLines) Append(context.Context, audit.Entry) error { return nil }

func (manyLines) Days(context.Context, string) ([]string, error) { return []string{"2026/11/24"}, nil }

func (n manyLines) Read(_ context.Context, _ string, limit int) (lines []audit.Line, all int, err error) {
	for i := range int(n) {
		lines = append(lines, audit.Line{Entry: audit.Entry{Object: fmt.Sprintf("object-%d.", i+1)}})
	}
	return lines[max(0, len(lines)-limit):], len(lines), nil
}

// TestEachLineIsOnAPage: the pages of a day have all of its lines, the latest first.
func TestEachLineIsOnAPage(t *testing.T) {
	const all = 2*maxLines + 1
	w := portaltest.New(t)
	w.Serve([]web.Route{{Pattern: "GET /audit", Role: identity.Reader, Handle: New(manyLines(all), w.Clock).Page}})
	next := regexp.MustCompile(`href="(/audit[^"]+)" rel="next">Next page`)
	object := regexp.MustCompile(`object-(\d+)\.`)
	var got []string
	pages := 0
	for path := "/audit?page=0"; path != "" && pages < 9; pages++ {
		_, body := w.Get(path)
		for _, m := range object.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		path = ""
		if m := next.FindStringSubmatch(body); m != nil {
			path = html.UnescapeString(m[1])
		}
		if strings.Contains(body, `rel="prev">Former page`) != (pages > 0) {
			t.Errorf("page %d: the link to the former page", pages+1)
		}
	}
	if pages != 3 || len(got) != all || got[0] != strconv.Itoa(all) || got[all-1] != "1" {
		t.Errorf("%d lines on %d pages, want %d", len(got), pages, all)
	}
}
