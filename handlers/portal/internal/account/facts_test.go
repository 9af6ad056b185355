package account

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/status"
)

// say writes what fetch says about a run.
func say(t *testing.T, w *portaltest.World, run string, said any) {
	t.Helper()
	if _, err := w.Store.Status().Put(t.Context(), "runs/"+run+".json", said, "*", nil); err != nil {
		t.Fatal(err)
	}
}

// saidOf is what fetch says about a run of 22 November with one batch.
func saidOf(run string, received int) status.Run {
	m := manifestOf(22, received, 0)
	return status.Run{Version: 1, Run: run, Kind: "delivery", From: m.From, To: m.To, Started: m.Started,
		Closed: m.Finished, Received: received, Records: received, Staged: received, Batches: min(received, 1)}
}

// archived is a batch of one archived record.
func archived(t *testing.T) portaltest.Batch {
	return portaltest.Batch{Lines: [][]byte{text(t, "m", "+447700900001", "+447700900002")},
		Outcomes: func(j *journal.Journal) {
			copyTo(j, 1, jane, journal.Imported)
			settle(j, 1, "SMS", journal.Archived, "")
		}}
}

// TestWhatFetchSays: a day is whole only if fetch has no issue with it and import has counted it.
func TestWhatFetchSays(t *testing.T) {
	const run = "2026/11/23/zip"
	whole := manifestOf(22, 1, 1)
	for _, test := range []struct {
		name  string
		row   bool
		m     *archive.Manifest
		said  any
		state State
		cause string
	}{
		{"nothing is said", true, whole, nil, Whole, ""},
		{"as the manifest states", true, whole, func() status.Run {
			s := saidOf(run, 1)
			s.Outcome = "complete"
			return s
		}(), Whole, ""},
		{"messages are missing", true, whole, func() status.Run {
			s := saidOf(run, 1)
			s.Outcome, s.Issues = "incomplete", []status.Issue{{Code: status.Missing, Count: 7}}
			return s
		}(), Gaps, "messages that the manifest of a ZIP lists and the ZIP lacks: 7"},
		{"incomplete for another reason", true, whole, func() status.Run {
			s := saidOf(run, 1)
			s.Outcome = "incomplete"
			return s
		}(), Gaps, "a ZIP that fetch calls incomplete"},
		{"can't be read", true, whole, "x", Gaps, "what fetch says about a run can&#39;t be read"},
		{"no row", false, nil, saidOf(run, 5), Working, "import has not counted it yet"},
		{"no row, and nothing to import", false, nil, saidOf(run, 0), Whole, ""},
		{"a row from before the end", true, nil, saidOf(run, 5), Working, "4 records without an outcome yet"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.row {
				w.Run(run, test.m, archived(t))
			}
			if test.said != nil {
				say(t, w, run, test.said)
			}
			for _, path := range []string{"/days/2026-11-22", "/runs/" + run} {
				code, body := w.Get(path)
				if code != 200 || !strings.Contains(body, ">"+test.state.Text()+"<") ||
					!strings.Contains(body, test.cause) ||
					strings.Contains(body, "nothing is missing") != (test.state == Whole) ||
					strings.Contains(body, "by a backfill") {
					t.Errorf("%s: %d, want %s, %q:\n%s", path, code, test.state, test.cause, body)
				}
			}
		})
	}
}

// TestIssuesHaveWords: each code of fetch, and one of a later version.
func TestIssuesHaveWords(t *testing.T) {
	for _, code := range []status.Code{status.Staged, status.Gone, status.Rejected, status.Missing, status.Empty,
		status.Unlisted, status.Twice} {
		if text := describeIssue(code, true); strings.Contains(text, "another") && code != status.Twice || text == "" {
			t.Errorf("%s: %q", code, text)
		}
	}
	if text := describeIssue("new", false); text != "another issue, new" {
		t.Error(text)
	}
}

