package orders

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
	"o2archiver/shared/status"
)

// TestPausesAreListed: who paused an app and when, whether it is in force, and what ended it.
func TestPausesAreListed(t *testing.T) {
	o := newOffice(t)
	give := func(path, form string, who string) {
		t.Helper()
		o.Now, o.Person.Name = o.Now.Add(time.Hour), who
		f := o.form("app", "import", "n", fmt.Sprint(o.connector().N), "form", strings.Repeat(form, 32))
		for range 2 { // a second click
			if code, body := o.Post(path, f); code != 303 {
				t.Fatalf("%d %s", code, body)
			}
		}
	}
	row := func(n int) string {
		_, body := o.Get("/commands")
		_, body, _ = strings.Cut(body, "<tbody>")
		rows := strings.Split(body, "<tr>")
		if n >= len(rows) {
			t.Fatalf("no row %d:\n%s", n, body)
		}
		return rows[n]
	}
	has := func(n int, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if got := row(n); !strings.Contains(got, want) {
				t.Errorf("row %d lacks %q:\n%s", n, want, got)
			}
		}
	}
	give("/commands/pause", "a", "ann@contoso.com")
	has(1, ">Pause import<", "ann@contoso.com", "2026-11-24T10:00:00Z", ">in force<", "paused since then")
	give("/commands/resume", "b", "bob@contoso.com")
	has(1, ">Start import<", "bob@contoso.com", ">in force<", "works since then")
	has(2, ">Pause import<", "ann@contoso.com", ">ended<",
		"Until 24 Nov 2026, 11:00 UTC, when bob@contoso.com gave the command Start import.")
	if _, body := o.Get("/commands"); !strings.Contains(body, "2 commands") {
		t.Errorf("a second click is listed:\n%s", body)
	}
	_, err := control.UpdateConnector(t.Context(), o.Store.Settings(), func(c *control.Connector) error {
		c.Paused["import"] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	has(1, ">Start import<", ">ended<", "What came after it was set without a command")
	o.Person.Role = identity.Reader
	has(1, ">Start import<")
}

// TestCommandsPageIsBounded: however many commands there are, a page of them costs a listing of the commands of each
// app, one of the answers of each, the settings, and a request for each app of which these say nothing. Those of
// scripts are read, but no more than are shown.
func TestCommandsPageIsBounded(t *testing.T) {
	o := newOffice(t)
	var asked atomic.Int64
	way := o.Storage.Through(func(*http.Request) archivetest.Fault {
		asked.Add(1)
		return archivetest.Pass
	})
	store, err := archive.Open(archive.Config{ConnectionString: o.Storage.ConnectionString(),
		HTTP: &http.Client{Transport: way}})
	if err != nil {
		t.Fatal(err)
	}
	o.serve(store)
	const all = 45
	for i := range all {
		app, kind := "fetch", control.Run
		if i%2 == 0 {
			app, kind = "import", control.Tally
		}
		name, err := control.Give(t.Context(), o.Store.Commands(), app, o.Now.Add(time.Duration(i-all)*time.Minute),
			fmt.Sprintf("%08x", i), "ann@contoso.com", control.Command{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		q := control.NewQueue(control.Options{App: app, Commands: o.Store.Commands(),
			Answers: o.Store.Status(), Now: o.Clock})
		if app == "import" {
			q = control.NewQueue(control.Options{App: app, Commands: o.Store.Commands(), Answers: o.Store.Reports(),
				Now: o.Clock})
		}
		tasks, err := q.Pending(t.Context())
		if err != nil || len(tasks) != 1 || tasks[0].Name != name {
			t.Fatalf("%v, %v", tasks, err)
		}
		if err := q.Finish(t.Context(), tasks[0], control.Done, fmt.Sprintf("it was number %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for page, want := range map[string]struct{ rows, first int }{"": {20, 44}, "2": {20, 24}, "3": {5, 4}, "9": {5, 4},
		"-1": {20, 44}} {
		asked.Store(0)
		_, body := o.Get("/commands?" + url.Values{"page": {page}}.Encode())
		if n := strings.Count(body, "it was number "); n != want.rows || asked.Load() != 8 ||
			!strings.Contains(body, fmt.Sprintf("it was number %d<", want.first)) || !strings.Contains(body, "of 45<") {
			t.Errorf("page %q: %d rows, %d requests:\n%s", page, n, asked.Load(), body)
		}
	}
	for i := range 30 { // of a script, which stores no facts
		name := control.Name(o.Now, fmt.Sprintf("%08x", 1000+i))
		if _, err := o.Store.Commands().Put(t.Context(), "fetch/"+name+".json", map[string]string{"kind": "run"}, "",
			nil); err != nil {
			t.Fatal(err)
		}
	}
	asked.Store(0)
	if _, body := o.Get("/commands"); strings.Count(body, ">Fetch now</a>") != 20 || asked.Load() != 8+2*20 {
		t.Errorf("%d requests:\n%s", asked.Load(), body)
	}
}

// TestStatesOfTheApps: what the administrator has said holds; without it, what the app shows of its work.
func TestStatesOfTheApps(t *testing.T) {
	put := func(to *archive.Documents, name string, v any) {
		t.Helper()
		if _, err := to.Put(t.Context(), name, v, "*", nil); err != nil {
			t.Fatal(err)
		}
	}
	progress := func(paused bool) func(*office) {
		return func(o *office) {
			put(o.Store.Status(), "fetch.json", status.Progress{Version: 1, Began: o.Now, At: o.Now, Ended: o.Now,
				State: status.State{Paused: paused}})
		}
	}
	for _, test := range []struct {
		name    string
		prepare func(*office)
		want    []string // of fetch and of import
	}{
		{"nothing is said or shown", func(*office) {}, []string{`wait">` + noWork, `wait">` + noWork}},
		{"fetch works", progress(false), []string{`ok">works`, `wait">` + noWork}},
		{"fetch is paused by its setting", progress(true),
			[]string{`wait">paused by its setting PAUSED`, `wait">` + noWork}},
		{"the progress can't be read", func(o *office) { put(o.Store.Status(), "fetch.json", "x") },
			[]string{`wait">not known: its progress can&#39;t be read`, `wait">` + noWork}},
		{"import has written to a mailbox", func(o *office) { put(o.Store.Reports(), "names.json", map[string]int{}) },
			[]string{`wait">` + noWork, `ok">works, unless its setting PAUSED was set to true since`}},
		{"the administrator counts more", func(o *office) {
			progress(true)(o)
			put(o.Store.Settings(), "connector.json", map[string]any{"v": 1, "n": 1,
				"paused": map[string]bool{"fetch": false, "import": true}})
		}, []string{`ok">works`, `wait">paused`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOffice(t)
			test.prepare(o)
			_, body := o.Get("/commands")
			_, of, _ := strings.Cut(body, `id="app-fetch"`)
			ofFetch, ofImport, _ := strings.Cut(of, `id="app-import"`)
			for i, part := range []string{ofFetch, ofImport} {
				if want := `<span class="state ` + test.want[i] + "</span>"; !strings.Contains(part, want) {
					t.Errorf("no %s in\n%s", want, part)
				}
			}
		})
	}
}
