// Package portaltest is a portal for tests: an archive in memory, with totals that the real writers make from real
// journals, and the way of a request through package web.
package portaltest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/tally"
)

// Form is an id of a form.
const Form = "0123456789abcdef0123456789abcdef"

// World is an archive, and a portal that a person asks.
type World struct {
	Storage *archivetest.Storage
	Store   *archive.Store
	Totals  *tally.Table
	Now     time.Time
	Person  identity.Person
	Log     bytes.Buffer

	t       testing.TB
	handler http.Handler
}

// New returns a World whose person is an administrator.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{t: t, Now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC),
		Person: identity.Person{ID: "0a0b0c0d-0000-4000-8000-000000000001", Name: "ann@contoso.com",
			Role: identity.Admin}}
	s := archivetest.ForTest(t, w.Clock)
	store, totals := OpenArchive(t, s.ConnectionString(), s.Client())
	w.Storage, w.Store, w.Totals = s, store, totals
	return w
}

// OpenArchive opens a new archive with its totals, by a client of the storage.
func OpenArchive(t testing.TB, connection string, client *http.Client) (*archive.Store, *tally.Table) {
	t.Helper()
	store, err := archive.Open(archive.Config{ConnectionString: connection, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	totals, err := tally.Open(tally.Config{ConnectionString: connection, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateContainers(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := totals.CreateTable(context.Background()); err != nil {
		t.Fatal(err)
	}
	return store, totals
}

// Clock returns the world's time.
func (w *World) Clock() time.Time { return w.Now }

// Serve makes the portal of a table of routes.
func (w *World) Serve(routes []web.Route) {
	w.t.Helper()
	all, err := pages.ParseAll()
	if err != nil {
		w.t.Fatal(err)
	}
	w.handler = web.New(web.Options{Pages: all, Routes: routes, Now: w.Clock,
		Log: slog.New(slog.NewJSONHandler(&w.Log, nil)),
		Who: func(*http.Request) (identity.Person, error) { return w.Person, nil }})
}

// Get returns the status and the body of an answer.
func (w *World) Get(path string) (status int, body string) {
	w.t.Helper()
	return w.ask(httptest.NewRequest("GET", path, nil))
}

// Post sends a form, with the id Form unless it has one, and returns the status, and the body or the new address.
func (w *World) Post(path string, form url.Values) (status int, body string) {
	w.t.Helper()
	if form.Get(web.FormField) == "" {
		form.Set(web.FormField, Form)
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.ask(r)
}

func (w *World) ask(r *http.Request) (int, string) {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	answer := recorder.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	to := answer.Header.Get("Location")
	if answer.StatusCode == http.StatusSeeOther {
		return answer.StatusCode, to
	}
	return answer.StatusCode, string(body)
}

// Batch is what a run of a test has of one batch.
type Batch struct {
	Lines    [][]byte
	Outcomes func(*journal.Journal)
	Open     bool // the journal has no end
}

// Run writes a run as fetch and import do: batches, journals, and the totals that are made from them. Without a
// manifest it is not finished.
func (w *World) Run(run string, m *archive.Manifest, batches ...Batch) tally.Run {
	w.t.Helper()
	var rows []tally.Batch
	var unmapped []tally.Unmapped
	users := tally.Mailboxes{}
	staged := 0
	for seq, b := range batches {
		row, doc := w.batch(run, seq+1, b)
		staged += len(b.Lines)
		rows = append(rows, row)
		users.AddAll(row.Mailboxes)
		if row.Unmapped > 0 {
			unmapped = append(unmapped, doc)
		}
	}
	row := tally.OfRun(run, rows, m, len(batches), staged)
	if len(unmapped) > 0 && m != nil {
		w.Report(tally.NoMailboxesName(run), tally.OfRunUnmapped(unmapped))
	}
	if row.Closed {
		w.addUsers(tally.UsersName(tally.WindowOf(run, *m)), run, users)
	}
	if err := w.Totals.PutRun(w.t.Context(), row, ""); err != nil {
		w.t.Fatal(err)
	}
	return row
}

// Row writes a batch and its journal, and returns the row of its totals.
func (w *World) Row(run string, b Batch) tally.Batch {
	w.t.Helper()
	row, _ := w.batch(run, 1, b)
	return row
}

// batch writes a batch, its journal and its totals.
func (w *World) batch(run string, seq int, b Batch) (tally.Batch, tally.Unmapped) {
	w.t.Helper()
	ctx, data := w.t.Context(), append(bytes.Join(b.Lines, []byte("\n")), '\n')
	name, err := w.Store.Batches().Write(ctx, run, seq, data, len(b.Lines))
	if err != nil {
		w.t.Fatal(err)
	}
	j, err := journal.Open(ctx, w.Store.Logs(), name, "invocation", w.Clock)
	if err != nil {
		w.t.Fatal(err)
	}
	b.Outcomes(j)
	end := j.Finish
	if b.Open {
		end = j.Flush
	}
	if err := end(ctx); err != nil {
		w.t.Fatal(err)
	}
	j.Close()
	state, length, err := journal.ReadLength(ctx, w.Store.Logs(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	row, doc := tally.OfBatch(state, length), tally.OfUnmapped(data, state, length, "GB")
	if err := w.Totals.Add(ctx, name, row); err != nil {
		w.t.Fatal(err)
	}
	if row.Unmapped > 0 {
		w.Report(tally.UnmappedName(name), doc)
	}
	return row, doc
}

// Report writes a document of the reports.
func (w *World) Report(name string, v any) {
	w.t.Helper()
	if _, err := w.Store.Reports().Put(w.t.Context(), name, v, "*", nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) addUsers(name, run string, users tally.Mailboxes) {
	w.t.Helper()
	doc := tally.Users{Version: 1, Runs: map[string]tally.Mailboxes{}}
	_, _ = w.Store.Reports().Get(w.t.Context(), name, &doc) // there may be none
	doc.Runs[run] = users
	w.Report(name, doc)
}

// Through returns a client of a storage account with faults: decide is asked once for each request.
func Through(s *archivetest.Storage, decide func() archivetest.Fault) *http.Client {
	return &http.Client{Transport: s.Through(func(*http.Request) archivetest.Fault { return decide() })}
}
