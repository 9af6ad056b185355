package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// office is a portal with the pages of commands, and the lines of its audit log.
type office struct {
	*portaltest.World
	t       *testing.T
	changes []Change
	refuse  error // of the audit log
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{World: portaltest.New(t), t: t}
	o.serve(o.Store)
	return o
}

func (o *office) serve(store *archive.Store) {
	of := New(Options{Commands: store.Commands(), Status: store.Status(), Reports: store.Reports(),
		Settings: store.Settings(), Now: o.Clock, Record: func(_ context.Context, c Change) error {
			if o.refuse != nil {
				return o.refuse
			}
			o.changes = append(o.changes, c)
			return nil
		}})
	route := func(pattern string, role identity.Role, handle web.Handler) web.Route {
		return web.Route{Pattern: pattern, Role: role, Handle: handle}
	}
	const reader, admin = identity.Reader, identity.Admin
	o.Serve([]web.Route{route("POST /items/replay", admin, of.Replay), route("GET /commands", reader, of.CommandsPage),
		route("POST /commands/{kind}", admin, of.GiveCommand), route("GET /commands/{app}/{id}", reader,
			of.CommandPage),
		route("GET /commands/{app}/{id}/live", reader, of.CommandLive), route("GET /check", reader, of.CheckPage),
		route("GET /check/live", reader, of.CheckLive), route("POST /check", admin, of.GiveCheck)})
}

