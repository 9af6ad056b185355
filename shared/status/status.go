// Package status holds what fetch shows of its work: the document fetch.json, which is its progress, and one document
// for each run that it has closed. Fetch writes them to the container status, and the portal reads them.
//
// They decide nothing. The progress may be lost, and is then as old as its field At says. The document of a run is a
// pure function of what fetch has stored about the run (its manifest, and the report about a ZIP). It is written after
// these, and written again if it is missing.
//
// No document has a name, an address, a number of a person, or a text of the source.
package status

import (
	"cmp"
	"strings"
	"time"
	"unicode/utf8"

	"o2archiver/shared/archive"
)

const (
	progressName = "fetch.json"
	runsFolder   = "runs/"
	ending       = ".json"
)

// Bounds of a document. What is beyond them is counted, not listed.
const (
	maxWindows = 100 // open windows in the progress
	maxGaps    = 62  // days with missing file numbers
	maxIssues  = 20  // of a run
	maxReasons = 10  // of an outcome
	maxReason  = 160 // bytes of one
	maxText    = 300 // bytes of a text
	maxSize    = 1 << 20
)

// Progress is how far fetch is, or was when its last invocation ended.
type Progress struct {
	Version    int       `json:"v"`          // 1
	Invocation string    `json:"invocation"` // its id
	Source     string    `json:"source"`     // as the setting SOURCE has it
	Began      time.Time `json:"began"`
	Moved      time.Time `json:"moved"`            // when something was last received, written or finished
	At         time.Time `json:"at"`               // when this was written
	Ended      time.Time `json:"ended,omitzero"`   // zero: at work, or the process died
	Failed     string    `json:"failed,omitempty"` // why it ended before all was done
	Waits      string    `json:"waits,omitempty"`  // what it waits for, in words
	Next       time.Time `json:"next,omitzero"`    // the next planned run; zero: unknown
	State
}

// State is the part of the Progress that the engine of a source reports.
type State struct {
	Watermark time.Time `json:"watermark,omitzero"`  // of a site: everything before it was fetched
	Paused    bool      `json:"paused,omitempty"`    // by the administrator
	Finished  int       `json:"finished"`            // windows closed by this invocation
	Waiting   int       `json:"waiting,omitempty"`   // ZIPs that may still be uploaded
	Misplaced int       `json:"misplaced,omitempty"` // ZIPs in a folder where they are never read
	Windows   []Window  `json:"windows"`             // open ones, the one that is worked on first
	More      int       `json:"more,omitempty"`      // further open windows
	Gaps      []Gap     `json:"gaps,omitempty"`      // file numbers that never came
}

// Window is an open window of a site, or a ZIP that is not finished.
type Window struct {
	Run      string    `json:"run"`  // the folder of its batches
	Kind     string    `json:"kind"` // as in the manifest
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"` // exclusive
	Active   bool      `json:"active,omitempty"`
	Received int64     `json:"received"`
	Of       *int64    `json:"of,omitempty"` // the items that the source counts; nil: unknown
	Deferred int64     `json:"deferred,omitempty"`
	Batches  int64     `json:"batches"`
	Tries    int64     `json:"tries"`
	Read     bool      `json:"read,omitempty"`   // its last page was read, or its ZIP copied
	Copied   int64     `json:"copied,omitempty"` // bytes of a ZIP that are in the archive
	Size     int64     `json:"size,omitempty"`   // bytes of a ZIP
	Failed   string    `json:"failed,omitempty"` // why the last try failed
}

// Gap is a day of which file numbers are missing.
type Gap struct {
	Day     time.Time `json:"day"`
	Missing int64     `json:"missing"`
}

// staleAfter is the age from which on a Progress without an end is no longer believed: a process that is at work writes
// it every minute.
const staleAfter = 3 * time.Minute

// IsStale reports whether the invocation has not been heard of for so long that its process has probably died.
func (p Progress) IsStale(now time.Time) bool { return p.Ended.IsZero() && now.Sub(p.At) > staleAfter }

// clean returns p within the bounds of a document, whatever a source has sent.
func (p Progress) clean() Progress {
	p.Version = 1
	p.Failed, p.Waits, p.Invocation = cutText(p.Failed), cutText(p.Waits), cutText(p.Invocation)
	p.Finished, p.Waiting, p.More = max(0, p.Finished), max(0, p.Waiting), max(0, p.More)
	if n := len(p.Windows); n > maxWindows {
		p.Windows, p.More = p.Windows[:maxWindows], p.More+n-maxWindows
	}
	windows := make([]Window, 0, len(p.Windows))
	for _, w := range p.Windows {
		windows = append(windows, w.clean())
	}
	p.Windows = windows
	p.Gaps = p.Gaps[max(0, len(p.Gaps)-maxGaps):] // the latest
	return p
}

func (w Window) clean() Window {
	w.Failed = cutText(w.Failed)
	for _, n := range []*int64{&w.Received, &w.Deferred, &w.Batches, &w.Tries, &w.Copied, &w.Size} {
		*n = max(0, *n)
	}
	if w.Of != nil && *w.Of < 0 {
		w.Of = nil
	}
	return w
}

