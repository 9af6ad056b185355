package progress

import (
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/journal"
	"o2archiver/shared/status"
)

func newWorld(t *testing.T) *portaltest.World {
	w := portaltest.New(t)
	reader := account.New(account.Options{Totals: w.Totals, Status: status.NewReader(w.Store.Status()),
		Reports: w.Store.Reports(), Now: w.Clock})
	watch := New(Options{Account: reader, Status: status.NewReader(w.Store.Status()), Settings: w.Store.Settings(),
		Now: w.Clock})
	w.Serve([]web.Route{{Pattern: "GET /{$}", Role: identity.Reader, Handle: watch.ProgressPage},
		{Pattern: "GET /progress/live", Role: identity.Reader, Handle: watch.Live}})
	return w
}

// put writes what fetch shows of its work.
func put(t *testing.T, w *portaltest.World, p status.Progress) {
	t.Helper()
	if _, err := w.Store.Status().Put(t.Context(), "fetch.json", p, "*", nil); err != nil {
		t.Fatal(err)
	}
}

// aDay writes a run of one batch, with an outcome or without.
func aDay(t *testing.T, w *portaltest.World, run string, from time.Time, settled bool) {
	t.Helper()
	source := int64(1)
	m := &archive.Manifest{Version: 1, Kind: "daily", From: from, To: from.AddDate(0, 0, 1),
		Finished: from.AddDate(0, 0, 1), Received: 1, SourceTotal: &source, Records: 1, Staged: 1}
	w.Run(run, m, portaltest.Batch{Lines: [][]byte{[]byte("{}")}, Open: !settled, Outcomes: func(j *journal.Journal) {
		j.Plan(1, "1d5e7a3c-0000-4000-8000-000000000001")
		if settled {
			j.Copy(journal.Copy{Line: 1, Mailbox: "1d5e7a3c-0000-4000-8000-000000000001", Outcome: journal.Imported})
			j.Record(journal.Record{Line: 1, Records: 1, Kind: "SMS", Outcome: journal.Archived})
		}
	}})
}

