package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/auditlog"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/setup"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/journal"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/telemessage/telemessagetest"
	"o2archiver/shared/tally"
)

// entered is what the person enters into the fields of the forms, by their names.
var entered = map[string]string{"username": "o2-archive", "password": "sample-day", "host": "sftp.contoso.example",
	"folder": "", "accept": "on", "domains": "contoso.example", "date": "2026-11-01", "custom": "on", "item": "on",
	"mailbox": "jane@contoso.example", "from": "2026-11-01", "through": "2026-11-02", "what": formsRun}

const (
	formsRun  = "2026/11/23/20261122T052000Z-20261123T052000Z"
	formsFile = "External User ID,Microsoft 365 User Mailbox\n+447700900101,jane@contoso.example\n"
	formsMore = formsFile + "+447700900102,joe@contoso.example\n"
)

// forms is an archive with the portal, for a person who sends the forms of its pages as a browser does.
type forms struct {
	*portaltest.World
	t       *testing.T
	table   []web.Route
	opts    setup.Options
	handler http.Handler
	vault   *countingPlace
	site    *telemessagetest.Site
	sent    int // forms
}

// countingPlace is a place for a secret that counts what is stored.
type countingPlace struct {
	mu     sync.Mutex
	stored int
}

func (p *countingPlace) Store(context.Context, settings.Secret) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stored++
	return nil
}

// parsed are the templates, for all tests of this file.
var parsed = sync.OnceValues(pages.Load)

func newForms(t *testing.T) *forms {
	t.Helper()
	f := &forms{World: portaltest.New(t), t: t, vault: &countingPlace{}}
	f.site = telemessagetest.New(telemessagetest.Options{Username: entered["username"], Password: entered["password"],
		Now: f.Clock})
	way, stop := pipetest.Serve(f.site)
	t.Cleanup(stop)
	f.opts = setup.Options{Deployed: settings.SetUp{Source: settings.Telemessage, Region: "GB",
		Site: &url.URL{Scheme: "https", Host: "rest.telemessage.example"}}, Site: way, Password: f.vault,
		Lookup: func(string) (string, bool) { return "", false }, Now: f.Clock}
	f.handler = f.open(f.Store, f.Totals)
	return f
}

// open returns another instance of the portal.
func (f *forms) open(store *archive.Store, totals *tally.Table) http.Handler {
	f.t.Helper()
	templates, err := parsed()
	if err != nil {
		f.t.Fatal(err)
	}
	o := f.opts
	log := audit.New(audit.Options{Logs: store.Audit(), Now: f.Clock})
	o.Settings, o.Mapping, o.Reports, o.Status = store.Settings(), store.Mapping(), store.Reports(), store.Status()
	o.Audit = log
	f.table = routes(newServices(store, totals, auditlog.New(log, f.Clock), setup.New(o), f.Clock), nil)
	return web.New(web.Options{Pages: templates, Now: f.Clock, Log: slog.New(slog.DiscardHandler), Routes: f.table,
		Who: func(*http.Request) (identity.Person, error) { return f.Person, nil }})
}

// answer is the answer to a form.
type answer struct {
	Status   int
	Location string
	page     string
}

func ask(handler http.Handler, r *http.Request) answer {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return answer{recorder.Code, recorder.Header().Get("Location"), recorder.Body.String()}
}

// show returns the forms of a page.
func (f *forms) show(path string) []portaltest.PageForm {
	f.t.Helper()
	a := ask(f.handler, httptest.NewRequest(http.MethodGet, path, nil))
	if a.Status != http.StatusOK {
		f.t.Fatalf("GET %s: %d to %q\n%s", path, a.Status, a.Location, a.page)
	}
	return portaltest.Forms(f.t, a.page)
}

// find returns the index of the form of a page that has an action and a value of its field do, and of its button.
func (f *forms) find(all []portaltest.PageForm, action, do string) (portaltest.PageForm, url.Values) {
	f.t.Helper()
	for _, form := range all {
		for _, button := range form.Buttons {
			if form.Action == action && (form.Values.Get("do") == do || button.Get("do") == do) {
				return form, button
			}
		}
	}
	f.t.Fatalf("no form for %s %s among %+v", action, do, all)
	return portaltest.PageForm{}, nil
}

// send sends a form of a page, which has to lead on.
func (f *forms) send(path, action, do, file string) answer {
	f.t.Helper()
	form, button := f.find(f.show(path), action, do)
	f.fill(&form)
	a := ask(f.handler, form.Request(button, file))
	if a.Status != http.StatusSeeOther && a.Status != http.StatusOK {
		f.t.Fatalf("POST %s: %d\n%s", action, a.Status, a.page)
	}
	return a
}

