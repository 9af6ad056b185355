package progress

import (
	"slices"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/journal"
	"o2archiver/shared/status"
)

const mailbox = "1d5e7a3c-0000-4000-8000-000000000001"

// oneRecord writes a run of yesterday whose one record has an outcome, and whose manifest is changed before.
func oneRecord(t *testing.T, w *portaltest.World, outcome journal.Outcome, change func(*archive.Manifest)) {
	t.Helper()
	from, source := w.Now.Truncate(oneDay).AddDate(0, 0, -1), int64(1)
	m := &archive.Manifest{Version: 1, Kind: "daily", From: from, To: from.Add(oneDay), Finished: w.Now, Received: 1,
		SourceTotal: &source, Records: 1, Staged: 1}
	change(m)
	w.Run("2026/11/24/a", m, portaltest.Batch{Lines: [][]byte{[]byte("{}")}, Outcomes: func(j *journal.Journal) {
		if outcome == journal.Archived {
			j.Plan(1, mailbox)
			j.Copy(journal.Copy{Line: 1, Mailbox: mailbox, Outcome: journal.Imported})
		}
		j.Record(journal.Record{Line: 1, Records: 1, Kind: "SMS", Outcome: outcome})
	}})
}

// TestAlerts: what is not as it should be has an alert, with a link to what a person may see of it.
func TestAlerts(t *testing.T) {
	same := func(*archive.Manifest) {}
	person := control.Person{By: "4d0a", Name: "ann@contoso.com"}
	finish := func(ago time.Duration) func(*testing.T, *portaltest.World) {
		return func(t *testing.T, w *portaltest.World) {
			start(t, w)
			change(t, w, func(c *control.Connector) {
				person.At = w.Now.Add(-ago)
				c.Finished = &person
			})
		}
	}
	closed := func(t *testing.T, w *portaltest.World, ago time.Duration) {
		run := status.Run{Version: 1, Run: "2026/11/24/a", Kind: "daily", From: w.Now.AddDate(0, 0, -1), To: w.Now,
			Closed: w.Now.Add(-ago), Batches: 2}
		if _, err := w.Store.Status().Put(t.Context(), "runs/2026/11/24/a.json", run, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, w *portaltest.World)
		wants   []string // of the alert; none: there is no alert
	}{
		{"nothing is said", func(*testing.T, *portaltest.World) {},
			[]string{"Fetch has shown no work, and waits for a start unless its settings let it work.",
				"Import has shown no work", `href="/commands"`}},
		{"nothing is said of import, which works", func(t *testing.T, w *portaltest.World) {
			change(t, w, func(c *control.Connector) { c.Paused = map[string]bool{"fetch": false} })
			oneRecord(t, w, journal.Archived, same)
		}, nil},
		{"import is paused", func(t *testing.T, w *portaltest.World) {
			change(t, w, func(c *control.Connector) { c.Paused = map[string]bool{"fetch": false, "import": true} })
		}, []string{"Import is paused."}},
		{"fetch is paused by its setting", func(t *testing.T, w *portaltest.World) {
			change(t, w, func(c *control.Connector) { c.Paused = map[string]bool{"import": false} })
			put(t, w, status.Progress{Version: 1, Began: w.Now, At: w.Now, Ended: w.Now,
				State: status.State{Paused: true}})
		}, []string{"Fetch is paused by its setting PAUSED."}},
		{"a set-up that was finished today", finish(25 * time.Hour), nil},
		{"no run since the set-up", finish(27 * time.Hour),
			[]string{"Fetch has not run since the set-up was finished, for 27 hours."}},
		{"everything is whole", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			oneRecord(t, w, journal.Archived, same)
		}, nil},
		{"batches hold less", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			oneRecord(t, w, journal.Archived, func(m *archive.Manifest) { m.Records = 2 })
		}, []string{"2026-11-23 is failed: fetch counts 2 records, and its batches hold 1.",
			`href="/days/2026-11-23"`}},
		{"the source counts more", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			oneRecord(t, w, journal.Archived, func(m *archive.Manifest) { *m.SourceTotal = 3 })
		}, []string{"2026-11-23 is with gaps: the source counts 3 items, and 1 were received.",
			`href="/days/2026-11-23"`}},
		{"unmapped", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			oneRecord(t, w, journal.Unmapped, same)
		}, []string{"1 records without a mailbox."}},
		{"quarantined", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			oneRecord(t, w, journal.Quarantined, same)
		}, []string{"1 records quarantined."}},
		{"files are missing", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			var gaps []status.Gap
			for i := range 12 {
				gaps = append(gaps, status.Gap{Day: w.Now.AddDate(0, 0, i-12), Missing: 2})
			}
			put(t, w, status.Progress{Version: 1, Began: w.Now, At: w.Now, Ended: w.Now,
				State: status.State{Gaps: gaps}})
		}, []string{"2026-11-14 (2), 2026-11-15 (2), ", "2026-11-23 (2), and 2 days before."}},
		{"ZIPs in the wrong folder", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			put(t, w, status.Progress{Version: 1, Began: w.Now, At: w.Now, Ended: w.Now,
				State: status.State{Misplaced: 2}})
		}, []string{"in the folder imports, where they are not read: 2."}},
		{"import makes no totals", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			closed(t, w, 2*time.Hour)
		}, []string{"Import does not work: it has no totals of 1 runs"}},
		{"import has made no totals yet", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			closed(t, w, time.Minute)
		}, nil},
		{"import has made totals", func(t *testing.T, w *portaltest.World) {
			start(t, w)
			closed(t, w, 2*time.Hour)
			oneRecord(t, w, journal.Archived, same)
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.prepare(t, w)
			_, body := w.Get("/progress/live")
			for _, want := range test.wants {
				if !strings.Contains(body, want) {
					t.Errorf("no %q in\n%s", want, body)
				}
			}
			if len(test.wants) == 0 && strings.Contains(body, "callout") {
				t.Errorf("there is an alert:\n%s", body)
			}
		})
	}
}

// TestAlertsByRole: a reader is led to no page that only administrators may see.
func TestAlertsByRole(t *testing.T) {
	w := newWorld(t)
	change(t, w, func(c *control.Connector) { c.Unfinished = true })
	var seen []bool
	for _, role := range []identity.Role{identity.Admin, identity.Reader} {
		w.Person.Role = role
		_, body := w.Get("/")
		seen = append(seen, strings.Contains(body, `href="/settings"`), strings.Contains(body, `href="/setup"`))
	}
	if !slices.Equal(seen, []bool{true, true, false, false}) {
		t.Errorf("links to settings and set-up, of administrators and readers: %v", seen)
	}
}