// form returns the fields of a form whose page was made now.
func (o *office) form(pairs ...string) url.Values {
	v := url.Values{"asked": {fmt.Sprint(o.Now.Unix())}}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// given returns the commands of an app as their documents say it.
func (o *office) given(app string) (all []map[string]any) {
	o.t.Helper()
	docs, _, err := o.Store.Commands().List(o.t.Context(), app+"/", 1000)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, d := range docs {
		var c map[string]any
		if _, err := o.Store.Commands().Get(o.t.Context(), d.Name, &c); err != nil {
			o.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

const (
	aRun   = "2026/11/23/20261122T052000Z-20261123T052000Z"
	button = "0123456789abcdef0123456789abcdef"
)

// TestCommandsAreGivenOnce: whatever a form asks for, a second click asks for nothing more.
func TestCommandsAreGivenOnce(t *testing.T) {
	tests := []struct {
		name, path string
		form       []string
		app        string
		want       []string // JSON of the commands, without by
	}{
		{"run", "/commands/run", nil, "fetch", []string{`{"kind":"run"}`}},
		{"estimate", "/commands/estimate", []string{"from", "2026-11-01", "through", "2026-11-02"}, "fetch",
			[]string{`{"from":"2026-11-01T00:00:00Z","kind":"estimate","to":"2026-11-03T00:00:00Z"}`}},
		{"backfill", "/commands/backfill", []string{"from", "2026-11-23", "through", "2026-11-24"}, "fetch",
			[]string{`{"from":"2026-11-23T00:00:00Z","kind":"backfill","to":"2026-11-24T09:00:00Z"}`}},
		{"dry run", "/commands/dryrun", []string{"what", aRun}, "import",
			[]string{`{"kind":"dryrun","what":"` + aRun + `"}`}},
		{"totals", "/commands/tally", nil, "import", []string{`{"kind":"tally"}`}},
		{"check", "/check", nil, "fetch", []string{`{"kind":"check"}`}},
		{"check without a mailbox", "/check", nil, "import", []string{`{"kind":"check"}`}},
		{"check with a mailbox", "/check", []string{"mailbox", "test@contoso.com"}, "import",
			[]string{`{"kind":"check","mailbox":"test@contoso.com"}`}},
		{"replay of lines", "/items/replay", []string{"confirm", "yes", "item", aRun + "/00001:3", "item",
			aRun + "/00001:1", "item", aRun + "/00001:3", "item", aRun + "/00002:7"}, "import",
			[]string{`{"kind":"replay","lines":[1,3],"what":"` + aRun + `/00001.ndjson"}`,
				`{"kind":"replay","lines":[7],"what":"` + aRun + `/00002.ndjson"}`}},
		{"replay of a reason", "/items/replay", []string{"confirm", "yes", "run", aRun, "reason", "noMailbox"},
			"import",
			[]string{`{"kind":"replay","reason":"noMailbox","what":"` + aRun + `"}`}},
		{"replay of a run", "/items/replay", []string{"confirm", "yes", "run", aRun}, "import",
			[]string{`{"kind":"replay","what":"` + aRun + `"}`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := newOffice(t)
			first := ""
			for click := range 3 {
				form := o.form(test.form...)
				form.Set("asked", fmt.Sprint(portaltest.New(t).Now.Unix())) // that of the page, which was made once
				code, to := o.Post(test.path, form)
				if code != 303 || click > 0 && to != first {
					t.Fatalf("click %d: %d %.300s, first %s", click, code, to, first)
				}
				first = to
				o.Now = o.Now.Add(40 * 1e9)
				if status, body := o.Get(to); status != 200 || !strings.Contains(body, "ann@contoso.com") {
					t.Errorf("%s: %d", to, status)
				}
			}
			var got []string
			for _, c := range o.given(test.app) {
				if c["by"] != "ann@contoso.com" {
					t.Errorf("asked by %v", c["by"])
				}
				delete(c, "by")
				text, _ := json.Marshal(c)
				got = append(got, string(text))
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("commands %s, want %s", got, test.want)
			}
			for _, c := range o.changes {
				if c.Person.ID != o.Person.ID || !strings.HasPrefix(c.Action, "command.") || len(c.Form) != 32 ||
					strings.Contains(c.Object, "@") {
					t.Errorf("audit %+v", c)
				}
			}
			if len(o.changes) < 3 {
				t.Errorf("%d lines of the audit log", len(o.changes))
			}
		})
	}
}

// TestRefusals: what is refused gives no command, and pauses nothing.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name, path string
		form       []string
		want       int
	}{
		{"no kind", "/commands/format", nil, 404},
		{"a page of the day before yesterday", "/commands/run", []string{"asked", "1"}, 409},
		{"a page of tomorrow", "/commands/run", []string{"asked", "99999999999"}, 409},
		{"a page without a time", "/commands/run", []string{"asked", "x"}, 409},
		{"no days", "/commands/estimate", nil, 400},
		{"days in the wrong order", "/commands/backfill", []string{"from", "2026-11-03", "through", "2026-11-01"}, 400},
		{"a day to come", "/commands/backfill", []string{"from", "2027-01-01", "through", "2027-01-02"}, 400},
		{"too many days", "/commands/backfill", []string{"from", "2020-01-01", "through", "2026-01-02"}, 400},
		{"no app", "/commands/pause", []string{"app", "portal"}, 404},
		{"nothing to replay", "/items/replay", []string{"confirm", "yes"}, 400},
		{"no batch", "/items/replay", []string{"confirm", "yes", "item", "../../x:1"}, 400},
		{"no line", "/items/replay", []string{"confirm", "yes", "item", aRun + "/00001:0"}, 400},
		{"a run that is none", "/items/replay", []string{"confirm", "yes", "run", ""}, 400},
		{"a run that is a text", "/items/replay", []string{"confirm", "yes", "run", "jane@contoso.example"}, 400},
		{"a text to be confirmed", "/items/replay", []string{"run", "+447700900123"}, 400},
		{"a reason that is a text", "/items/replay", []string{"confirm", "yes", "run", aRun, "reason", "A Doe"}, 400},
		{"a dry run of a number", "/commands/dryrun", []string{"what", "+447700900123"}, 400},
		{"a dry run of a text", "/commands/dryrun", []string{"what", "<b>jane@contoso.example"}, 400},
		{"a dry run of a manifest", "/commands/dryrun", []string{"what", aRun + "/manifest.json"}, 400},
		{"a pause of another page", "/commands/pause", []string{"app", "fetch", "n", "7"}, 409},
		{"a pause without its page", "/commands/pause", []string{"app", "fetch"}, 409},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := newOffice(t)
			form := o.form()
			for i := 0; i < len(test.form); i += 2 {
				form.Set(test.form[i], test.form[i+1])
			}
			if code, body := o.Post(test.path, form); code != test.want {
				t.Errorf("%d, want %d: %.300s", code, test.want, body)
			}
			if n := len(o.given("fetch")) + len(o.given("import")); n > 0 {
				t.Errorf("%d commands were given", n)
			}
			if len(o.changes) > 0 {
				t.Errorf("in the audit log: %+v", o.changes)
			}
		})
	}
	t.Run("a reader", func(t *testing.T) {
		o := newOffice(t)
		o.Person.Role = identity.Reader
		for _, path := range []string{"/commands/run", "/commands/pause", "/items/replay", "/check"} {
			if code, _ := o.Post(path, o.form("app", "fetch")); code != 403 {
				t.Errorf("%s: %d", path, code)
			}
		}
		if _, body := o.Get("/commands"); strings.Contains(body, "<form") {
			t.Error("a reader sees a form")
		}
	})
	t.Run("the audit log is not available", func(t *testing.T) {
		o := newOffice(t)
		o.refuse = errors.New("away")
		if code, _ := o.Post("/commands/run", o.form()); code != 500 || len(o.given("fetch")) > 0 {
			t.Errorf("%d", code)
		}
	})
}

