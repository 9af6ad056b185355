package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"o2archiver/local/browser"
	"o2archiver/local/cloud"
	"o2archiver/local/sample"
	"o2archiver/shared/report"
)

// story is what an administrator does in a browser.
type story struct {
	*browser.Page
	t      *testing.T
	portal string
	axe    string
}

// must ends the test with the step that fails, and what the page shows then.
func (s *story) must(what string, err error) {
	s.t.Helper()
	if err == nil {
		return
	}
	at, _ := s.Location()
	text, _ := s.Text("main")
	s.t.Fatalf("%s: %v\nat %s:\n%.2000s", what, err, at, text)
}

// visit opens a page of the portal and checks it.
func (s *story) visit(path string) {
	s.t.Helper()
	s.must("open "+path, s.Go(s.portal+path))
	s.check(path)
}

// check lets axe-core check the page, on a desktop in the light and on a telephone in the dark, and reports what the
// browser has to say.
func (s *story) check(what string) {
	s.t.Helper()
	for _, width := range []int{browser.Narrow, browser.Wide} {
		s.must("set the viewport", s.Show(width, width == browser.Narrow))
		found, err := s.CheckAccess(s.axe)
		s.must("check "+what, err)
		for _, f := range found {
			s.t.Errorf("%s at %d pixels: %s", what, width, f)
		}
	}
	for _, p := range s.Problems() {
		s.t.Errorf("%s: the browser reports: %s", what, p)
	}
}

// send fills in fields and sends the form by its button, and waits for a text of the page that follows.
func (s *story) send(what string, fields map[string]string, button, then string) {
	s.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		s.must(what, s.Fill("main [name="+name+"]", fields[name]))
	}
	s.must(what, s.Click(button))
	s.must(what, s.Await(then))
	s.check(what)
}

// TestAdministratorInABrowser: an administrator sets the connector up with a bad and a good password and file, waits
// for the first message to be archived, and looks at every page; in a real browser, through the stand-in of the host.
// No page has anything wrong for a screen reader, and the browser reports nothing.
func TestAdministratorInABrowser(t *testing.T) {
	b := browser.ForTest(t)
	w := startPortalWorld(t, options{host: "standin", source: fromSite, texts: 5})
	root, err := cloud.Root()
	if err != nil {
		t.Fatal(err)
	}
	axe, err := browser.ReadAxe(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{Page: b.OpenForTest(t), t: t, portal: w.portalAt, axe: axe}
	s.setUp(w)
	day := s.watchTheRun(w)
	for _, path := range browser.PortalPages(day) {
		s.visit(path)
	}
}

// setUp goes through the steps of the set-up.
func (s *story) setUp(w *world) {
	s.t.Helper()
	const main = "main button.main"
	s.visit("/setup")
	s.must("accept", s.Click("#accept"))
	s.send("accept the terms", nil, main, "User name at the site")
	s.send("a wrong password", map[string]string{"username": siteUser, "password": "wrong"}, main,
		"Nothing was put in force")
	s.send("the right password", map[string]string{"username": siteUser, "password": sitePassword}, main,
		"Mapping file")

	bad := filepath.Join(s.t.TempDir(), "bad.csv")
	if err := os.WriteFile(bad, []byte("phone,mailbox\nno number,no mailbox\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	upload := `main form[enctype] button`
	s.must("choose a file", s.Upload("#file", bad))
	s.send("a file with mistakes", nil, upload, "The file was refused")
	good := filepath.Join(s.t.TempDir(), "good.csv")
	if err := os.WriteFile(good, day(w).Mapping, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.must("choose a file", s.Upload("#file", good))
	s.send("a good file", nil, upload, "What this file changes")
	s.send("put the file in force", nil, `main form:has([value=confirm]) button`, "In force:")
	s.send("which mapping", nil, `main form:has([value=switches]) button.main`, "Accepted domains")
	// A start of yesterday leaves out the days before.
	s.must("the start", s.SetDate("#date", time.Now().UTC().AddDate(0, 0, -1)))
	s.send("domains, sizes, start", nil, main, "Nothing runs before you finish")
	s.must("finish", s.Click(main))
}

// day returns the sample day of a start.
func day(w *world) *sample.Day {
	d, err := w.sampleDay()
	if err != nil {
		panic(fmt.Sprintf("the sample day was made before: %v", err))
	}
	return d
}

// watchTheRun returns the day of the run when the first message is archived.
func (s *story) watchTheRun(w *world) (day time.Time) {
	s.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(lookEvery) {
		got, err := report.ReadSummary(s.t.Context(), w.store)
		if err == nil && got.Records.Archived > 0 {
			return time.Now()
		}
		if time.Now().After(end) {
			s.t.Fatalf("nothing was archived: %v; %s", err, strings.Join(w.log.errors(), "; "))
		}
	}
}
