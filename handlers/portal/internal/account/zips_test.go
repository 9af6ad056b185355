package account

import (
	"fmt"
	"strings"
	"testing"

	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// zipSaid is what fetch says about a ZIP of 22 November that was not read.
func zipSaid(run, outcome string) status.Run {
	s := saidOf(run, 0)
	s.Outcome, s.Size = outcome, 4096
	return s
}

// TestUnreadZIPs: a ZIP that was not read is in the account of its day, with its outcome, a reason and what to do, and
// the day lacks something until the file has come again.
func TestUnreadZIPs(t *testing.T) {
	const run, later = "2026/11/23/delivery-20261122-3-0a1b2c3d4e5f", "2026/11/24/delivery-20261122-3-5f4e3d2c1b0a"
	broken := zipSaid(run, status.OutcomeBroken)
	broken.Reasons = []string{"it is no whole ZIP"}
	came := saidOf(later, 0)
	came.Outcome, came.Started = status.OutcomeComplete, broken.Started.AddDate(0, 0, 1)
	beside := came
	beside.Started = broken.Started
	earlier := came
	earlier.Started = broken.Started.AddDate(0, 0, -1)
	brokenToo := came
	brokenToo.Outcome = status.OutcomeBroken
	other := came
	other.Run = strings.Replace(later, "-3-", "-4-", 1)
	for _, test := range []struct {
		name  string
		zip   status.Run
		later status.Run
		state State
		wants []string
	}{
		{"broken", broken, status.Run{}, Gaps, []string{"a ZIP that can&#39;t be opened, so that nothing",
			"Fetch says: it is no whole ZIP.", "Ask the vendor to send the file again"}},
		{"taken away", zipSaid(run, status.OutcomeGone), status.Run{}, Gaps,
			[]string{"a ZIP that was taken away before it was copied", "Ask the vendor to send the file again"}},
		{"the bytes of another", zipSaid(run, status.OutcomeSame), status.Run{}, Whole,
			[]string{"has the bytes of one that was read before", "its messages are in the other run"}},
		{"replaced", zipSaid(run, status.OutcomeReplaced), status.Run{}, Whole,
			[]string{"Another file came in the place of the ZIP"}},
		{"came again", broken, came, Whole, []string{"was read as the run " + later}},
		{"another was found at the same time", broken, beside, Gaps, []string{"read as the run " + later,
			"compare the two. Ask the vendor to send the file again"}},
		{"another was read before", broken, earlier, Gaps, []string{"Ask the vendor to send the file again"}},
		{"came again, broken", broken, brokenToo, Gaps, []string{"Ask the vendor to send the file again"}},
		{"another number came", broken, other, Gaps, []string{"Ask the vendor to send the file again"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			say(t, w, run, test.zip)
			if test.later.Run != "" {
				say(t, w, test.later.Run, test.later)
			}
			for _, path := range []string{"/days/2026-11-22", "/runs/" + run, "/days/2026-11-22/csv",
				"/days/2026-11-22/json"} {
				code, body := w.Get(path)
				body = strings.ReplaceAll(body, `\u0026#39;`, "&#39;")
				if strings.HasSuffix(path, "csv") || strings.HasSuffix(path, "json") {
					body = strings.ReplaceAll(body, "'", "&#39;")
				} else if !strings.Contains(body, ">"+test.state.Text()+"<") ||
					strings.Contains(body, "nothing is missing") != (test.state == Whole) {
					t.Errorf("%s is not %s:\n%s", path, test.state, body)
				}
				if strings.HasSuffix(path, "json") { // the words of the page are in parts there
					body = strings.ReplaceAll(body, "\"it is no whole ZIP\"", "Fetch says: it is no whole ZIP.")
				}
				for _, want := range test.wants {
					if code != 200 || !strings.Contains(body, want) {
						t.Errorf("%s, %d, lacks %q:\n%s", path, code, want, body)
					}
				}
			}
		})
	}
}

// TestGoneZIPThatHasBatches: the document of a ZIP that was taken away is from before the file came again on the same
// day, if the run has batches. Its zero counts are not those of the run.
func TestGoneZIPThatHasBatches(t *testing.T) {
	const run = "2026/11/23/delivery-20261122-3-0a1b2c3d4e5f"
	for _, test := range []struct {
		outcome string
		counted bool
		want    string
	}{
		{status.OutcomeGone, true, "pending, 5 records"}, {status.OutcomeReplaced, true, "pending, 5 records"},
		{status.OutcomeGone, false, "gone, 0 records"}, {status.OutcomeSame, true, "same, 0 records"},
	} {
		f := Facts{row: tally.Run{Run: run}, Counted: test.counted}
		if test.counted {
			f.Staged, f.Batches = 5, 1
			f.Totals = f.Totals.Of(5)
		}
		f = f.with(zipSaid(run, test.outcome))
		got := f.Outcome
		if got == "" && f.Manifest == nil {
			got = string(stateOf(f))
		}
		if got += fmt.Sprintf(", %d records", f.Staged); got != test.want {
			t.Errorf("%s, with a row %v: %s, want %s", test.outcome, test.counted, got, test.want)
		}
	}
}

// TestOutcomesHaveWords: each outcome of a ZIP that was not read.
func TestOutcomesHaveWords(t *testing.T) {
	for _, outcome := range []string{status.OutcomeComplete, status.OutcomeIncomplete, status.OutcomeSame,
		status.OutcomeBroken, status.OutcomeReplaced, status.OutcomeGone, "new"} {
		text, ok := outcomeOf(Facts{Outcome: outcome})
		if ok != status.IsUnread(outcome) || ok && (text.says == "" || text.do == "") {
			t.Errorf("%s: %+v, %v", outcome, text, ok)
		}
	}
}
