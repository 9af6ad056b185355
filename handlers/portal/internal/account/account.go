// Package account accounts for what became of each record: by day, by reason, by person, as a page, as CSV and as JSON.
// It reads the totals and what fetch says about closed runs, never a journal or a batch. A day is the day of UTC on
// which a run's window begins.
package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// Options holds what a Reader works with.
type Options struct {
	Totals  *tally.Table
	Status  *status.Reader // what fetch says about closed runs
	Reports *archive.Documents
	Now     func() time.Time
}

// Reader reads the totals, and answers the requests for them. It holds no state and is safe for concurrent use.
type Reader struct{ opts Options }

// New returns a Reader. It makes no request.
func New(o Options) *Reader { return &Reader{o} }

const (
	atOnce   = 3  // requests to storage that one page has under way
	maxYears = 12 // partitions that a page reads
)

// dayOf returns the beginning of a day of UTC.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// parseDay reads a day in the form of a path or query.
func parseDay(text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, &web.Error{Status: http.StatusNotFound, Says: "That is not a day.",
			Do: "A day has the form 2026-11-22. Choose one on the page Days."}
	}
	return day, nil
}

// askedDay returns the day in the query; without one, the latest day of the last 40 that has a run which fits, or
// yesterday. The runs of that day are then read already.
func (r *Reader) askedDay(q *web.Request, fits func(Facts) bool) (day time.Time, runs []Facts, read bool, err error) {
	if text := q.FormValue("day"); text != "" {
		day, err = parseDay(text)
		return day, nil, false, err
	}
	today := dayOf(r.opts.Now())
	all, err := r.Runs(q.Context(), today.AddDate(0, 0, -40), today)
	if err != nil {
		return time.Time{}, nil, false, err
	}
	day = today.AddDate(0, 0, -1)
	for _, run := range slices.Backward(all) {
		if fits(run) {
			day = dayOf(WindowBegin(run))
			break
		}
	}
	return day, Within(all, day, day), true, nil
}

// askedRuns returns the day of askedDay with its runs.
func (r *Reader) askedRuns(q *web.Request, fits func(Facts) bool) (day time.Time, runs []Facts, err error) {
	day, runs, read, err := r.askedDay(q, fits)
	if err == nil && !read {
		runs, err = r.Runs(q.Context(), day, day)
	}
	return day, runs, err
}

// document reads a document of the reports; found is false if there is none.
func (r *Reader) document(ctx context.Context, name string, into any) (found bool, err error) {
	_, err = r.opts.Reports.GetLarge(ctx, name, into, tally.MaxDocument)
	switch {
	case errors.Is(err, archive.ErrNotFound), errors.Is(err, archive.ErrContent):
		return false, nil // sweep writes it anew
	case err != nil:
		return false, fmt.Errorf("read a document of the reports: %w", err)
	}
	return true, nil
}

// sortedKeys returns the keys of a map in their order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
