package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// maxSaid is the number of documents of fetch that are listed for one prefix. Fetch plans far fewer runs in a year.
const maxSaid = 100_000

type row = tally.Run // embedded in Facts without a field named Run

// Facts is what is known of a run: the row of its totals, and what fetch says about it when it is closed. A closed run
// that has no row yet has the row of a run of which nothing is imported.
type Facts struct {
	row
	Counted bool           // it has a row
	Issues  []status.Issue // without the difference to the source's count, which the manifest shows
	Outcome string         // of a ZIP, "" if it is complete or not known
	Why     []string       // of the outcome
	Size    int64          // bytes of a ZIP that was not read
	Again   string         // the run of the ZIP that came again, if this one was not read
	Beside  string         // the run of a ZIP with its number that was found at the same time, if this one was not read
	Unread  bool           // what fetch says about it can't be read
	Moved   bool           // import or fetch has moved it lately
}

// with returns the facts with what fetch says.
func (f Facts) with(said status.Run) Facts {
	if said.Version != 1 {
		f.Unread = true
		return f
	}
	if f.Counted && status.MayComeAgain(said.Outcome) {
		return f // the file came again on the same day and has batches: the document is from before that
	}
	for _, issue := range said.Issues {
		if issue.Code != status.SourceCount {
			f.Issues = append(f.Issues, issue)
		}
	}
	if said.Outcome != status.OutcomeComplete && len(said.Issues) == 0 {
		f.Outcome, f.Why, f.Size = said.Outcome, said.Reasons, said.Size
	}
	switch m := manifestFrom(said); {
	case !f.Counted:
		f.row = tally.OfRun(said.Run, nil, m, said.Batches, said.Staged)
	case f.Manifest == nil: // the row is from before the run was closed
		f.Manifest, f.Batches, f.Staged, f.Chain = m, said.Batches, said.Staged, ""
		f.Totals = f.Totals.Of(said.Staged)
	}
	return f
}

func manifestFrom(said status.Run) *archive.Manifest {
	return &archive.Manifest{Version: 1, Kind: said.Kind, From: said.From, To: said.To, Started: said.Started,
		Finished: said.Closed, Received: said.Received, SourceTotal: said.SourceTotal, Deferred: said.Deferred,
		Taken: said.Taken, Records: said.Records, Derived: said.Derived, Incomplete: said.Incomplete,
		Restarts: said.Restarts, Staged: said.Staged}
}

// joinFacts returns the facts of all runs that have a row, or about which fetch says something.
func joinFacts(rows []tally.Run, said []status.Run) []Facts {
	all := map[string]Facts{}
	for _, r := range rows {
		all[r.Run] = Facts{row: r, Counted: true}
	}
	for _, s := range said {
		f, ok := all[s.Run]
		if !ok {
			f = Facts{row: tally.Run{Run: s.Run}}
		}
		all[s.Run] = f.with(s)
	}
	facts := make([]Facts, 0, len(all))
	for _, name := range sortedKeys(all) {
		facts = append(facts, all[name])
	}
	noteAgain(facts)
	slices.SortStableFunc(facts, func(a, b Facts) int { return WindowBegin(a).Compare(WindowBegin(b)) })
	return facts
}

