package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/auditlog"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/setup"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/local/browser"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// TestNoGETWrites: no route of the table that answers GET writes to the archive's storage, before the set-up is begun
// and after: links are followed by browsers ahead of time, and the host repeats requests.
func TestNoGETWrites(t *testing.T) {
	storage := archivetest.ForTest(t, nil)
	var asked, written atomic.Int64
	client := &http.Client{Transport: storage.Through(func(r *http.Request) archivetest.Fault {
		asked.Add(1)
		if r.Method != http.MethodGet && r.Method != http.MethodHead { // leases count, too
			written.Add(1)
		}
		return archivetest.Pass
	})}
	store, totals := portaltest.OpenArchive(t, storage.ConnectionString(), client)
	now := func() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) }
	log := audit.New(audit.Options{Logs: store.Audit(), Now: now})
	setUp := setup.New(setup.Options{Settings: store.Settings(), Mapping: store.Mapping(), Reports: store.Reports(),
		Status: store.Status(), Deployed: settings.SetUp{Source: settings.Telemessage, Region: "GB",
			Site: &url.URL{Scheme: "https", Host: "rest.telemessage.example"}}, OnMachine: true,
		Lookup: func(string) (string, bool) { return "", false }, Now: now, Audit: log})
	table := routes(newServices(store, totals, auditlog.New(log, now), setUp, now), nil)
	templates, err := pages.ParseAll()
	if err != nil {
		t.Fatal(err)
	}
	portal := web.New(web.Options{Routes: table, Pages: templates, Now: now, Log: slog.New(slog.DiscardHandler),
		Who: func(*http.Request) (identity.Person, error) {
			return identity.Person{ID: testPerson, Name: "ann@contoso.com", Role: identity.Admin}, nil
		}})
	command, err := control.Give(t.Context(), store.Commands(), settings.Fetch, now(), testForm, "ann",
		control.Command{Kind: control.Run})
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"/assets/portal.css", "/settings?done=size", "/commands?page=2"}
	for _, path := range browser.PortalPages(browser.Subjects{Day: now(), Run: "/runs/2026/11/23/run",
		Command: "/commands/fetch/" + command}) {
		paths = append(paths, path)
	}
	for _, route := range table {
		if method, path := pathOf(route); method == http.MethodGet {
			paths = append(paths, path)
		}
	}
	accepted := func(c *control.Connector) error {
		c.Terms = &control.Terms{Version: setup.TermsVersion, Person: control.Person{By: testPerson, At: now()}}
		return nil
	}
	for _, change := range []func(*control.Connector) error{nil, accepted, func(c *control.Connector) error {
		c.Finished = &c.Terms.Person
		return nil
	}} {
		if change != nil {
			if _, err := control.UpdateConnector(t.Context(), store.Settings(), change); err != nil {
				t.Fatal(err)
			}
		}
		shown := 0
		asked.Store(0)
		for _, path := range paths {
			written.Store(0)
			recorder := httptest.NewRecorder()
			portal.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
			if n := written.Load(); n > 0 {
				t.Errorf("GET %s writes %d times", path, n)
			}
			if recorder.Code == http.StatusOK {
				shown++
			}
			if recorder.Code >= http.StatusInternalServerError {
				t.Errorf("GET %s: %d\n%.500s", path, recorder.Code, recorder.Body)
			}
		}
		if shown < len(paths)/2 || asked.Load() < int64(shown) {
			t.Errorf("of %d paths %d are pages, for %d requests to the storage", len(paths), shown, asked.Load())
		}
	}
}
