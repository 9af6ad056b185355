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
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

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
	pageRows  = 100     // rows of a list on one page
	atOnce    = 3       // requests to storage that one page has under way
	maxYears  = 12      // partitions that a page reads
	maxRuns   = 60      // runs of a day whose rows are read
	maxListed = 200_000 // lines of a list
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

// listed returns the rows of batches of runs with a property, in the order of the runs and batches, read by at most
// atOnce queries at the same time. left is the number of runs that were not read.
func (r *Reader) listed(ctx context.Context, runs []Facts, p tally.Property) (rows []runRow, left int, err error) {
	left = max(0, len(runs)-maxRuns)
	runs = runs[:len(runs)-left]
	each := make([][]runRow, len(runs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, run := range runs {
		group.Go(func() error {
			for k, err := range r.opts.Totals.Listed(ctx, run.Run, p) {
				if err != nil {
					return err
				}
				each[i] = append(each[i], runRow{run.Run, k})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	return slices.Concat(each...), left, nil
}

type runRow struct {
	run string
	tally.Keyed
}

// List is a page of a list. Its numbers are those of the whole list.
type List struct {
	From, To, Total int
	Former, Next    string // addresses of the neighbouring pages, "" for none
}

// cutPage returns the rows of one page of a list, and the List. address returns that of another page.
func cutPage[T any](q *web.Request, all []T, address func(page int) string) ([]T, List) {
	page, err := strconv.Atoi(q.FormValue("page"))
	pages := max(1, (len(all)+pageRows-1)/pageRows)
	if err != nil || page < 1 {
		page = 1
	}
	page = min(page, pages)
	from := (page - 1) * pageRows
	to := min(len(all), from+pageRows)
	l := List{From: from + 1, To: to, Total: len(all)}
	if len(all) == 0 {
		l.From = 0
	}
	if page > 1 {
		l.Former = address(page - 1)
	}
	if page < pages {
		l.Next = address(page + 1)
	}
	return all[from:to], l
}

// pageOf returns the function for cutPage that returns the addresses of the pages of a path with a query.
func pageOf(path string, query url.Values) func(page int) string {
	return func(page int) string {
		with := url.Values{"page": {strconv.Itoa(page)}}
		maps.Copy(with, query)
		return path + "?" + with.Encode()
	}
}

// sortedKeys returns the keys of a map in their order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
