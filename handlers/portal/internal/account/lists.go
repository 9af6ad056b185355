package account

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/tally"
)

const (
	pageRows  = 100              // rows of a list on one page
	maxRuns   = 60               // runs whose rows one page reads
	maxListed = 200_000          // lines that one page reads; a file has all
	fileRuns  = 2 * atOnce       // runs that a file reads before it looks at the clock
	fileTime  = 40 * time.Second // for reading the runs of one file; less than the time for an answer
	lastPage  = "last"           // as the number of a page
)

// Part is what a list is about, and what it lacks: the runs of a day, or one of them.
type Part struct {
	Day  string `json:"day"`
	Run  string `json:"run,omitempty"`  // the list is of this run alone
	Left int    `json:"left"`           // runs that were not read
	Rest string `json:"rest,omitempty"` // address of the file that begins with the first of these runs
}

// Address returns the address of a list of the same day or run, with further names and values in the query. Values that
// are empty are left out.
func (p Part) Address(path string, pairs ...any) string {
	query := url.Values{"day": {p.Day}}
	if p.Run != "" {
		query = url.Values{"run": {p.Run}}
	}
	for pair := range slices.Chunk(pairs, 2) {
		if value := fmt.Sprint(pair[1]); value != "" {
			query.Set(fmt.Sprint(pair[0]), value)
		}
	}
	return path + "?" + query.Encode()
}

// scope is what a request asks a list of. Its runs are in the order of their names, so that the name of a run is a
// cursor: a list can be continued with it although runs come and go.
type scope struct {
	Part
	day  time.Time
	runs []Facts
	from string // the run with which the list begins; "": the first
}

// scopeAsked returns what a request asks a list of: a run, a day, or the day of askedDay.
func (r *Reader) scopeAsked(q *web.Request, fits func(Facts) bool) (s scope, err error) {
	s.from, s.Run = q.FormValue("from"), q.FormValue("run")
	if s.Run != "" {
		f, err := r.runAsked(q.Context(), s.Run)
		if err != nil {
			return scope{}, err
		}
		s.day, s.runs = dayOf(WindowBegin(f)), []Facts{f}
	} else if s.day, s.runs, err = r.askedRuns(q, fits); err != nil {
		return scope{}, err
	}
	s.Day = s.day.Format(time.DateOnly)
	s.runs = slices.SortedStableFunc(slices.Values(s.runs), func(a, b Facts) int { return cmp.Compare(a.Run, b.Run) })
	return s, nil
}

// runAsked returns what is known of a run that a request names.
func (r *Reader) runAsked(ctx context.Context, name string) (Facts, error) {
	var f Facts
	found := false
	if archive.IsFolder(name) {
		var err error
		if f, found, err = r.factsOf(ctx, name); err != nil {
			return Facts{}, err
		}
	}
	if !found {
		return Facts{}, &web.Error{Status: http.StatusNotFound, Says: "The totals have no such run.",
			Do: "A run has its totals at most ten minutes after its first batch. Look again then, or give " +
				"the command Totals."}
	}
	return f, nil
}

// PartOfRuns is which of the runs with something to list a page has.
type PartOfRuns struct {
	FirstRun, LastRun, OfRuns int
	former, next              string // the first runs of the neighbouring parts, "" for none
}

// IsParted reports whether the list has more runs than the page.
func (p PartOfRuns) IsParted() bool { return p.OfRuns > p.LastRun-p.FirstRun+1 }

// find returns the position in runs, which are in the order of their names, at which the list begins.
func (s scope) find(runs []Facts) int {
	at, _ := slices.BinarySearchFunc(runs, s.from, func(f Facts, from string) int { return cmp.Compare(f.Run, from) })
	return at
}

// cutRuns returns those of runs that one page reads.
func (s scope) cutRuns(runs []Facts) ([]Facts, PartOfRuns) {
	begin := s.find(runs)
	if begin == len(runs) { // those behind it have nothing to list any more
		begin = max(0, begin-maxRuns)
	}
	end := min(len(runs), begin+maxRuns)
	p := PartOfRuns{FirstRun: begin + 1, LastRun: end, OfRuns: len(runs)}
	if begin > 0 {
		p.former = runs[max(0, begin-maxRuns)].Run
	}
	if end < len(runs) {
		p.next = runs[end].Run
	}
	return runs[begin:end], p
}

// readForFile calls read with a few runs at a time, until all are read, or the time for one file is over. Then part has
// how many are left, and address returns the address of the file with them.
func (r *Reader) readForFile(s scope, runs []Facts, part *Part, address func(from string) string,
	read func([]Facts) error) error {
	until := r.opts.Now().Add(fileTime)
	for runs = runs[s.find(runs):]; len(runs) > 0; {
		some := runs[:min(len(runs), fileRuns)]
		if err := read(some); err != nil {
			return err
		}
		runs = runs[len(some):]
		if len(runs) > 0 && r.opts.Now().After(until) {
			part.Left, part.Rest = len(runs), address(runs[0].Run)
			return nil
		}
	}
	return nil
}

// rest returns what the last row of a CSV says about runs that are not in it.
func (p Part) rest() string {
	return fmt.Sprintf("Not whole: the time for one file was over before %d runs were read. They are in %s", p.Left,
		p.Rest)
}

// listed returns the rows of batches of runs with a property, in the order of the runs and batches, read by at most
// atOnce queries at the same time.
func (r *Reader) listed(ctx context.Context, runs []Facts, p tally.Property) (rows []runRow, err error) {
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
		return nil, err
	}
	return slices.Concat(each...), nil
}

type runRow struct {
	run string
	tally.Keyed
}

// List is a page of a list. Its numbers are those of all pages, or of those of its runs.
type List struct {
	From, To, Total int
	Former, Next    string // addresses of the neighbouring pages, "" for none
	PartOfRuns
}

// cutPage returns the rows of one page of a list, and the List. address returns that of another page.
func cutPage[T any](q *web.Request, all []T, address func(page int) string) ([]T, List) {
	number := q.FormValue("page")
	if number == lastPage {
		number = strconv.Itoa(math.MaxInt)
	}
	cut := web.CutPage(number, len(all), pageRows)
	l := List{From: min(cut.Begin+1, cut.End), To: cut.End, Total: len(all)}
	if cut.Former > 0 {
		l.Former = address(cut.Former)
	}
	if cut.Next > 0 {
		l.Next = address(cut.Next)
	}
	return all[cut.Begin:cut.End], l
}

// cutPart is cutPage for the rows of a part of the runs: before its first page and behind its last one are those of the
// neighbouring parts. pairs are further names and values in the query of path.
func cutPart[T any](q *web.Request, all []T, s scope, part PartOfRuns, path string, pairs ...any) ([]T, List) {
	address := func(from string, page any) string {
		return s.Address(path, slices.Concat(pairs, []any{"from", from, "page", page})...)
	}
	rows, l := cutPage(q, all, func(page int) string { return address(s.from, page) })
	if l.Former == "" && part.former != "" {
		l.Former = address(part.former, lastPage)
	}
	if l.Next == "" && part.next != "" {
		l.Next = address(part.next, "")
	}
	l.PartOfRuns = part
	return rows, l
}

// pageOf returns the function for cutPage that returns the addresses of the pages of a path with a query.
func pageOf(path string, query url.Values) func(page int) string {
	return func(page int) string {
		with := url.Values{"page": {strconv.Itoa(page)}}
		maps.Copy(with, query)
		return path + "?" + with.Encode()
	}
}
