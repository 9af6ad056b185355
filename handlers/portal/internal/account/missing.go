package account

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"o2archiver/shared/archive/layout"
)

// Missing is the number of the vendor's files of each day that never came, concluded by fetch from the numbers of those
// that did.
type Missing map[time.Time]int64

// between returns the number of files of the days from first to last.
func (m Missing) between(first, last time.Time) (sum int64) {
	for day, n := range m {
		if !day.Before(dayOf(first)) && !day.After(last) {
			sum += min(max(n, 0), math.MaxInt64-sum) // a name may have any number
		}
	}
	return sum
}

// Missing returns what fetch says about missing files.
func (r *Reader) Missing(ctx context.Context) (Missing, error) {
	said, err := r.opts.Status.MissingFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what fetch says: %w", err)
	}
	m := Missing{}
	for _, g := range said.Days {
		m[dayOf(g.Day)] = g.Missing
	}
	return m, nil
}

// lacking returns the account of a day of which n files of the vendor's never came.
func (d Day) lacking(n int64) Day {
	if n <= 0 {
		return d
	}
	d.Missing = n
	d.Causes = append(d.Causes, fmt.Sprintf("files of the vendor that never came, by their numbers: %d", n))
	if d.State.rank() < Gaps.rank() && d.State != Working {
		d.State = Gaps
	}
	return d
}

// began returns the day from which on each day of the month that begins with first should have a run, or the zero time
// if there is none. Before the window of the archive's first run none was due, whatever a backfill has fetched since.
// runs are those of the month, in the order of their windows. Only if none but backfills begins on its first day, that
// costs a query for each year up to the first with a run.
func (r *Reader) began(ctx context.Context, first time.Time, runs []Facts) (day time.Time, err error) {
	due := slices.IndexFunc(runs, func(f Facts) bool { return layout.BackfillOf(f.Run) == "" })
	if due >= 0 {
		if day = dayOf(WindowBegin(runs[due])); !day.After(first) {
			return first, nil
		}
	}
	now := r.opts.Now()
	for year := yearOf(now).AddDate(1-maxYears, 0, 0); !year.After(now); year = year.AddDate(1, 0, 0) {
		run, found, err := r.opts.Totals.FirstRun(ctx, year)
		if err != nil {
			return time.Time{}, fmt.Errorf("look for the first run: %w", err)
		}
		if found {
			if begin := dayOf(WindowBegin(Facts{row: run})); day.IsZero() || begin.Before(day) {
				day = begin
			}
			break
		}
	}
	return day, nil
}
