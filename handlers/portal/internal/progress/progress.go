// Package progress shows how far fetch and import are: the current run, the next one, the former ones, a strip of days,
// and the alerts that stand. It reads the documents that the apps write about themselves, and computes nothing else.
package progress

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/status"
)

// Options holds what a Watch works with.
type Options struct {
	Account  *account.Reader
	Status   *status.Reader
	Settings *archive.Documents // has the pause
	Now      func() time.Time
}

// Watch answers the requests for the progress. It is safe for concurrent use.
type Watch struct {
	opts  Options
	rates *rates
}

// New returns a Watch. It makes no request.
func New(o Options) *Watch { return &Watch{o, &rates{}} }

const (
	shownDays = 30
	shownRuns = 20
	liveDays  = 8  // days of planning whose runs the live part of the page has
	mostDays  = 40 // the same, if a window that was planned earlier is open
	oneDay    = 24 * time.Hour
)

// known is what the page is made of. The live part, which each viewer asks for every few seconds, needs the runs of the
// last days only: a query for the end of a partition, and a listing or two.
type known struct {
	missing   account.Missing // of the whole page
	progress  status.Progress
	fetched   bool // there is a progress
	unread    bool // the document of the progress can't be used
	connector control.Connector
	broken    bool            // the administrator's document can't be used
	since     time.Time       // day of planning from which on recent has the runs
	recent    []account.Facts // by their windows
	all       []account.Facts // of the last year and older ones that were planned in it; nil for the live part
	now       time.Time

	rates       *rates
	imports     []Import // the latest first
	moreImports int
}

func (w *Watch) load(ctx context.Context, whole bool) (k known, err error) {
	k.now, k.rates = w.opts.Now().UTC(), w.rates
	k.progress, err = w.opts.Status.Progress(ctx)
	switch {
	case errors.Is(err, archive.ErrNotFound):
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		k.unread = true
	case err != nil:
		return known{}, err
	default:
		k.fetched = true
	}
	k.since = sinceOf(k.progress.Windows, k.now)
	outer := ctx
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		k.connector, err = control.LoadConnector(ctx, w.opts.Settings)
		if errors.Is(err, control.ErrConnector) {
			k.broken, err = true, nil
		}
		return err
	})
	group.Go(func() (err error) {
		if !whole {
			k.recent, err = w.opts.Account.Planned(ctx, k.since)
			return err
		}
		k.all, err = w.opts.Account.Planned(ctx, k.now.AddDate(0, 0, -366))
		k.recent = account.PlannedSince(k.all, k.since)
		return err
	})
	group.Go(func() (err error) {
		if whole {
			k.missing, err = w.opts.Account.Missing(ctx)
		}
		return err
	})
	if err = group.Wait(); err != nil {
		return known{}, err
	}
	return k, k.loadImports(outer, w.opts.Account)
}

// sinceOf returns the first day of planning whose runs the live part has: those of open windows are among them.
func sinceOf(open []status.Window, now time.Time) time.Time {
	today := now.Truncate(oneDay)
	since := today.AddDate(0, 0, -liveDays)
	for _, w := range open {
		if day := account.PlannedOn(w.Run); day.Before(since) && !day.IsZero() {
			since = day
		}
	}
	if least := today.AddDate(0, 0, -mostDays); since.Before(least) {
		return least
	}
	return since
}

// page is the data of the page.
type page struct {
	Current Current
	Alerts  []Alert
	Whole   bool    // the page has more than its live part
	Older   []Alert // of runs that the live part does not have
	Month   []pages.Cell
	Year    []pages.Cell
	Days    []account.Day // of the month, the latest first
	Runs    []account.Run // the latest first
	OfRuns  int           // of the last year
	Empty   bool          // nothing was ever fetched

	Imports     []Import // runs of which records have no outcome, the latest first
	MoreImports int
}

// ProgressPage answers with the whole page.
func (w *Watch) ProgressPage(q *web.Request) (web.Answer, error) {
	k, err := w.load(q.Context(), true)
	if err != nil {
		return web.Answer{}, err
	}
	today := k.now.Truncate(oneDay)
	runs := account.Within(k.all, today.AddDate(0, 0, -364), today)
	days := account.Accounts(runs, today.AddDate(0, 0, -364), today, k.missing)
	month := days[len(days)-shownDays:]
	p := k.livePart(q)
	p.Whole, p.Year, p.Month, p.OfRuns = true, account.Strip(days), account.Strip(month), len(runs)
	p.Empty = p.Empty && len(k.all) == 0
	k.alertsOfRuns(withoutRuns(k.all, k.recent), func(class, says, do, link string) {
		p.Older = append(p.Older, Alert{class, says, do, link})
	})
	for i := range month {
		p.Days = append(p.Days, month[len(month)-1-i])
	}
	for i := len(runs) - 1; i >= 0 && len(p.Runs) < shownRuns; i-- {
		p.Runs = append(p.Runs, account.OfRun(runs[i]))
	}
	return web.Page(pages.Page{Name: "progress", Title: "Progress", Section: "progress", Data: p}), nil
}