// TestDifferencesDoNotCancel: what one run lacks is not made up for by another.
func TestDifferencesDoNotCancel(t *testing.T) {
	few, many := manifestOf(22, 1, 6), manifestOf(22, 1, 0)
	w := newWorld(t)
	w.Run("2026/11/23/few", few, archived(t))
	w.Run("2026/11/23/many", many, archived(t))
	for _, path := range []string{"/days/2026-11-22", "/days/2026-11-22/json", "/days/2026-11-22/csv",
		"/months/2026-11", "/months/2026-11/json", "/months/2026-11/csv"} {
		_, body := w.Get(path)
		for _, want := range []string{"items that the source counts and that were not received: 5",
			"items that were received and that the source does not count: 1"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
		if strings.Contains(body, "nothing is missing") {
			t.Errorf("%s says that nothing is missing", path)
		}
	}
	if _, body := w.Get("/days/2026-11-22"); !strings.Contains(body, "difference 6") {
		t.Error("the difference of the day is not 6")
	}
}

// TestWholeHasNoCauses: of random days, exactly those without a cause are whole.
func TestWholeHasNoCauses(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func() int { return max(0, random.IntN(12)-10) }
	states := map[State]int{}
	for range 2000 {
		var runs []Facts
		for n := range 1 + random.IntN(2) {
			var f Facts
			r := &f.Totals.Records
			r.Archived, r.Unmapped, r.Failed, r.Pending = 9, some(), some(), some()
			r.Collected = r.Archived + r.Unmapped + r.Failed + r.Pending + some()
			f.Run, f.Staged, f.Closed, f.Counted = fmt.Sprint(n), r.Collected+some(), some() == 0, some() == 0
			if some() == 0 {
				total := int64(9 + some())
				f.Manifest = &archive.Manifest{Records: f.Staged + some(), Received: 9, SourceTotal: &total}
			}
			if some() > 0 {
				f.Issues = []status.Issue{{Code: status.Missing, Count: 1}}
			}
			f.Unread = some() > 0
			runs = append(runs, f)
		}
		d := Account(time.Time{}, runs)
		states[d.State]++
		if (d.State == Whole) != (len(d.Causes) == 0) {
			t.Fatalf("%s: %q", d.State, d.Causes)
		}
	}
	if len(states) < 4 || states[Whole] < 20 {
		t.Errorf("%v", states)
	}
}

// TestMonthWithMissingDays: a month is not whole as long as one of its days has no run.
func TestMonthWithMissingDays(t *testing.T) {
	w := newWorld(t)
	w.Now = time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	w.Run("2026/11/02/a", manifestOf(1, 1, 1), archived(t))
	if _, body := w.Get("/months/2026-11"); strings.Contains(body, "nothing is missing") ||
		!strings.Contains(body, `state wait">with gaps<`) ||
		!strings.Contains(body, "1 day without a run: 2026-11-02.") {
		t.Errorf("a day is missing:\n%s", body)
	}
	if _, body := w.Get("/months/2026-11/json"); !strings.Contains(body, `"days without a run: 1"`) {
		t.Errorf("a day is missing:\n%s", body)
	}
	w.Run("2026/11/03/a", manifestOf(2, 1, 1), archived(t))
	_, body := w.Get("/months/2026-11")
	if !strings.Contains(body, "Both sums of the month hold, and nothing is missing.") {
		t.Errorf("no day is missing:\n%s", body)
	}
}

// TestListsOfUncountedDays: a list without a line says that all is well only if the whole day is counted.
func TestListsOfUncountedDays(t *testing.T) {
	w := newWorld(t)
	w.Run("2026/11/23/a", manifestOf(22, 1, 1), archived(t))
	open := portaltest.Batch{Lines: make([][]byte, 3), Outcomes: func(j *journal.Journal) {
		settle(j, 1, "SMS", journal.Archived, "")
	}, Open: true}
	w.Run("2026/11/22/a", manifestOf(21, 3, 3), open)
	say(t, w, "2026/11/21/a", func() status.Run {
		s := saidOf("2026/11/21/a", 1000)
		s.From, s.To = s.From.AddDate(0, 0, -2), s.To.AddDate(0, 0, -2)
		return s
	}())
	fine := map[string]string{"/unmapped?": "Every record of this day found a mailbox.",
		"/duplicates?": "There is none on this day.", "/duplicates?what=gone&": "There is none on this day.",
		"/items?": "Every record of this day was archived.", "/items?reason=pending&": "No item has this reason."}
	for path, says := range fine {
		for day, want := range map[string]bool{"2026-11-24": false, "2026-11-22": true, "2026-11-21": false,
			"2026-11-20": false} {
			if code, body := w.Get(path + "day=" + day); code != 200 || strings.Contains(body, says) != want {
				t.Errorf("%sday=%s says that all is well: %v, %d", path, day, !want, code)
			}
		}
	}
	for day, wants := range map[string][]string{
		"/unmapped?day=2026-11-24":              {"mostly of the window that began the day before"},
		"/unmapped?day=2026-11-21":              {"1 run of this day is not counted completely yet"},
		"/items?day=2026-11-20&reason=pending":  {"1,000 further records of this day are counted and not listed"},
		"/items/json?day=2026-11-20":            {`"more": 1000`, `"state": "pending"`},
		"/unmapped/json?day=2026-11-20":         {`"openRuns": 1`},
		"/items/csv?day=2026-11-21":             {`"Not listed","","","2"`},
		"/silent?day=2026-11-20":                {"1 run of this day is not counted completely yet"},
		"/duplicates/json?day=2026-11-20":       {`"lines": []`, `"openRuns": 1`},
		"/silent/json?day=2026-11-20":           {`"openRuns": 1`, `"silent": []`},
		"/duplicates/csv?day=2026-11-20&what=x": {`"Not listed"`},
	} {
		_, body := w.Get(day)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", day, want, body)
			}
		}
	}
}

