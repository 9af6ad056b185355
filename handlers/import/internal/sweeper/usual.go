package sweeper

import (
	"slices"
	"strings"

	"o2archiver/shared/archive/layout"
	"o2archiver/shared/journal"
)

const (
	usualRuns = 28 // finished runs with which the next one is compared: four weeks of daily ones
	usualDays = 14 // age in days from which a run is no longer reported

	// usualFloor is the excess over the usual number that is never reported: small numbers vary from day to day.
	usualFloor = 5
)

// RunCounts holds those numbers of a finished run that are reported if they are higher than usual.
type RunCounts struct {
	Run         string `json:"run"`
	LeftOut     int    `json:"leftOut,omitempty"`
	Incomplete  int    `json:"incomplete,omitempty"`
	Differing   int    `json:"differing,omitempty"`
	Quarantined int    `json:"quarantined,omitempty"`
	Unmapped    int    `json:"unmapped,omitempty"`
}

func countsOf(run string, r journal.RecordTotals) RunCounts {
	return RunCounts{Run: run, LeftOut: r.LeftOut, Incomplete: r.Incomplete, Differing: r.Differing,
		Quarantined: r.Quarantined, Unmapped: r.Unmapped}
}

// counted lists the numbers of RunCounts, each with its name in the log and in alerts.
var counted = []struct {
	what string
	of   func(RunCounts) int
}{
	{"left-out", func(c RunCounts) int { return c.LeftOut }},
	{"incomplete", func(c RunCounts) int { return c.Incomplete }},
	{"differing", func(c RunCounts) int { return c.Differing }},
	{"quarantined", func(c RunCounts) int { return c.Quarantined }},
	{"unmapped", func(c RunCounts) int { return c.Unmapped }},
}

// excess is a number that is higher than usual.
type excess struct {
	what         string
	count, usual int
}

// aboveUsual compares a run with earlier ones. A number is higher than usual if it is more than twice their median, and
// exceeds it by more than usualFloor. Without an earlier run nothing is reported.
func aboveUsual(run RunCounts, before []RunCounts) (all []excess) {
	if len(before) == 0 {
		return nil
	}
	for _, c := range counted {
		numbers := make([]int, len(before))
		for i, b := range before {
			numbers[i] = c.of(b)
		}
		slices.Sort(numbers)
		usual := numbers[len(numbers)/2]
		if n := c.of(run); n > 2*usual && n > usual+usualFloor {
			all = append(all, excess{c.what, n, usual})
		}
	}
	return all
}

// rememberRun returns all with run added, and in before the runs with which it is to be compared. known reports whether
// all held it already, because a replay has finished it again. A backfill is compared but not added: its numbers are no
// measure for a day.
func rememberRun(all []RunCounts, run RunCounts) (after, before []RunCounts, known bool) {
	before = slices.DeleteFunc(slices.Clone(all), func(c RunCounts) bool { return c.Run >= run.Run })
	if layout.BackfillOf(run.Run) != "" {
		return all, before, false
	}
	at, known := slices.BinarySearchFunc(all, run.Run,
		func(c RunCounts, name string) int { return strings.Compare(c.Run, name) })
	after = slices.Clone(all)
	if known {
		after[at] = run
	} else {
		after = slices.Insert(after, at, run)
	}
	return after[max(0, len(after)-usualRuns):], before, known
}

// tellUnusual logs the numbers of a finished run that are higher than usual. The caller holds s.mu.
func (s *sweep) tellUnusual(r *sweptRun) {
	run := countsOf(r.folder, r.totals.Records)
	after, before, known := rememberRun(s.state.Counts, run)
	s.state.Counts = after
	if known || layout.DayOf(r.folder) < layout.Day(s.opts.Now().UTC().AddDate(0, 0, -usualDays)) {
		return
	}
	for _, e := range aboveUsual(run, before) {
		s.log.Warn("a run has more of something than the runs before it", "event", "import.moreThanUsual",
			"run", r.folder, "what", e.what, "count", e.count, "usual", e.usual)
	}
}