// Live answers with the part of the page that changes.
func (w *Watch) Live(q *web.Request) (web.Answer, error) {
	k, err := w.load(q.Context(), false)
	if err != nil {
		return web.Answer{}, err
	}
	return web.Live(pages.Page{Name: "progress", Title: "Progress", Section: "progress", Data: k.livePart(q)}), nil
}

// livePart returns the data of the part of the page that changes.
func (k known) livePart(q *web.Request) page {
	return page{Current: k.current(), Alerts: k.alerts(q.Person.Role == identity.Admin),
		Imports: k.imports, MoreImports: k.moreImports,
		Empty: !k.fetched && !k.unread && len(k.recent) == 0}
}

// withoutRuns returns the runs of all that are not among some.
func withoutRuns(all, some []account.Facts) []account.Facts {
	names := map[string]bool{}
	for _, run := range some {
		names[run.Run] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(run account.Facts) bool { return names[run.Run] })
}

// Current is the current run of fetch, or the last one.
type Current struct {
	State, Class string
	AtWork       bool
	Began, Ended time.Time
	Moved, Next  time.Time
	At           time.Time // when fetch last said something
	Waits        string    // what it waits for
	Failed       string
	Watermark    time.Time
	Windows      []Window
	More         int
	Imported     int // records of the open windows that have an outcome
	Pending      int // records without an outcome, of the runs since then
	Since        time.Time
}

// Window is a window that fetch has not finished.
type Window struct {
	status.Window
	Known    bool // of how many is known
	Total    int64
	Percent  int
	Rate     string // in words
	Left     string // in words, "" if it is not known
	Imported int    // records that have an outcome
	Records  int    // that import has been given, as the totals have it
}

// current describes the progress.
func (k known) current() (c Current) {
	p := k.progress
	c = Current{Began: p.Began, Ended: p.Ended, Moved: p.Moved, Next: p.Next, At: p.At, Waits: p.Waits,
		Failed: p.Failed, Watermark: p.Watermark, More: p.More, Since: k.since}
	for _, run := range k.recent {
		c.Pending += run.Totals.Records.Pending
	}
	stale := p.IsStale(k.now)
	switch {
	case k.unread:
		c.State, c.Class = "not known", "wait"
	case !k.fetched:
		c.State, c.Class = "has not run yet", ""
	case p.Ended.IsZero() && stale:
		c.State, c.Class = "was broken off", "bad"
	case p.Ended.IsZero() && p.Waits != "":
		c.State, c.Class, c.AtWork = "at work, and waits", "wait", true
	case p.Ended.IsZero():
		c.State, c.Class, c.AtWork = "at work", "ok", true
	case p.Failed != "":
		c.State, c.Class = "failed", "bad"
	case p.Paused:
		c.State, c.Class = "paused", "wait"
	default:
		c.State, c.Class = "has nothing to do", "ok"
	}
	rows := map[string]account.Facts{}
	for _, run := range k.recent {
		rows[run.Run] = run
	}
	for _, w := range p.Windows {
		win := k.describeWindow(w, c.AtWork)
		if row, ok := rows[w.Run]; ok {
			r := row.Totals.Records
			win.Records, win.Imported = r.Collected, r.Collected-r.Pending
		}
		c.Imported += win.Imported
		c.Windows = append(c.Windows, win)
	}
	return c
}

// describeWindow returns a window with its rate, if it is the one that is worked on: what it has received of late, or
// on the first view since the invocation began.
func (k known) describeWindow(w status.Window, atWork bool) Window {
	win := Window{Window: w}
	done := w.Received
	if w.Of != nil {
		win.Known, win.Total = true, *w.Of
	}
	if w.Size > 0 && !w.Read { // a ZIP that is being copied
		win.Known, win.Total, done = true, w.Size, w.Copied
	}
	if win.Total > 0 {
		win.Percent = int(min(100, done*100/win.Total))
	}
	since := k.progress.At.Sub(k.progress.Began)
	if !atWork || !w.Active || w.Size > 0 && !w.Read || done <= 0 {
		return win
	}
	perMinute := k.rates.perMinute(k.progress, w)
	// After a second try the window has items of an earlier invocation, so only what was seen since tells the rate.
	if perMinute == 0 && w.Tries <= 1 && since >= leastRate {
		perMinute = done * int64(time.Minute) / int64(since)
	}
	if perMinute <= 0 {
		return win
	}
	left := int64(0)
	if win.Known {
		left = win.Total - done
	}
	win.Rate, win.Left = describePace(perMinute, left, "item", "items")
	return win
}

// describePace returns a rate, and how long what is left takes at it; "" if nothing is, or it is not known.
func describePace(perMinute, left int64, one, many string) (rate, takes string) {
	if left > 0 {
		takes = pages.DescribeDuration(time.Duration(left) * time.Minute / time.Duration(perMinute))
	}
	return pages.CountThings(int(perMinute), one, many) + " a minute", takes
}