// cutText returns a text of valid UTF-8 in one line, cut to maxText bytes.
func cutText(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// Run is what became of a window or a ZIP that was closed: the counts of its manifest, without its batches. A ZIP that
// was not read has no manifest, and no counts: see IsUnread.
type Run struct {
	Version int       `json:"v"` // 1
	Run     string    `json:"run"`
	Kind    string    `json:"kind"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"` // exclusive
	Started time.Time `json:"started"`
	Closed  time.Time `json:"closed"`

	Received    int    `json:"received"`
	SourceTotal *int64 `json:"sourceTotal,omitempty"` // nil: unknown
	Deferred    int    `json:"deferred"`
	Taken       int    `json:"taken"`
	Records     int    `json:"records"`
	Derived     int    `json:"derived"`
	Incomplete  int    `json:"incomplete"`
	Restarts    int    `json:"restarts"`
	Batches     int    `json:"batches"`
	Staged      int    `json:"staged"`

	Outcome string   `json:"outcome,omitempty"` // of a ZIP
	Reasons []string `json:"reasons,omitempty"` // of the outcome, in words
	Size    int64    `json:"size,omitempty"`    // bytes of a ZIP that was not read
	Issues  []Issue  `json:"issues,omitempty"`  // what was not whole; none: everything was
}

// The outcomes of a ZIP.
const (
	OutcomeComplete   = "complete"   // read, and as its manifest states
	OutcomeIncomplete = "incomplete" // read as far as it is there
	OutcomeSame       = "same"       // the bytes of an earlier ZIP: nothing was read
	OutcomeBroken     = "broken"     // it cannot be opened; its copy is kept
	OutcomeReplaced   = "replaced"   // another file came in its place before it was copied, or while it was
	OutcomeGone       = "gone"       // it was taken away before it was copied
)

// IsUnread reports whether a ZIP with that outcome was not read, so that its run has no batches and no manifest.
func IsUnread(outcome string) bool {
	switch outcome {
	case OutcomeSame, OutcomeBroken, OutcomeReplaced, OutcomeGone:
		return true
	}
	return false
}

// MayComeAgain reports whether the file of a ZIP with that outcome is planned once more if it is listed again, on the
// same day as the same run: it was taken away, or another one lay in its place, before anything was read. Such a
// document of a run with batches is from before the file came again.
func MayComeAgain(outcome string) bool { return outcome == OutcomeGone || outcome == OutcomeReplaced }

// Issue is one thing that was not whole.
type Issue struct {
	Code  Code  `json:"code"`
	Count int64 `json:"count"`
}

// Code is what was not whole.
type Code string

// The codes.
const (
	SourceCount Code = "sourceCount" // items that the source counts and did not send; negative: that it sent beyond
	Staged      Code = "staged"      // items that were received and are in no batch; negative: that are there twice
	Gone        Code = "gone"        // attachments that are permanently unavailable
	Rejected    Code = "rejected"    // messages of a ZIP that cannot be read
	Missing     Code = "missing"     // messages that the manifest of a ZIP lists, and the ZIP lacks
	Empty       Code = "empty"       // messages of a ZIP without content
	Unlisted    Code = "unlisted"    // messages of a ZIP that its manifest does not list
	Twice       Code = "twice"       // entries of a ZIP whose name another one has
)

// Detail is what the source of a run has stored about it beside the manifest.
type Detail struct {
	Outcome string
	Reasons []string // of the outcome, in words and numbers
	Issues  []Issue
}

// RunOf returns the document of a closed run.
func RunOf(folder string, m archive.Manifest, batches int, d Detail) Run {
	r := Run{Version: 1, Run: folder, Kind: m.Kind, From: m.From.UTC(), To: m.To.UTC(), Started: m.Started.UTC(),
		Closed: m.Finished.UTC(), Received: m.Received, SourceTotal: m.SourceTotal, Deferred: m.Deferred,
		Taken: m.Taken, Records: m.Records, Derived: m.Derived, Incomplete: m.Incomplete, Restarts: m.Restarts,
		Batches: batches, Staged: m.Staged, Outcome: d.Outcome,
		Reasons: cleanReasons(d.Reasons)}
	if m.SourceTotal != nil {
		r.addIssue(SourceCount, max(0, *m.SourceTotal)-int64(m.Received))
	}
	r.addIssue(Staged, int64(m.Received)-int64(m.Deferred)+int64(m.Taken)-int64(m.Staged))
	r.addIssue(Gone, int64(m.Incomplete))
	for _, i := range d.Issues[:min(len(d.Issues), maxIssues-len(r.Issues))] {
		r.addIssue(i.Code, i.Count)
	}
	return r
}

// cleanReasons returns reasons within the bounds of a document whose facts a listing has.
func cleanReasons(reasons []string) (clean []string) {
	for _, reason := range reasons[:min(len(reasons), maxReasons)] {
		reason = strings.Map(func(c rune) rune {
			if c < ' ' || c > '~' {
				return '?'
			}
			return c
		}, reason)
		clean = append(clean, reason[:min(len(reason), maxReason)])
	}
	return clean
}

// addIssue adds an issue, unless there is none.
func (r *Run) addIssue(code Code, count int64) {
	if count != 0 {
		r.Issues = append(r.Issues, Issue{code, count})
	}
}

// nameOf returns the name of a run's document.
func nameOf(folder string) string { return runsFolder + folder + ending }

// runIn returns the run whose document has that name.
func runIn(name string) (folder string, ok bool) {
	folder, ok = strings.CutPrefix(name, runsFolder)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(folder, ending)
}

// mergeStates returns the states of the engines of one invocation as one.
func mergeStates(states []State) (all State) {
	for _, s := range states {
		all.Windows = append(all.Windows, s.Windows...)
		all.Gaps = append(all.Gaps, s.Gaps...)
		all.Finished += s.Finished
		all.Waiting += s.Waiting
		all.Misplaced += s.Misplaced
		all.More += s.More
		all.Paused = all.Paused || s.Paused
		all.Watermark = cmp.Or(all.Watermark, s.Watermark)
	}
	return all
}