// TestPause: an app is paused and started again; a second click changes nothing. As long as nothing is said about an
// app, both can be asked for.
func TestPause(t *testing.T) {
	o := newOffice(t)
	n := func() string { return fmt.Sprint(o.connector().N) }
	has := func(what string, start, pause bool) {
		t.Helper()
		_, body := o.Get("/commands")
		if strings.Contains(body, "<button>Start import<") != start ||
			strings.Contains(body, "<button>Pause import<") != pause {
			t.Errorf("%s: the page has other buttons:\n%s", what, body)
		}
	}
	has("nothing is said", true, true)
	for i, step := range []struct {
		path string
		want bool
		n    int // changes of the document
	}{{"/commands/resume", false, 1}, {"/commands/pause", true, 2}, {"/commands/pause", true, 2},
		{"/commands/resume", false, 3}} {
		if code, to := o.Post(step.path, o.form("app", "import", "n", n())); code != 303 || to != "/commands" {
			t.Fatalf("step %d: %d %s", i, code, to)
		}
		if c := o.connector(); c.Paused["import"] != step.want || c.N != step.n {
			t.Errorf("step %d: %+v", i, c)
		}
		has(fmt.Sprint("step ", i), step.want, !step.want)
	}
}

// TestPauseThatComesAgain: a form of a pause that is sent again, after another person has started the app, pauses
// nothing.
func TestPauseThatComesAgain(t *testing.T) {
	o := newOffice(t)
	pause := o.form("app", "fetch", "n", "0")
	for range 2 { // a second click
		if code, body := o.Post("/commands/pause", pause); code != 303 {
			t.Fatalf("%d %s", code, body)
		}
	}
	if code, body := o.Post("/commands/resume", o.form("app", "fetch", "n", "1", "form",
		"fedcba9876543210fedcba9876543210")); code != 303 {
		t.Fatalf("%d %s", code, body)
	}
	lines := len(o.changes)
	code, body := o.Post("/commands/pause", pause)
	if code != 409 || !strings.Contains(body, "changed meanwhile") {
		t.Errorf("%d %s", code, body)
	}
	if c := o.connector(); c.Paused["fetch"] || len(o.changes) != lines {
		t.Errorf("%+v, %d lines of the audit log", c, len(o.changes))
	}
}

