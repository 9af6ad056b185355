package account

import (
	"slices"
	"time"

	"o2archiver/shared/journal"
	"o2archiver/shared/tally"
)

// State is how a day or a run stands: the worst of its parts. As long as records get their outcomes it is at work, even
// if some are known to be missing.
type State string

// The states, the better ones first.
const (
	None    State = "none"    // there is no run
	Whole   State = "whole"   // both sums hold, nothing is missing, each record is archived or left out by rule
	Working State = "pending" // it is at work
	Gaps    State = "gaps"    // both sums hold, and some records are not archived or did not come
	Failed  State = "failed"  // a sum does not hold
)

// Text returns the state in words.
func (s State) Text() string {
	return map[State]string{None: "none", Whole: "whole", Working: "at work", Gaps: "with gaps", Failed: "failed"}[s]
}

// Class returns the class of the state's colour.
func (s State) Class() string {
	return map[State]string{None: "", Whole: "ok", Working: "wait", Gaps: "wait", Failed: "bad"}[s]
}

// rank returns how bad a state is.
func (s State) rank() int {
	return map[State]int{None: 0, Whole: 1, Working: 2, Gaps: 3, Failed: 4}[s]
}

// Day is the account of one day: the numbers of its page, its CSV and its JSON.
type Day struct {
	Day    string   `json:"day"`
	State  State    `json:"state"`
	Causes []string `json:"causes"` // why it is not whole
	Runs   []Run    `json:"runs"`

	SourceTotal *int64 `json:"sourceTotal"` // of the source's own count; null if a run has none
	Received    int    `json:"received"`
	Deferred    int    `json:"deferred"`
	Taken       int    `json:"taken"`
	Written     int    `json:"written"` // records, by the manifests
	Missing     int64  `json:"missing"` // files of the vendor that never came, see Missing

	Records journal.RecordTotals `json:"records"`
	Copies  journal.CopyTotals   `json:"copies"`
	Kinds   []Kind               `json:"kinds"`
	Reasons []ReasonCount        `json:"reasons"`
}

// Run is what the account has of one run.
type Run struct {
	Run         string               `json:"run"`
	Kind        string               `json:"kind"`
	From        time.Time            `json:"from,omitzero"`
	To          time.Time            `json:"to,omitzero"`
	Finished    time.Time            `json:"finished,omitzero"`
	State       State                `json:"state"`
	Causes      []string             `json:"causes"`
	SourceTotal *int64               `json:"sourceTotal"`
	Received    int                  `json:"received"`
	Deferred    int                  `json:"deferred"`
	Taken       int                  `json:"taken"`
	Written     int                  `json:"written"`
	Batches     int                  `json:"batches"`
	Records     journal.RecordTotals `json:"records"`
	Copies      journal.CopyTotals   `json:"copies"`
	Chain       string               `json:"chain"`
	ZIP         *ZIP                 `json:"zip,omitempty"`
}

// ZIP is what became of a ZIP that was not read.
type ZIP struct {
	Outcome string   `json:"outcome"`
	Says    string   `json:"says"`
	Do      string   `json:"do"`
	Reasons []string `json:"reasons,omitempty"`
	Size    int64    `json:"size"`
	Again   string   `json:"again,omitempty"`  // the run as which the file came again
	Beside  string   `json:"beside,omitempty"` // the run of another file with its number, found at the same time
}

// Kind counts the records of a kind.
type Kind struct {
	Kind string `json:"kind"`
	tally.Records
	Total int `json:"total"`
}

// ReasonCount counts the records that were not archived for a reason.
type ReasonCount struct {
	Reason  tally.Reason `json:"reason"`
	Says    string       `json:"says"`
	Do      string       `json:"do"`
	Records int          `json:"records"`
}

// Account returns the account of a day from the facts of its runs. It is the one function that makes these numbers.
func Account(day time.Time, runs []Facts) Day {
	d := Day{Day: day.Format(time.DateOnly), State: None, Causes: causesOf(runs), Runs: []Run{}, Kinds: []Kind{},
		Reasons: []ReasonCount{}}
	totals := journal.Totals{}
	kinds, reasons := map[string]tally.Records{}, map[tally.Reason]int{}
	known, total := true, int64(0)
	for _, row := range runs {
		run := OfRun(row)
		d.Runs = append(d.Runs, run)
		if run.State.rank() > d.State.rank() {
			d.State = run.State
		}
		d.Received += run.Received
		d.Deferred += run.Deferred
		d.Taken += run.Taken
		d.Written += run.Written
		if run.SourceTotal != nil {
			total += *run.SourceTotal
		} else if run.ZIP == nil || row.lacks() {
			known = false
		}
		totals = totals.Add(row.Totals)
		for kind, n := range row.Kinds {
			kinds[kind] = addRecords(kinds[kind], n)
		}
		for reason, n := range row.Reasons {
			reasons[reason] += n
		}
	}
	if d.State == Gaps && slices.ContainsFunc(runs, Facts.isAtWork) {
		d.State = Working
	}
	if known && len(runs) > 0 {
		d.SourceTotal = &total
	}
	d.Records, d.Copies = totals.Records, totals.Copies
	d.Kinds = listKinds(kinds)
	if totals.Records.Pending > 0 {
		reasons[tally.Pending] = totals.Records.Pending
	}
	for _, reason := range sortedKeys(reasons) {
		says, do := NameReason(reason)
		d.Reasons = append(d.Reasons, ReasonCount{reason, says, do, reasons[reason]})
	}
	return d
}

// OfRun returns what the account has of a run.
func OfRun(f Facts) Run {
	run := Run{Run: f.Run, Kind: "not finished", Batches: f.Batches, Records: f.Totals.Records,
		Copies: f.Totals.Copies, Chain: f.Chain, Written: f.Staged}
	if m := f.Manifest; m != nil {
		run.Kind, run.From, run.To, run.Finished = m.Kind, m.From.UTC(), m.To.UTC(), m.Finished.UTC()
		run.SourceTotal, run.Received, run.Deferred, run.Taken = m.SourceTotal, m.Received, m.Deferred, m.Taken
		run.Written = m.Records
	}
	if t, ok := outcomeOf(f); ok {
		run.ZIP = &ZIP{Outcome: f.Outcome, Says: t.says, Do: t.do, Size: f.Size, Again: f.Again,
			Beside: f.Beside}
		for _, reason := range f.Why {
			run.ZIP.Reasons = append(run.ZIP.Reasons, cleanText(reason))
		}
	}
	run.State, run.Causes = stateOf(f), causesOf([]Facts{f})
	return run
}

func addRecords(a, b tally.Records) tally.Records {
	a.Archived += b.Archived
	a.Unmapped += b.Unmapped
	a.Excluded += b.Excluded
	a.Quarantined += b.Quarantined
	a.Failed += b.Failed
	a.Pending += b.Pending
	return a
}

// listKinds returns the kinds in their order. Kinds come from the source.
func listKinds(kinds map[string]tally.Records) (all []Kind) {
	all = []Kind{}
	for _, kind := range sortedKeys(kinds) {
		n := kinds[kind]
		total := n.Archived + n.Unmapped + n.Excluded + n.Quarantined + n.Failed + n.Pending
		if total > 0 {
			all = append(all, Kind{NameKind(kind), n, total})
		}
	}
	return all
}
