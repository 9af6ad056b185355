package account

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/tally"
)

// maxDocuments is the number of batches whose documents are read for a run that has no document of its own yet.
const maxDocuments = 48

// Number is a number or an address of records that found no mailbox.
type Number struct {
	Name    string         `json:"name"` // masked for readers
	Own     bool           `json:"ownPhone"`
	Records int            `json:"records"`
	Kinds   map[string]int `json:"kinds"`
	Last    time.Time      `json:"last,omitzero"`

	Value string `json:"-"` // as a form sends it; "" for a reader and for an address
}

// Unmapped is the list of the numbers and addresses of a day.
type Unmapped struct {
	Day string `json:"day"`
	Stand
	Records int      `json:"records"` // that found no mailbox; each may have several numbers
	Numbers []Number `json:"numbers"`
	More    int      `json:"more"` // numbers that are not listed
	Left    int      `json:"left"` // batches or runs that were not read
	Gone    bool     `json:"gone"` // the day is older than the documents are kept
}

// unmapped returns the numbers of a day.
func (r *Reader) unmapped(ctx context.Context, day time.Time, runs []Facts, admin bool) (Unmapped, error) {
	u := Unmapped{Day: day.Format(time.DateOnly), Stand: standOf(day, runs), Numbers: []Number{}}
	var some []Facts
	for _, run := range runs {
		if n := run.Reasons[tally.NoMailbox]; n > 0 {
			u.Records += n
			some = append(some, run)
			u.Gone = u.Gone || !tally.IsUnmappedKept(run.Run, r.opts.Now())
		}
	}
	u.Left = max(0, len(some)-maxRuns)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	all := map[string]*Number{}
	for _, run := range some[:len(some)-u.Left] {
		group.Go(func() error {
			doc, left, err := r.runNumbers(ctx, run.Run)
			mu.Lock()
			defer mu.Unlock()
			u.Left += left
			u.More += doc.More
			for _, n := range doc.Numbers {
				addNumber(all, n, admin)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Unmapped{}, err
	}
	for _, name := range sortedKeys(all) {
		u.Numbers = append(u.Numbers, *all[name])
	}
	slices.SortStableFunc(u.Numbers, func(a, b Number) int {
		if a.Own != b.Own {
			return map[bool]int{true: -1, false: 1}[a.Own]
		}
		return cmp.Compare(b.Records, a.Records)
	})
	return u, nil
}

func addNumber(all map[string]*Number, n tally.NoMailboxName, admin bool) {
	there := all[n.Name]
	if there == nil {
		there = &Number{Name: showName(n.Name, admin), Kinds: map[string]int{}}
		if admin && !strings.Contains(n.Name, "@") {
			there.Value = n.Name
		}
		all[n.Name] = there
	}
	there.Own = there.Own || n.Own
	there.Records += n.Records
	for kind, k := range n.Kinds {
		there.Kinds[NameKind(kind)] += k
	}
	if n.Last.After(there.Last) {
		there.Last = n.Last
	}
}

// runNumbers returns the document of a run. As long as there is none, it is made from those of the first batches; left
// is the number of further batches with unmapped records.
func (r *Reader) runNumbers(ctx context.Context, run string) (doc tally.NoMailboxes, left int, err error) {
	if found, err := r.document(ctx, tally.NoMailboxesName(run), &doc); found || err != nil {
		return doc, 0, err
	}
	rows, _, err := r.listed(ctx, []Facts{{row: tally.Run{Run: run}}}, tally.PropertyUnmapped)
	if err != nil {
		return doc, 0, err
	}
	var names []string
	for _, row := range rows {
		if row.Unmapped > 0 {
			names = append(names, tally.UnmappedName(tally.BatchOf(run, row.Row)))
		}
	}
	left = max(0, len(names)-maxDocuments)
	names = names[:len(names)-left]
	batches := make([]tally.Unmapped, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4 * atOnce)
	for i, name := range names {
		group.Go(func() error {
			_, err := r.document(ctx, name, &batches[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return doc, 0, err
	}
	return tally.OfRunUnmapped(batches), left, nil
}

func (r *Reader) unmappedAsked(q *web.Request) (Unmapped, error) {
	day, runs, err := r.askedRuns(q, func(run Facts) bool { return run.Reasons[tally.NoMailbox] > 0 })
	if err != nil {
		return Unmapped{}, err
	}
	return r.unmapped(q.Context(), day, runs, q.Person.Role == identity.Admin)
}

// UnmappedPage answers with the numbers of a day that have no mailbox.
func (r *Reader) UnmappedPage(q *web.Request) (web.Answer, error) {
	u, err := r.unmappedAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	p := struct {
		Unmapped
		List
	}{Unmapped: u}
	p.Numbers, p.List = cutPage(q, u.Numbers, pageOf("/unmapped", url.Values{"day": {u.Day}}))
	return web.Page(pages.Page{Name: "unmapped", Title: "Numbers without a mailbox, " + u.Day, Section: "items",
		Data: p}), nil
}

// UnmappedJSON answers with all numbers of the page as JSON.
func (r *Reader) UnmappedJSON(q *web.Request) (web.Answer, error) {
	u, err := r.unmappedAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile("unmapped-"+u.Day+".json", u), nil
}

// UnmappedCSV answers with all numbers of the page as a CSV.
func (r *Reader) UnmappedCSV(q *web.Request) (web.Answer, error) {
	u, err := r.unmappedAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	t := table{head: []string{"Number or address", "Phone that archived", "Records", "Last (UTC)"}}
	for _, n := range u.Numbers {
		t.rows = append(t.rows, []any{n.Name, map[bool]string{true: "yes", false: "no"}[n.Own], n.Records, n.Last})
	}
	t.rows = append(t.rows, []any{"Total: numbers " + strconv.Itoa(len(u.Numbers)), "", u.Records, ""},
		[]any{"Not listed: numbers " + strconv.Itoa(u.More) + ", batches or runs " + strconv.Itoa(u.Left), "", "", ""})
	return csvFile("unmapped-"+u.Day+".csv", t), nil
}