func (o *office) connector() control.Connector {
	o.t.Helper()
	c, err := control.LoadConnector(o.t.Context(), o.Store.Settings())
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// TestKilledAtEachRequest: the portal dies at its n-th request to storage, for each n. The browser sends the form
// again, and in the end there is one command for each batch.
func TestKilledAtEachRequest(t *testing.T) {
	form := []string{"confirm", "yes", "item", aRun + "/00001:3", "item", aRun + "/00002:7"}
	for n := 0; ; n++ {
		o := newOffice(t)
		left, died := n, false
		store, err := archive.Open(archive.Config{ConnectionString: o.Storage.ConnectionString(),
			HTTP: portaltest.Through(o.Storage, func() archivetest.Fault {
				if left--; left == -1 {
					died = true
					return archivetest.Archived
				}
				return archivetest.Pass
			})})
		if err != nil {
			t.Fatal(err)
		}
		o.serve(store)
		_, _ = o.Post("/items/replay", o.form(form...))
		o.serve(o.Store)
		if code, to := o.Post("/items/replay", o.form(form...)); code != 303 || to != "/commands" {
			t.Fatalf("n %d: %d %s", n, code, to)
		}
		if got := o.given("import"); len(got) != 2 {
			t.Errorf("n %d: commands %v", n, got)
		}
		if !died {
			return
		}
	}
}

// TestAnswersAreShown: state, result, numbers and links of each command; the test mailbox is masked for readers.
func TestAnswersAreShown(t *testing.T) {
	o := newOffice(t)
	give := func(app string, id string, c control.Command) string {
		name, err := control.Give(t.Context(), o.Store.Commands(), app, o.Now, id, "ann@contoso.com", c)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	from := o.Now.AddDate(0, 0, -3).Truncate(oneDay)
	estimate := give(settings.Fetch, "00000001", control.Command{Kind: control.Estimate, From: from,
		To: from.Add(oneDay)})
	check := give(settings.Import, "00000002", control.Command{Kind: control.Check, Mailbox: "jane@contoso.com"})
	for name, a := range map[string]control.Answer{
		estimate: {Version: 1, Command: estimate, Kind: control.Estimate, State: control.Done, Says: "estimated",
			Counts: map[string]int64{control.CountItems: 1234}},
		check: {Version: 1, Command: check, Kind: control.Check, State: control.Working, Says: "at work", Done: 1,
			Of: 4,
			Links: []control.Link{{Link: "Graph", State: control.LinkFailed, Says: "<b>denied</b>",
				Do: "grant the role"}}},
	} {
		docs := map[string]*archive.Documents{estimate: o.Store.Status(), check: o.Store.Reports()}[name]
		if _, err := docs.Put(t.Context(), "answers/"+name+".json", a, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	for path, wants := range map[string][]string{
		"/commands/fetch/" + estimate: {"2026-11-21 through 2026-11-21 (UTC)", "1,234", "by the source",
			`action="/commands/backfill"`, `name="through" value="2026-11-21"`},
		"/commands/fetch/" + estimate + "/live": {"estimated", "Go on"},
		"/commands/import/" + check: {"1 of 4, 25 %", "grant the role", "&lt;b&gt;denied",
			`data-poll="/commands/import/`},
		"/check": {"grant the role", `value="jane@contoso.com"`,
			`data-poll="/check/live"`, `href="/check/live"`},
		"/check/live": {"grant the role", `http-equiv="refresh"`},
		"/commands":   {"Estimate", "Check", "2 commands", "estimated"},
	} {
		code, body := o.Get(path)
		for _, want := range wants {
			if code != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d, lacks %q", path, code, want)
			}
		}
		if strings.HasSuffix(path, "/live") && strings.Contains(body, "<form") {
			t.Errorf("%s has a form", path)
		}
		// What is typed into a form must not be lost by a page that loads itself again.
		if strings.Contains(body, `http-equiv="refresh"`) && strings.Contains(body, "<form") {
			t.Errorf("%s has a form and loads itself again", path)
		}
		o.Person.Role = identity.Reader
		if _, body := o.Get(path); strings.Contains(body, "jane@") || strings.Contains(body, "<form") {
			t.Errorf("%s shows a reader an address or a form", path)
		}
		o.Person.Role = identity.Admin
	}
	for _, path := range []string{"/commands/portal/" + check, "/commands/import/" + estimate, "/commands/import/x"} {
		if code, _ := o.Get(path); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
}
