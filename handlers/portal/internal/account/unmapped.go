package account

import (
	"cmp"
	"context"
	"math"
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

// maxDocuments is the number of batches whose documents a page reads for a run that has no document of its own yet. A
// file reads all.
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

// Unmapped is the list of the numbers and addresses of a day, or of a run. Left counts batches, too.
type Unmapped struct {
	Part
	Stand
	Records int      `json:"records"` // of these runs that found no mailbox; each may have several numbers
	Numbers []Number `json:"numbers"`
	More    int      `json:"more"` // numbers that are not listed
	Gone    bool     `json:"gone"` // the day is older than the documents are kept

	byName map[string]*Number
}

// newUnmapped returns a list that is empty yet, and the runs that have numbers for it.
func newUnmapped(s scope) (u Unmapped, some []Facts) {
	u = Unmapped{Part: s.Part, Stand: standOf(s.day, s.runs), byName: map[string]*Number{}}
	for _, run := range s.runs {
		if run.Reasons[tally.NoMailbox] > 0 {
			some = append(some, run)
		}
	}
	return u, some
}

// addNumbers reads the numbers of runs into the list; of a run without a document of its own, those of at most most
// batches.
func (r *Reader) addNumbers(ctx context.Context, u *Unmapped, runs []Facts, most int, admin bool) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, run := range runs {
		u.Records += run.Reasons[tally.NoMailbox]
		u.Gone = u.Gone || !tally.IsUnmappedKept(run.Run, r.opts.Now())
	}
	for _, run := range runs {
		group.Go(func() error {
			doc, left, err := r.runNumbers(ctx, run.Run, most)
			mu.Lock()
			defer mu.Unlock()
			u.Left += left
			u.More += doc.More
			for _, n := range doc.Numbers {
				addNumber(u.byName, n, admin)
			}
			return err
		})
	}
	return group.Wait()
}

// sort makes the list of the numbers: the phones that archived first, then the most frequent.
func (u *Unmapped) sort() {
	u.Numbers = []Number{}
	for _, name := range sortedKeys(u.byName) {
		u.Numbers = append(u.Numbers, *u.byName[name])
	}
	slices.SortStableFunc(u.Numbers, func(a, b Number) int {
		if a.Own != b.Own {
			return map[bool]int{true: -1, false: 1}[a.Own]
		}
		return cmp.Compare(b.Records, a.Records)
	})
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

// runNumbers returns the document of a run. As long as there is none, it is made from those of the first batches, at
// most most; left is the number of further batches with unmapped records.
func (r *Reader) runNumbers(ctx context.Context, run string, most int) (doc tally.NoMailboxes, left int, err error) {
	if found, err := r.document(ctx, tally.NoMailboxesName(run), &doc); found || err != nil {
		return doc, 0, err
	}
	rows, err := r.listed(ctx, []Facts{{row: tally.Run{Run: run}}}, tally.PropertyUnmapped)
	if err != nil {
		return doc, 0, err
	}
	var names []string
	for _, row := range rows {
		if row.Unmapped > 0 {
			names = append(names, tally.UnmappedName(tally.BatchOf(run, row.Row)))
		}
	}
	left = max(0, len(names)-most)
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

func (r *Reader) unmappedAsked(q *web.Request) (scope, error) {
	return r.scopeAsked(q, func(run Facts) bool { return run.Reasons[tally.NoMailbox] > 0 })
}

// UnmappedPage answers with the numbers of a day, or of a run, that have no mailbox.
func (r *Reader) UnmappedPage(q *web.Request) (web.Answer, error) {
	s, err := r.unmappedAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	u, some := newUnmapped(s)
	some, part := s.cutRuns(some)
	if err := r.addNumbers(q.Context(), &u, some, maxDocuments, q.Person.Role == identity.Admin); err != nil {
		return web.Answer{}, err
	}
	u.sort()
	p := struct {
		Unmapped
		List
	}{Unmapped: u}
	p.Numbers, p.List = cutPart(q, u.Numbers, s, part, "/unmapped")
	return web.Page(pages.Page{Name: "unmapped", Title: "Numbers without a mailbox, " + u.Day, Section: "items",
		Data: p}), nil
}

// allNumbers returns the numbers of all pages, for a file.
func (r *Reader) allNumbers(q *web.Request, path string) (Unmapped, error) {
	s, err := r.unmappedAsked(q)
	if err != nil {
		return Unmapped{}, err
	}
	u, some := newUnmapped(s)
	address := func(from string) string { return s.Address(path, "from", from) }
	err = r.readForFile(s, some, &u.Part, address, func(runs []Facts) error {
		return r.addNumbers(q.Context(), &u, runs, math.MaxInt, q.Person.Role == identity.Admin)
	})
	u.sort()
	return u, err
}

// UnmappedJSON answers with all numbers of all pages as JSON.
func (r *Reader) UnmappedJSON(q *web.Request) (web.Answer, error) {
	u, err := r.allNumbers(q, "/unmapped/json")
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile("unmapped-"+u.Day+".json", u), nil
}

// UnmappedCSV answers with all numbers of all pages as a CSV.
func (r *Reader) UnmappedCSV(q *web.Request) (web.Answer, error) {
	u, err := r.allNumbers(q, "/unmapped/csv")
	if err != nil {
		return web.Answer{}, err
	}
	t := table{head: []string{"Number or address", "Phone that archived", "Records", "Last (UTC)"}}
	for _, n := range u.Numbers {
		t.rows = append(t.rows, []any{n.Name, map[bool]string{true: "yes", false: "no"}[n.Own], n.Records, n.Last})
	}
	t.rows = append(t.rows, []any{"Total: numbers " + strconv.Itoa(len(u.Numbers)), "", u.Records, ""},
		[]any{"Not listed: numbers " + strconv.Itoa(u.More) + ", batches or runs " + strconv.Itoa(u.Left), "", "", ""})
	if u.Left > 0 {
		t.rows = append(t.rows, []any{u.rest(), "", "", ""})
	}
	return csvFile("unmapped-"+u.Day+".csv", t), nil
}
