// Package progress shows how far fetch and import are: the current run, the next one, the former ones, a strip of days,
// and the alerts that stand. It reads the documents that the apps write about themselves, and computes nothing else.
package progress

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
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
	oneDay    = 24 * time.Hour

	lateAfter    = 26 * time.Hour // without a run: a day, and what a run may take
	pendingAfter = 24 * time.Hour // after a run was fetched, its records have their outcomes
	tallyAfter   = time.Hour      // after a run was fetched, its totals are there
)

// Alert is what an administrator has to know now.
type Alert struct {
	Class    string // wait or bad
	Says, Do string
	Link     string
}

// known is what the page is made of: two requests for documents, and one for the rows of a year.
type known struct {
	progress  status.Progress
	fetched   bool // there is a progress
	unread    bool // the document of the progress can't be used
	connector control.Connector
	broken    bool        // the administrator's document can't be used
	runs      []tally.Run // of the last year, by their windows
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
	return k, group.Wait()
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
	p := page{Current: k.current(), Alerts: k.alerts(), Year: account.Strip(days), Month: account.Strip(month),
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

// alerts returns the alerts that stand.
func (k known) alerts() (all []Alert) {
	add := func(class, says, do, link string) { all = append(all, Alert{class, says, do, link}) }
	if k.broken {
		add("bad", "The settings (settings/connector.json) can't be used.",
			"Put the former version in its place. The apps go on with what they read last.", "/settings")
	}
	if !k.broken && !k.connector.IsSetUp() {
		add("wait", "The set-up is not finished, so nothing runs.", "Finish it.", "/setup")
		return all
	}
	for _, app := range []string{settings.Fetch, settings.Import} {
		if k.connector.Paused[app] {
			add("wait", titleOf(app)+" is paused.", "Start it again when the reason is gone.", "/commands")
		}
	}
	k.alertsOfFetch(add)
	k.alertsOfRuns(add)
	return all
}

func titleOf(app string) string { return strings.ToUpper(app[:1]) + app[1:] }

func (k known) alertsOfFetch(add func(class, says, do, link string)) {
	p := k.progress
	if k.unread {
		add("wait", "The progress of fetch can't be read.", "Fetch writes it anew with its next run.", "/check")
		return
	}
	if !k.fetched {
		return
	}
	if p.IsStale(k.now) {
		add("bad", "The last run of fetch was broken off.",
			"Nothing: the next run goes on where it was. If it comes again, "+
				"use the page Check.", "/check")
	}
	if p.Failed != "" {
		add("bad", "The last run of fetch failed: "+p.Failed+".",
			"Use the page Check: it names the link and what to do.", "/check")
	}
	last := p.Began
	if p.Moved.After(last) {
		last = p.Moved
	}
	if age := k.now.Sub(last); age > lateAfter && !k.connector.Paused[settings.Fetch] {
		add("bad", "Fetch has not run for "+pages.DescribeDuration(age)+".",
			"Look whether the function app of fetch is started, then use the page Check.", "/check")
	}
	if len(p.Gaps) > 0 {
		add("wait", fmt.Sprintf("%d days lack a file of the vendor.", len(p.Gaps)), "Ask the vendor for the files.",
			"/days")
	}
	if w := p.Watermark; !w.IsZero() && k.now.Sub(w) > 2*lateAfter {
		add("wait", "Nothing after "+w.Format("2 Jan 2006, 15:04")+" UTC is fetched completely.",
			"Look at the windows below: one of them does not end.", "/")
	}
}

// alertsOfRuns returns the alerts from the rows of the runs.
func (k known) alertsOfRuns(add func(class, says, do, link string)) {
	pending, oldest := 0, ""
	rows := map[string]bool{}
	for _, run := range k.runs {
		rows[run.Run] = true
		day := account.WindowBegin(run).Format(time.DateOnly)
		if err := run.Totals.Holds(); err != nil {
			add("bad", "A sum of "+day+" does not hold: "+err.Error()+".",
				"Give the command Totals. If it stays, ask support.",
				"/days/"+day)
		}
		fetched := run.Manifest != nil && k.now.Sub(run.Manifest.Finished) > pendingAfter
		if n := run.Totals.Records.Pending; n > 0 && fetched {
			if pending += n; oldest == "" {
				oldest = day
			}
		}
	}
	if pending > 0 {
		add("bad", fmt.Sprintf("%d records have had no outcome for a day or longer, the oldest of %s.", pending,
			oldest),
			"Use the page Check. Import tries again by itself.", "/items?day="+oldest+"&reason=pending")
	}
	for _, w := range k.progress.Windows {
		if w.Batches > 0 && !rows[w.Run] && k.now.Sub(k.progress.Began) > tallyAfter {
			add("wait", "The totals of a run that is at work are missing.",
				"Look whether the function app of import is started, then give the command Totals.", "/commands")
			return
		}
	}
}