// Planned returns the runs that were planned on the day first or later, in the order of their windows. It costs a query
// for each year, and a listing for each month; for more than three months, one for each year.
func (r *Reader) Planned(ctx context.Context, first time.Time) ([]Facts, error) {
	first, now := dayOf(first), r.opts.Now().UTC()
	if least := yearOf(now).AddDate(1-maxYears, 0, 0); first.Before(least) {
		first = least
	}
	var years []time.Time
	for day := first; !day.After(now) || len(years) == 0; day = yearOf(day).AddDate(1, 0, 0) {
		years = append(years, day)
	}
	prefixes := prefixesOf(first, now)
	rows, said := make([][]tally.Run, len(years)), make([][]status.Run, len(prefixes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, day := range years {
		group.Go(func() (err error) {
			if rows[i], err = r.opts.Totals.Runs(ctx, day); err != nil {
				return fmt.Errorf("read the rows of runs: %w", err)
			}
			return nil
		})
	}
	for i, prefix := range prefixes {
		group.Go(func() error {
			runs, more, err := r.opts.Status.Runs(ctx, prefix, maxSaid)
			if err == nil && more {
				err = errors.New("there are more of them than are listed")
			}
			if err != nil {
				return fmt.Errorf("read what fetch says about runs: %w", err)
			}
			said[i] = slices.DeleteFunc(runs, func(s status.Run) bool { return PlannedOn(s.Run).Before(first) })
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	facts := joinFacts(slices.Concat(rows...), slices.Concat(said...))
	for i := range facts {
		facts[i].Moved = facts[i].movedSince(now.Add(-lately))
	}
	return facts, nil
}

// lately is how long ago the last outcome of a run was counted, or the run was finished by fetch, if it is at work.
const lately = time.Hour

func (f Facts) movedSince(then time.Time) bool {
	return f.Written.After(then) || f.Manifest != nil && f.Manifest.Finished.After(then)
}

// PlannedOn returns the day on which a run was planned.
func PlannedOn(run string) time.Time { return tally.WindowOf(run, archive.Manifest{}) }

// PlannedSince returns those of runs that were planned on a day or later.
func PlannedSince(runs []Facts, day time.Time) (some []Facts) {
	for _, run := range runs {
		if !PlannedOn(run.Run).Before(dayOf(day)) {
			some = append(some, run)
		}
	}
	return some
}

func yearOf(t time.Time) time.Time { return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC) }

// prefixesOf returns the beginnings of the names of all runs that were planned from a day on.
func prefixesOf(first, now time.Time) (prefixes []string) {
	month := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC)
	prefix, years, months := layout.MonthFolder, 0, 1
	if month.AddDate(0, 3, 0).Before(now) {
		month, prefix, years, months = yearOf(first), layout.YearFolder, 1, 0
	}
	for ; !month.After(now) || len(prefixes) == 0; month = month.AddDate(years, months, 0) {
		prefixes = append(prefixes, prefix(month))
	}
	return prefixes
}

// early is how long before its window begins a run may be planned: the day in the name of a ZIP is one of the vendor's
// time zone.
const early = 2 * 24 * time.Hour

// Runs returns the runs whose window begins from the day first to the day last, in the order of their windows. A run
// may be planned long after its window: those of all days up to now are read.
func (r *Reader) Runs(ctx context.Context, first, last time.Time) ([]Facts, error) {
	all, err := r.Planned(ctx, dayOf(first).Add(-early))
	if err != nil {
		return nil, err
	}
	return Within(all, first, last), nil
}

// Within returns those of runs whose window begins from the day first to the day last.
func Within(runs []Facts, first, last time.Time) (some []Facts) {
	first, last = dayOf(first), dayOf(last).AddDate(0, 0, 1)
	for _, run := range runs {
		if begins := WindowBegin(run); !begins.Before(first) && begins.Before(last) {
			some = append(some, run)
		}
	}
	return some
}

// factsOf returns what is known of one run; found is false if that is nothing.
func (r *Reader) factsOf(ctx context.Context, name string) (f Facts, found bool, err error) {
	f.row, _, err = r.opts.Totals.GetRun(ctx, name)
	f.Counted = err == nil && f.Run == name
	if err != nil && !errors.Is(err, tally.ErrNotFound) {
		return Facts{}, false, err
	}
	f.row.Run = name // the row may be one of another version
	said, err := r.opts.Status.Run(ctx, name)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		f.Moved = f.movedSince(r.opts.Now().Add(-lately))
		return f, f.Counted, nil
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		said = status.Run{}
	case err != nil:
		return Facts{}, false, err
	}
	f = f.with(said)
	f.Moved = f.movedSince(r.opts.Now().Add(-lately))
	return f, true, nil
}

// WindowBegin returns when the window of a run begins. Fetch says that when it has finished the run; until then it is
// the day on which the run was planned.
func WindowBegin(run Facts) time.Time {
	var m archive.Manifest
	if run.Manifest != nil {
		m = *run.Manifest
	}
	return tally.WindowOf(run.Run, m).UTC()
}

// Stand is how far the records of a day are counted.
type Stand struct {
	State State `json:"state"`
	Runs  int   `json:"runs"`     // whose windows begin on the day
	Open  int   `json:"openRuns"` // of these, the ones that fetch or import has not finished
}

func standOf(day time.Time, runs []Facts) Stand {
	s := Stand{State: Account(day, runs).State, Runs: len(runs)}
	for _, run := range runs {
		if unfinishedOf(run) != "" {
			s.Open++
		}
	}
	return s
}

// IsCounted reports whether a list of the day is whole, so that an empty one means that there is none.
func (s Stand) IsCounted() bool { return s.Runs > 0 && s.Open == 0 && s.State != Failed }
