package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/status"
)

// Missing is the number of the vendor's files of each day that never came, concluded by fetch from the numbers of those
// that did. Fetch knows the latest 62 days.
type Missing map[time.Time]int64

// MissingOf returns what fetch says about missing files.
func MissingOf(p status.Progress) Missing {
	m := Missing{}
	for _, g := range p.Gaps {
		m[dayOf(g.Day)] += g.Missing
	}
	return m
}

// between returns the number of files of the days from first to last.
func (m Missing) between(first, last time.Time) (sum int64) {
	for day, n := range m {
		if !day.Before(dayOf(first)) && !day.After(last) {
			sum += n
		}
	}
	return sum
}

// missing reads what fetch says about missing files. There are none before fetch has said anything.
func (r *Reader) missing(ctx context.Context) (Missing, error) {
	p, err := r.opts.Status.Progress(ctx)
	switch {
	case errors.Is(err, archive.ErrNotFound), errors.Is(err, archive.ErrContent):
		return nil, nil // fetch writes it anew
	case err != nil:
		return nil, fmt.Errorf("read which files are missing: %w", err)
	}
	return MissingOf(p), nil
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
// if there is none: before the archive's first run, and before the earliest window of the month, which a backfill may
// have fetched later, none was due. runs are those of the month, in the order of their windows. Only if none begins on
// its first day, that costs a query for each year up to the first with a run.
func (r *Reader) began(ctx context.Context, first time.Time, runs []Facts) (day time.Time, err error) {
	if len(runs) > 0 {
		if day = dayOf(WindowBegin(runs[0])); !day.After(first) {
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