// fill fills a form in, and gives it the next id.
func (f *forms) fill(form *portaltest.PageForm) {
	f.sent++
	form.SetID(fmt.Sprintf("%032x", f.sent))
	form.Fill(entered)
	if form.Values.Has("size") {
		form.Values.Set("size", "10MB")
	}
}

// The steps of the set-up, and what is done after it. Each prepares the page of the next.
func (f *forms) terms()  { f.send("/setup/terms", "/setup/terms", "", "") }
func (f *forms) source() { f.terms(); f.send("/setup/source", "/setup/source", "", "") }
func (f *forms) mapping() {
	f.source()
	f.send("/setup/mapping", "/setup/mapping", "upload", formsFile)
}
func (f *forms) confirm() { f.mapping(); f.send("/setup/mapping", "/setup/mapping", "confirm", "") }
func (f *forms) choice()  { f.confirm(); f.send("/setup/mapping", "/setup/mapping", "switches", "") }
func (f *forms) domains() { f.choice(); f.send("/setup/domains", "/setup/domains", "", "") }
func (f *forms) finish() {
	f.domains()
	f.send("/setup/review", "/setup/review", "", "")
	_, err := control.UpdateConnector(f.t.Context(), f.Store.Settings(), func(c *control.Connector) error {
		// so that each form changes something
		c.Settings = map[string]string{"TELEMESSAGE_USERNAME": "o2-archive", "CUSTOM_MAPPING": "false"}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.Now = f.Now.Add(time.Hour)
}

// deliver makes the source an SFTP server.
func (f *forms) deliver(server *deliverytest.Server) {
	f.opts.Deployed, f.opts.Password = settings.SetUp{Source: settings.Deliveries, Region: "GB"}, nil
	f.opts.SFTPPassword, f.opts.Dial = f.vault, server.Dial
	f.handler = f.open(f.Store, f.Totals)
	f.terms()
}

// archiveSome writes a run with two records, of which one found no mailbox and one was not readable.
func (f *forms) archiveSome() {
	f.t.Helper()
	from, total := time.Date(2026, 11, 22, 5, 20, 0, 0, time.UTC), int64(2)
	f.Run(formsRun, &archive.Manifest{Version: 1, Kind: "daily", From: from, To: from.AddDate(0, 0, 1),
		Started: from.AddDate(0, 0, 1), Finished: from.Add(25 * time.Hour), Received: 2, SourceTotal: &total,
		Records: 2, Staged: 2}, portaltest.Batch{Lines: make([][]byte, 2), Outcomes: func(j *journal.Journal) {
		j.Record(journal.Record{Line: 1, Records: 1, Kind: "SMS", Outcome: journal.Unmapped,
			Reason: "no participant has a mailbox in the tenant"})
		j.Record(journal.Record{Line: 2, Records: 1, Outcome: journal.Quarantined, Reason: "the item can't be read"})
	}})
	f.Report(tally.NoMailboxesName(formsRun), tally.NoMailboxes{Version: 1, Numbers: []tally.NoMailboxName{
		{Name: "+447700900301", Own: true, Records: 1, Kinds: map[string]int{"SMS": 1}}}})
}

// estimated writes an estimate that is done, and returns the path of its page.
func (f *forms) estimated() string {
	f.t.Helper()
	from := f.Now.AddDate(0, 0, -3).Truncate(24 * time.Hour)
	name, err := control.Give(f.t.Context(), f.Store.Commands(), settings.Fetch, f.Now, testForm, f.Person.Name,
		control.Command{Kind: control.Estimate, From: from, To: from.AddDate(0, 0, 1)})
	if err == nil {
		_, err = f.Store.Status().Put(f.t.Context(), "answers/"+name+".json", control.Answer{Version: 1, Command: name,
			Kind: control.Estimate, State: control.Done, Says: "estimated"}, "", nil)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return "/commands/fetch/" + name
}

// state returns everything that the forms can have changed, as one text.
func (f *forms) state() string {
	f.t.Helper()
	var b strings.Builder
	ctx := context.Background()
	containers := map[string]*archive.Documents{"settings": f.Store.Settings(), "commands": f.Store.Commands()}
	for name, docs := range containers {
		all, _, err := docs.List(ctx, "", 1000)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, d := range all {
			var raw json.RawMessage
			if _, err := docs.Get(ctx, d.Name, &raw); err == nil {
				fmt.Fprintf(&b, "%s/%s %s\n", name, d.Name, raw)
			}
		}
	}
	log := audit.New(audit.Options{Logs: f.Store.Audit(), Now: f.Clock})
	lines, _, err := log.Read(ctx, f.Now.Format("2006/01/02"), 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, l := range lines {
		fmt.Fprintln(&b, "audit", l.Action, l.Object, l.Form)
	}
	inForce, _, _ := f.Store.Mapping().Read(ctx, "")
	var kept struct{ Upload struct{ SHA256 string } }
	_, _ = f.Store.Settings().Get(ctx, "drafts/"+f.Person.ID+".json", &kept)
	draft, _ := f.Store.Mapping().ReadDraft(ctx, f.Person.ID, kept.Upload.SHA256)
	fmt.Fprintf(&b, "mapping %q, draft %q\n%d secrets, %d tests\n", inForce, draft, f.vault.stored,
		f.site.Calls()[telemessagetest.Count])
	rows := strings.Split(etags.ReplaceAllString(b.String(), ""), "\n")
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

// etags are members of documents that differ from one archive to the next.
var etags = regexp.MustCompile(`"against":"[^"]*",?`)

// withForms is a page with forms, and what has to be done before it is there.
type withForms struct {
	name    string
	prepare func(f *forms) []portaltest.PageForm
	file    string
}

// allWithForms returns the pages of the portal that have forms.
func allWithForms(server *deliverytest.Server) []withForms {
	at := func(path string, before ...func(*forms)) func(*forms) []portaltest.PageForm {
		return func(f *forms) []portaltest.PageForm {
			for _, each := range before {
				each(f)
			}
			return f.show(path)
		}
	}
	deliver := func(f *forms) { f.deliver(server) }
	showKey := func(f *forms) { f.send("/setup/source", "/setup/source", "key", "") }
	mapped := func(f *forms) { f.send("/settings/mapping", "/settings/mapping", "upload", formsMore) }
	twoVersions := func(f *forms) { mapped(f); f.send("/settings/mapping", "/settings/mapping", "confirm", "") }
	pause := func(f *forms) { f.send("/commands", "/commands/pause", "", "") }
	const items, day = "/items?reason=noMailbox&day=2026-11-22", "2026-11-22"
	return []withForms{
		{"terms", at("/setup/terms"), ""},
		{"source", at("/setup/source", (*forms).terms), ""},
		{"source again", at("/setup/source", (*forms).mapping), ""},
		{"server", at("/setup/source", deliver), ""},
		{"server with its key", at("/setup/source", deliver, showKey), ""},
		{"mapping", at("/setup/mapping", (*forms).source), formsFile},
		{"mapping with a file", at("/setup/mapping", (*forms).mapping), formsMore},
		{"domains", at("/setup/domains", (*forms).choice), ""},
		{"review", at("/setup/review", (*forms).domains), ""},
		{"account", at("/settings/source", (*forms).finish), ""},
		{"setting domains", at("/settings/domains", (*forms).finish), ""},
		{"setting size", at("/settings/size", (*forms).finish), ""},
		{"setting start", at("/settings/start", (*forms).finish), ""},
		{"setting mapping", at("/settings/mapping", (*forms).finish), formsMore},
		{"setting mapping with a file", at("/settings/mapping", (*forms).finish, mapped), formsFile},
		{"versions", at("/settings/mapping/versions", (*forms).finish, twoVersions), ""},
		{"commands", at("/commands", (*forms).finish), ""},
		{"commands, one paused", at("/commands", (*forms).finish, pause), ""},
		{"check", at("/check", (*forms).finish), ""},
		{"estimate", func(f *forms) []portaltest.PageForm { f.finish(); return f.show(f.estimated()) }, ""},
		{"reasons", at("/items?day="+day, (*forms).finish, (*forms).archiveSome), ""},
		{"items", at(items, (*forms).finish, (*forms).archiveSome), ""},
		{"replay", func(f *forms) []portaltest.PageForm {
			f.finish()
			f.archiveSome()
			return portaltest.Forms(f.t, f.send(items, "/items/replay", "", "").page)
		}, ""},
		{"run", at("/runs/"+formsRun, (*forms).finish, (*forms).archiveSome), ""},
		{"unmapped", at("/unmapped?day="+day, (*forms).finish, (*forms).archiveSome), ""},
	}
}