// change changes what an administrator has decided.
func change(t *testing.T, w *portaltest.World, change func(*control.Connector)) {
	t.Helper()
	_, err := control.UpdateConnector(t.Context(), w.Store.Settings(), func(c *control.Connector) error {
		change(c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// start writes that neither app is paused.
func start(t *testing.T, w *portaltest.World) {
	t.Helper()
	change(t, w, func(c *control.Connector) { c.Paused = map[string]bool{"fetch": false, "import": false} })
}

// TestStatesOfFetch: the state that the page shows, and the alerts that stand.
func TestStatesOfFetch(t *testing.T) {
	of := int64(2000)
	wholeHas := map[string][]string{ // what the whole page has, and its live part has not
		"nothing yet":              {"No run of the last year"},
		"a whole day":              {`<rect class="whole"`, `state ok">whole<`},
		"records pending for long": {`<rect class="pending"`},
		"records pending for months": {"1 records have had no outcome for a day or longer, the oldest of 2026-08-21",
			`class="pending"`},
		"import is dead": {`<rect class="pending"`, `state wait">at work<`},
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, w *portaltest.World)
		wants   []string
		lacks   []string
	}{
		{"nothing yet", start,
			[]string{"Nothing was fetched yet", "has not run yet"}, []string{"callout"}},
		{"at work", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			put(t, w, status.Progress{Version: 1, Began: w.Now.Add(-time.Minute), At: w.Now, Moved: w.Now,
				Next: w.Now.Add(time.Hour), State: status.State{Windows: []status.Window{{
					Run: "2026/11/24/x", Kind: "daily", From: w.Now.AddDate(0, 0, -1), To: w.Now, Active: true,
					Received: 500,
					Of:       &of, Tries: 1}}}})
		}, []string{`state ok">at work<`, "500 of 2,000, 25 %", "500 items a minute", "3 minutes", "Last moved"},
			[]string{"callout", "Nothing was fetched"}},
		{"waits", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			put(t, w, status.Progress{Version: 1, Began: w.Now, At: w.Now,
				Waits: "for the site, which is not available"})
		}, []string{"at work, and waits", "for the site, which is not available"}, []string{"callout"}},
		{"broken off", func(t *testing.T, w *portaltest.World) {
			put(t, w, status.Progress{Version: 1, Began: w.Now.Add(-time.Hour), At: w.Now.Add(-time.Hour)})
		}, []string{"was broken off", "callout bad"}, nil},
		{"failed", func(t *testing.T, w *portaltest.World) {
			put(t, w, status.Progress{Version: 1, Began: w.Now, At: w.Now, Ended: w.Now,
				Failed: "the password is refused"})
		}, []string{`state bad">failed<`, "failed: the password is refused."}, nil},
		{"late", func(t *testing.T, w *portaltest.World) {
			ended := w.Now.Add(-27 * time.Hour)
			put(t, w, status.Progress{Version: 1, Began: ended, At: ended, Ended: ended})
		}, []string{"Fetch has not run for 27 hours."}, nil},
		{"paused", func(t *testing.T, w *portaltest.World) {
			ended := w.Now.Add(-27 * time.Hour)
			put(t, w, status.Progress{Version: 1, Began: ended, At: ended, Ended: ended,
				State: status.State{Paused: true}})
			change(t, w, func(c *control.Connector) { c.Paused = map[string]bool{"fetch": true} })
		}, []string{"Fetch is paused."}, []string{"has not run for"}},
		{"set-up is not finished", func(t *testing.T, w *portaltest.World) {
			change(t, w, func(c *control.Connector) { c.Unfinished = true })
		}, []string{"The set-up is not finished", "Tell an administrator."},
			[]string{`href="/set`, "Import has shown"}},
		{"settings that can't be read", func(t *testing.T, w *portaltest.World) {
			if _, err := w.Store.Settings().Put(t.Context(), "connector.json", "x", "", nil); err != nil {
				t.Fatal(err)
			}
		}, []string{"connector.json) can", "callout bad"}, nil},
		{"progress that can't be read", func(t *testing.T, w *portaltest.World) {
			if _, err := w.Store.Status().Put(t.Context(), "fetch.json", "x", "", nil); err != nil {
				t.Fatal(err)
			}
		}, []string{"The progress of fetch can"}, []string{"Nothing was fetched"}},
		{"a whole day", func(t *testing.T, w *portaltest.World) {
			change(t, w, func(c *control.Connector) { c.Paused = map[string]bool{"fetch": false} })
			aDay(t, w, "2026/11/23/a", w.Now.AddDate(0, 0, -2), true)
		}, nil, []string{"callout"}},
		{"records pending for long", func(t *testing.T, w *portaltest.World) {
			aDay(t, w, "2026/11/22/a", w.Now.AddDate(0, 0, -3), false)
		}, []string{"1 records have had no outcome"}, nil},
		{"records pending for months", func(t *testing.T, w *portaltest.World) {
			aDay(t, w, "2026/08/22/a", w.Now.AddDate(0, 0, -95), false)
		}, []string{"0, of the runs since 16 Nov 2026"}, nil},
		{"an open window of long ago", func(t *testing.T, w *portaltest.World) {
			w.Run("2026/11/01/x", nil, portaltest.Batch{Lines: [][]byte{[]byte("{}")}, Open: true,
				Outcomes: func(*journal.Journal) {}})
			put(t, w, status.Progress{Version: 1, Began: w.Now.Add(-2 * time.Hour), At: w.Now, Moved: w.Now,
				State: status.State{Windows: []status.Window{{Run: "2026/11/01/x", Batches: 1}, {Run: "2026/01/01/x",
					Batches: 1}}}})
		}, []string{"1, of the runs since 15 Oct 2026", "0 of 1"}, []string{"The totals of a run that is at work"}},
		{"import is dead", func(t *testing.T, w *portaltest.World) {
			run := status.Run{Version: 1, Run: "2026/11/22/a", Kind: "daily", From: w.Now.AddDate(0, 0, -3),
				To: w.Now.AddDate(0, 0, -2), Closed: w.Now.AddDate(0, 0, -2), Received: 7, Records: 7, Staged: 7,
				Batches: 1}
			if _, err := w.Store.Status().Put(t.Context(), "runs/"+run.Run+".json", run, "*", nil); err != nil {
				t.Fatal(err)
			}
		}, []string{"7 records have had no outcome for a day or longer, the oldest of 2026-11-21"}, nil},
		{"totals are missing", func(t *testing.T, w *portaltest.World) {
			put(t, w, status.Progress{Version: 1, Began: w.Now.Add(-2 * time.Hour), At: w.Now, Moved: w.Now,
				State: status.State{Windows: []status.Window{{Run: "2026/11/24/x", Batches: 3}}}})
		}, []string{"The totals of a run that is at work are missing."}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.prepare(t, w)
			w.Person.Role = identity.Reader
			for _, path := range []string{"/", "/progress/live"} {
				code, body := w.Get(path)
				if code != 200 || strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<form") {
					t.Errorf("%s: %d", path, code)
				}
				for _, want := range test.wants {
					if !strings.Contains(body, want) {
						t.Errorf("%s lacks %q", path, want)
					}
				}
				for _, want := range wholeHas[test.name] {
					if strings.Contains(body, want) != (path == "/") {
						t.Errorf("%s has %q: %v", path, want, path != "/")
					}
				}
				for _, never := range test.lacks {
					if strings.Contains(body, never) {
						t.Errorf("%s has %q", path, never)
					}
				}
			}
		})
	}
}