// TestRangesOfReading: what is listed and queried for a day, and what is not taken for a run without totals.
func TestRangesOfReading(t *testing.T) {
	at := func(s string) time.Time {
		day, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return day
	}
	for first, want := range map[string]string{"2026-11-20": "2026/11/", "2026-10-31": "2026/10/ 2026/11/",
		"2026-05-01": "2026/", "2024-12-31": "2024/ 2025/ 2026/", "2026-12-24": "2026/12/"} {
		if got := strings.Join(prefixesOf(at(first), at("2026-11-24")), " "); got != want {
			t.Errorf("from %s on: %s, want %s", first, got, want)
		}
	}
	w := newWorld(t)
	for _, run := range []string{"2026/11/03/a", "2026/11/23/a", "2025/11/22/a"} {
		w.Run(run, manifestOf(22, 1, 1), archived(t))
		say(t, w, run, saidOf(run, 1))
	}
	r := New(Options{Totals: w.Totals, Status: status.NewReader(w.Store.Status()), Reports: w.Store.Reports(),
		Now: w.Clock})
	for first, want := range map[string]int{"2026-11-23": 1, "2026-11-04": 1, "2026-11-03": 2, "2025-11-23": 2,
		"2001-01-01": 3} {
		runs, err := r.Planned(t.Context(), at(first))
		if err != nil || len(runs) != want {
			t.Errorf("planned from %s on: %d runs, want %d, %v", first, len(runs), want, err)
		}
		for _, run := range runs {
			if !run.Counted || run.Batches != 1 {
				t.Errorf("%s: %+v", run.Run, run)
			}
		}
	}
}

// TestAtWorkRatherThanWithGaps: a day, of which a record has no mailbox, is at work while its other records get their
// outcomes, and has gaps when no outcome has come for an hour, or when all have. A failure is told at once.
func TestAtWorkRatherThanWithGaps(t *testing.T) {
	const run, other = "2026/11/23/a", "2026/11/23/b"
	for _, test := range []struct {
		name   string
		open   bool
		source int64 // what the source counts, of 2 received
		later  time.Duration
		run    State
		day    State
	}{
		{"outcomes have come lately", true, 2, 30 * time.Minute, Working, Working},
		{"and the source counts more", true, 3, 0, Working, Working},
		{"no outcome has come for long", true, 2, 2 * time.Hour, Gaps, Gaps},
		{"all outcomes are there", false, 2, 0, Gaps, Gaps},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			line := text(t, "m", "+447700900001", "+447700900002")
			w.Run(run, manifestOf(22, 2, test.source), portaltest.Batch{Lines: [][]byte{line, line}, Open: test.open,
				Outcomes: func(j *journal.Journal) {
					settle(j, 1, "SMS", journal.Unmapped, "no participant has a mailbox in the tenant")
					if !test.open {
						settle(j, 2, "SMS", journal.Archived, "")
					}
				}})
			w.Run(other, manifestOf(22, 1, 9), archived(t)) // it is finished, with gaps
			w.Now = w.Now.Add(test.later)
			for path, want := range map[string]State{"/runs/" + run: test.run, "/days/2026-11-22": test.day,
				"/runs/" + other: Gaps} {
				_, body := w.Get(path)
				_, body, _ = strings.Cut(body, `class="callout`)
				if !strings.Contains(body[:min(len(body), 200)], ">"+want.Text()+"<") ||
					path != "/runs/"+other && !strings.Contains(body, "1 records without a mailbox") {
					t.Errorf("%s is not %s:\n%s", path, want.Text(), body)
				}
			}
		})
	}
}
