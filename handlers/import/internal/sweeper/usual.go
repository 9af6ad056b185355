package sweeper

import (
	"slices"
	"strings"

	"o2archiver/shared/journal"
)

const (
	usualRuns = 28 // finished runs that the next one is compared with: four weeks of daily ones
	usualDays = 14 // a run that was planned longer ago is not reported any more

	// usualFloor is the number of items above the usual that is never reported: of so few, each day differs.
	usualFloor = 5
)

// RunCounts are the items of a finished run of which more than usual is worth a look.
type RunCounts struct {
	Run         string `json:"run"`
	LeftOut     int    `json:"leftOut,omitempty"`
	Incomplete  int    `json:"incomplete,omitempty"`
	Differing   int    `json:"differing,omitempty"`
	Quarantined int    `json:"quarantined,omitempty"`
	Unmapped    int    `json:"unmapped,omitempty"`
}

func countsOf(run string, r journal.RecordTotals) RunCounts {
	return RunCounts{Run: run, LeftOut: r.LeftOut, Incomplete: r.Incomplete, Differing: r.Differing, Quarantined: r.Quarantined, Unmapped: r.Unmapped}
}

// counted are the numbers of RunCounts, each with the name that the log and the alerts have for it.
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

// excess is one number that is above the usual.
type excess struct {
	what         string
	count, usual int
}

// aboveUsual compares a run with those before it: a number is above the usual if it is more than twice their median,
// and by more than usualFloor. Without a run before it there is no usual.
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

// rememberRun adds a finished run to those that later ones are compared with, and returns those that it is to be
// compared with itself. known: it was among them already, for a replay has finished it once more. A backfill is
// compared and not remembered: what is usual in it is nothing that a day has to follow.
func rememberRun(all []RunCounts, run RunCounts) (after, before []RunCounts, known bool) {
	before = slices.DeleteFunc(slices.Clone(all), func(c RunCounts) bool { return c.Run >= run.Run })
	if strings.Contains(run.Run, "/backfill-") {
		return all, before, false
	}
	at, known := slices.BinarySearchFunc(all, run.Run, func(c RunCounts, name string) int { return strings.Compare(c.Run, name) })
	after = slices.Clone(all)
	if known {
		after[at] = run
	} else {
		after = slices.Insert(after, at, run)
	}
	return after[max(0, len(after)-usualRuns):], before, known
}

// tellUnusual logs what a finished run has more of than the runs before it. s.mu is held.
func (s *sweep) tellUnusual(r *sweptRun) {
	run := countsOf(r.folder, r.totals.Records)
	after, before, known := rememberRun(s.state.Counts, run)
	s.state.Counts = after
	if known || dayOf(r.folder) < s.opts.Now().UTC().AddDate(0, 0, -usualDays).Format("2006/01/02") {
		return
	}
	for _, e := range aboveUsual(run, before) {
		s.log.Warn("a run has more of something than the runs before it", "event", "import.moreThanUsual", "run", r.folder,
			"what", e.what, "count", e.count, "usual", e.usual)
	}
}
