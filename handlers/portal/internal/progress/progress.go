// Package progress shows how far fetch and import are: the current run, the next one, the former ones, a strip of days,
// and the alerts that stand. It reads the documents that the apps write about themselves, and computes nothing else.
package progress

import (
	"context"
	"errors"
	"fmt"
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
	"o2archiver/shared/tally"
)

// Options holds what a Watch works with.
type Options struct {
	Account  *account.Reader
	Status   *status.Reader
	Settings *archive.Documents // has the pause
	Now      func() time.Time
}

// Watch answers the requests for the progress. It holds no state and is safe for concurrent use.
type Watch struct{ opts Options }

// New returns a Watch. It makes no request.
func New(o Options) *Watch { return &Watch{o} }

const (
	shownDays = 30
	shownRuns = 20
	maxClosed = 200 // of a day
	oneDay    = 24 * time.Hour
)

// known is what the page is made of: two requests for documents, two listings, and one request for the rows of a year.
type known struct {
	progress  status.Progress
	fetched   bool // there is a progress
	unread    bool // the document of the progress can't be used
	connector control.Connector
	broken    bool         // the administrator's document can't be used
	runs      []tally.Run  // of the last year, by their windows
	closed    []status.Run // that fetch has finished, of yesterday and today
	now       time.Time
}

func (w *Watch) load(ctx context.Context) (k known, err error) {
	k.now = w.opts.Now().UTC()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		k.progress, err = w.opts.Status.Progress(ctx)
		switch {
		case errors.Is(err, archive.ErrNotFound):
			return nil
		case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
			k.unread = true
			return nil
		}
		k.fetched = err == nil
		return err
	})
	group.Go(func() (err error) {
		k.connector, err = control.LoadConnector(ctx, w.opts.Settings)
		if errors.Is(err, control.ErrConnector) {
			k.broken, err = true, nil
		}
		return err
	})
	group.Go(func() (err error) {
		today := k.now.Truncate(oneDay)
		k.runs, err = w.opts.Account.Runs(ctx, today.AddDate(0, 0, -364), today)
		return err
	})
	each := make([][]status.Run, 2)
	for i := range each {
		group.Go(func() (err error) {
			day := k.now.AddDate(0, 0, -i).Format("2006/01/02")
			each[i], _, err = w.opts.Status.Runs(ctx, day, maxClosed)
			if errors.Is(err, archive.ErrContent) || errors.Is(err, archive.ErrTooLarge) {
				return nil // fetch writes it anew, or it has no facts for this page
			}
			return err
		})
	}
	err = group.Wait()
	k.closed = slices.Concat(each...)
	return k, err
}

// page is the data of the page.
type page struct {
	Current Current
	Alerts  []Alert
	Month   []pages.Cell
	Year    []pages.Cell
	Days    []account.Day // of the month, the latest first
	Runs    []account.Run // the latest first
	OfRuns  int           // of the last year
	Empty   bool          // nothing was ever fetched
}

// ProgressPage answers with the whole page.
func (w *Watch) ProgressPage(q *web.Request) (web.Answer, error) { return w.answer(q, web.Page) }

// Live answers with the part of the page that changes.
func (w *Watch) Live(q *web.Request) (web.Answer, error) { return w.answer(q, web.Live) }

func (w *Watch) answer(q *web.Request, as func(pages.Page) web.Answer) (web.Answer, error) {
	k, err := w.load(q.Context())
	if err != nil {
		return web.Answer{}, err
	}
	today := k.now.Truncate(oneDay)
	days := account.Accounts(k.runs, today.AddDate(0, 0, -364), today)
	month := days[len(days)-shownDays:]
	p := page{Current: k.current(), Alerts: k.alerts(q.Person.Role == identity.Admin),
		Year: account.Strip(days), Month: account.Strip(month),
		OfRuns: len(k.runs), Empty: !k.fetched && !k.unread && len(k.runs) == 0}
	for i := range month {
		p.Days = append(p.Days, month[len(month)-1-i])
	}
	for i := len(k.runs) - 1; i >= 0 && len(p.Runs) < shownRuns; i-- {
		p.Runs = append(p.Runs, account.OfRun(k.runs[i]))
	}
	return as(pages.Page{Name: "progress", Title: "Progress", Section: "progress", Data: p}), nil
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
	Pending      int // records of the last year without an outcome
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
		Failed:    p.Failed,
		Watermark: p.Watermark, More: p.More}
	for _, run := range k.runs {
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
	rows := map[string]tally.Run{}
	for _, run := range k.runs {
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

// describeWindow returns a window with its rate: what it has received since the invocation began, if it is the one that
// is worked on.
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
	// After a second try the window has items of an earlier invocation, so nothing is known of the rate.
	if !atWork || !w.Active || w.Tries > 1 || since < 10*time.Second || done <= 0 {
		return win
	}
	perMinute := done * 60 / int64(max(1, since/time.Second))
	if w.Size > 0 && !w.Read {
		return win
	}
	win.Rate = fmt.Sprintf("%d items a minute", perMinute)
	if left := win.Total - done; win.Known && left > 0 && perMinute > 0 {
		win.Left = pages.DescribeDuration(time.Duration(left) * time.Minute / time.Duration(perMinute))
	}
	return win
}
