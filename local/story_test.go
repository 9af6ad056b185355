package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"o2archiver/local/browser"
	"o2archiver/local/cloud"
	"o2archiver/local/host"
	"o2archiver/local/sample"
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

// check lets axe-core check the page, and reports what the browser has to say.
func (s *story) check(what string) {
	s.t.Helper()
	s.CheckForTest(s.t, s.axe, what)
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

// TestAdministratorInABrowser: an administrator sets the connector up with a bad and a good password and file, watches
// the run, finds a phone whose messages have no mailbox, puts it into the mapping, replays them and sees them archived;
// and looks at every page. All in a real browser, with the portal in the real host where there is one. No page has
// anything wrong for a screen reader, and the browser reports nothing. Before the set-up has ended nothing is fetched;
// where there is no browser, the set-up is a document, and the test ends with the first message.
func TestAdministratorInABrowser(t *testing.T) {
	o := options{host: "standin", source: fromSite, texts: 5}
	if _, err := exec.LookPath("func"); err == nil {
		o.portalHost = "func"
	}
	w := startPortalWorld(t, o)
	checkNotSetUp(t, w)
	if _, err := browser.Find(); err != nil {
		setUpByDocument(t, w)
	}
	b := browser.ForTest(t)
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
	s.watchTheRun(w)
	s.mend(w)
	s.visitAll()
	s.visitAsOthers(w)
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
	s.follow("finish", main, "The set-up is finished")
}

// day returns the sample day of a start.
func day(w *world) *sample.Day {
	d, err := w.sampleDay()
	if err != nil {
		panic(fmt.Sprintf("the sample day was made before: %v", err))
	}
	return d
}

// until repeats a look until it has what it wants, and ends the test with the step's name if it never has.
func (s *story) until(w *world, what string, look func() (bool, error)) {
	s.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(lookEvery) {
		done, err := look()
		if done {
			return
		}
		if time.Now().After(end) {
			s.must(what, fmt.Errorf("it does not come: %w; %s", err, strings.Join(w.log.errors(), "; ")))
		}
	}
}

// watchTheRun returns when the first page shows, by itself, that everything is fetched and each record has its outcome.
func (s *story) watchTheRun(w *world) {
	s.t.Helper()
	s.visit("/")
	s.until(w, "watch the run", func() (bool, error) {
		return browser.Eval[bool](s.Page, `(has => has('Last run', '') && has('Records without an outcome yet', '0,'))(
			(what, begins) => Array.from(document.querySelectorAll('#live dt')).some(n => n.textContent === what &&
				n.nextElementSibling.textContent.startsWith(begins)))`)
	})
	s.check("watch the run")
}

// follow clicks a link or a button and waits for a text of the page that follows.
func (s *story) follow(what, selector, then string) {
	s.t.Helper()
	s.must(what, s.Click(selector))
	s.must(what, s.Await(then))
}

// unmappedPhone is a row of the page of numbers without a mailbox.
type unmappedPhone struct {
	Number  string
	Records int
}

// sums are records of a day by their outcome, as the page of the day shows them.
type sums struct{ Archived, Unmapped int }

// readSums opens the page of a day and returns its sums.
func (s *story) readSums(path string) sums {
	s.t.Helper()
	s.must("open "+path, s.Go(s.portal+path))
	all, err := browser.Eval[sums](s.Page, `(n => ({Archived: n('Archived'), Unmapped: n('Unmapped')}))(what =>
		Number(Array.from(document.querySelectorAll('[aria-labelledby=sum-records] tbody tr'))
			.find(r => r.cells[0].textContent.startsWith(what)).cells[1].textContent.replace(/\D/g, '')))`)
	s.must("read the sums of "+path, err)
	return all
}

// findPhone goes from the reasons of the last days to the numbers of each day that has items without a mailbox, the
// earliest first, until one has a phone for the mapping: which day that is depends on the time of day of the test. It
// returns the address of the page of that day's numbers, which the browser shows.
func (s *story) findPhone(w *world, mapping string) (address string, phone unmappedPhone) {
	s.t.Helper()
	links, err := browser.Eval[[]string](s.Page, `Array.from(new Set(Array.from(document.querySelectorAll(
		'main a[href*="reason=noMailbox"]')).map(a => a.getAttribute('href')))).sort()`)
	s.must("the days with items without a mailbox", err)
	for _, link := range links {
		s.must("the reasons", s.Go(s.portal+"/items"))
		s.follow("the items without a mailbox", fmt.Sprintf(`main a[href="%s"]`, link),
			"Put the number into the mapping")
		s.follow("their numbers", `main a[href^="/unmapped?day="]`, "Numbers without a mailbox")
		address, err := s.Location()
		s.must("the numbers without a mailbox", err)
		s.until(w, "see the numbers counted", func() (bool, error) {
			text, err := s.Text("main")
			if err != nil || !strings.Contains(text, "not counted yet") {
				return err == nil, err
			}
			return false, s.Go(address)
		})
		if phone, ok := s.choosePhone(mapping); ok {
			return address, phone
		}
	}
	s.t.Fatalf("no phone of %d days can be put into the mapping", len(links))
	return "", unmappedPhone{}
}

// choosePhone returns a phone of the page of numbers without a mailbox that archived messages and is not in the mapping
// file, of which a further row would contradict the one that is there.
func (s *story) choosePhone(mapping string) (phone unmappedPhone, ok bool) {
	s.t.Helper()
	all, err := browser.Eval[[]unmappedPhone](s.Page, `Array.from(document.querySelectorAll(
		'tr:has(input[name=number])')).filter(r => r.cells[1].textContent === 'yes').map(r => ({
		Number: r.querySelector('input[name=number]').value, Records: Number(r.cells[3].textContent)}))`)
	s.must("the numbers without a mailbox", err)
	i := slices.IndexFunc(all, func(p unmappedPhone) bool {
		return !strings.Contains(mapping, strings.TrimPrefix(p.Number, "+"))
	})
	if i < 0 {
		return unmappedPhone{}, false
	}
	return all[i], true
}

// mend finds a phone that archived messages and has no mailbox, on the pages where a person finds it, puts it into the
// mapping, replays the messages, and sees them archived: in the account of the day, and in the mailbox.
func (s *story) mend(w *world) {
	s.t.Helper()
	made := day(w)
	to := made.Users[slices.IndexFunc(made.Users,
		func(u sample.User) bool { return u.DisplayName == "Finance Office" })] // a user without a phone
	if n := len(w.graph.Messages(to.ID)); n > 0 {
		s.t.Fatalf("the mailbox has %d messages already", n)
	}
	s.follow("what was not archived", `nav a[href="/items"]`, "The reasons of the last 30 days")
	address, phone := s.findPhone(w, string(made.Mapping))
	_, date, _ := strings.Cut(address, "day=")

	before := s.readSums("/days/" + date)
	s.must("back to the numbers", s.Go(address))
	row := fmt.Sprintf(`tr:has(input[value="%s"])`, phone.Number)
	s.must("name the mailbox", s.Fill(row+" input[name=mailbox]", to.Mail))
	s.send("put it into the mapping", nil, row+" button", "What this file changes")
	s.must("one number more", s.Await("1 added, 0 removed, 0 changed"))
	s.send("put the mapping in force", nil, `main form:has([value=confirm]) button`, "The mapping file is in force.")

	s.follow("what to replay", `main a[href="/items"]`, "The reasons of the last 30 days")
	s.follow("the items to be replayed", fmt.Sprintf(`main a[href="/items?day=%s&reason=noMailbox"]`, date),
		"Put the number into the mapping")
	s.send("ask for the replay", nil, `main form:has([name=run]) button`, "Import looks up their mailboxes again")
	s.send("replay", nil, "main button.main", "Asked by")
	s.until(w, "see the replay done", func() (bool, error) { // the page changes by itself
		return browser.Eval[bool](s.Page, "document.querySelector('#live .state.ok') !== null")
	})

	var after sums
	want := sums{Archived: before.Archived + phone.Records, Unmapped: before.Unmapped - phone.Records}
	s.until(w, "see the messages archived", func() (bool, error) {
		after = s.readSums("/days/" + date)
		if after != want {
			return false, fmt.Errorf("the day has %+v, want %+v", after, want)
		}
		return true, nil
	})
	if n := len(w.graph.Messages(to.ID)); n == 0 || n > phone.Records {
		s.t.Errorf("the mailbox has %d messages of %d records", n, phone.Records)
	}
	s.must("the numbers without a mailbox", s.Go(address))
	if left, err := browser.Eval[bool](s.Page, "document.querySelector('"+row+"') !== null"); err != nil || left {
		s.t.Errorf("the number is still on the page of those without a mailbox: %v", err)
	}
}

// visitAll opens every page of the portal, and the page of an error.
func (s *story) visitAll() {
	s.t.Helper()
	of, err := s.FindSubjects(s.portal, time.Now())
	s.must("find what has pages", err)
	for _, path := range browser.PortalPages(of) {
		s.visit(path)
	}
	s.Allow(http.StatusNotFound)
	s.visit("/nothing")
	s.Allow()
}

// visitAsOthers opens what a reader sees otherwise than an administrator, and what a person sees who is signed out or
// without a role: of the same archive, by a portal that believes the header of App Service Authentication.
func (s *story) visitAsOthers(w *world) {
	s.t.Helper()
	const tenant, object = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	o := w.portalApp
	o.Env = append(slices.Clone(o.Env), "PORTAL_SIGN_IN=deployment", "PORTAL_TENANT="+tenant)
	h, err := host.Start(s.t.Context(), o)
	s.must("start the portal for others", err)
	defer func() { _ = h.Stop() }()
	of, err := s.FindSubjects(s.portal, time.Now())
	s.must("find what has pages", err)
	all, former := browser.PortalPages(of), s.portal
	s.portal = h.URL()
	defer func() { s.portal = former }()
	for _, person := range []struct {
		role    string
		status  int
		pages   []string
		appears string
	}{
		{"", http.StatusUnauthorized, []string{"progress"}, "You are not signed in."},
		{"Other.Admin", http.StatusForbidden, []string{"progress"}, "have no role of this application"},
		{"Archive.Reader", http.StatusForbidden, []string{"settings"}, "This needs the role administrator"},
		{"Archive.Reader", 0, []string{"items", "command", "commands", "check", "unmapped"}, "masked for readers"},
	} {
		headers := map[string]string{}
		if person.role != "" {
			headers["X-MS-CLIENT-PRINCIPAL"] = base64.StdEncoding.EncodeToString(fmt.Appendf(nil,
				`{"auth_typ":"aad","claims":[{"typ":"tid","val":%q},{"typ":"oid","val":%q},{"typ":"roles","val":%q}]}`,
				tenant, object, person.role))
		}
		s.must("sign in", s.SendHeaders(headers))
		s.Allow(person.status)
		for _, name := range person.pages {
			s.visit(all[name])
		}
		text, err := s.Text("main")
		s.must("read the page", err)
		if !strings.Contains(text, person.appears) || person.status == 0 && fullNumber.MatchString(text) {
			s.t.Errorf("%q as %q: the page has a whole number, or not %q:\n%.1000s", person.pages, person.role,
				person.appears, text)
		}
	}
	s.must("sign out", s.SendHeaders(nil))
	s.Allow()
}

var fullNumber = regexp.MustCompile(`\+?447700900\d{3}`)
