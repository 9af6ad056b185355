package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/shared/settings"
)

// Alert is what a person has to know now.
type Alert struct {
	Class    string // wait or bad
	Says, Do string
	Link     string // "" if no page has more about it
}

const (
	lateAfter    = 26 * time.Hour // without a run: a day, and what a run may take
	pendingAfter = 24 * time.Hour // after a run was fetched, its records have their outcomes
	tallyAfter   = time.Hour      // after a run was fetched, its totals are there
	alertDays    = 7              // days, today included, of which each has its alert
	shownGaps    = 10             // days that one alert names
)

// add adds an alert.
type add func(class, says, do, link string)

// alerts returns the alerts that stand, as an administrator or a reader sees them.
func (k known) alerts(admin bool) (all []Alert) {
	add := func(class, says, do, link string) {
		if !admin && (strings.HasPrefix(link, "/setup") || strings.HasPrefix(link, "/settings")) {
			do, link = "Tell an administrator.", ""
		}
		all = append(all, Alert{class, says, do, link})
	}
	if k.broken {
		add("bad", "The settings (settings/connector.json) can't be used.",
			"Put the former version in its place. The apps go on with what they read last.", "/settings")
	}
	if !k.broken && !k.connector.IsSetUp() {
		add("wait", "The set-up is not finished, so nothing runs.", "Finish it.", "/setup")
		return all
	}
	k.alertsOfPause(add)
	k.alertsOfFetch(add)
	k.alertsOfDays(add)
	k.alertsOfRuns(k.recent, add)
	k.alertsOfTotals(add)
	return all
}

func titleOf(app string) string { return strings.ToUpper(app[:1]) + app[1:] }

// alertsOfPause returns an alert for each app that is paused, or of which nothing says that it works. What its setting
// PAUSED is can't be read here.
func (k known) alertsOfPause(add add) {
	if k.broken {
		return
	}
	for _, app := range []string{settings.Fetch, settings.Import} {
		paused, said := k.connector.Paused[app]
		works := k.fetched || k.unread
		if app == settings.Import {
			days := account.Accounts(k.recent, k.day(alertDays-1), k.now, nil)
			works = slices.ContainsFunc(days, func(d account.Day) bool {
				return d.Records.Collected > d.Records.Pending
			})
			works = works || slices.ContainsFunc(k.imports, func(i Import) bool { return i.Done > 0 })
		}
		switch {
		case paused:
			add("wait", titleOf(app)+" is paused.", "Start it again when the reason is gone.", "/commands")
		case said:
		case app == settings.Fetch && k.progress.Paused:
			add("wait", "Fetch is paused by its setting PAUSED.", "Start it when it may work.", "/commands")
		case !works:
			add("wait", titleOf(app)+" has shown no work, and waits for a start unless its settings let it work.",
				"Start it when it may work; the end of a set-up starts it, too.", "/commands")
		}
	}
}

// day returns the day of UTC so many days ago.
func (k known) day(ago int) time.Time { return k.now.Truncate(oneDay).AddDate(0, 0, -ago) }

func (k known) alertsOfFetch(add add) {
	p := k.progress
	if k.unread {
		add("wait", "The progress of fetch can't be read.", "Fetch writes it anew with its next run.", "/check")
		return
	}
	k.alertOfLateness(add)
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
	if n := len(p.Gaps); n > 0 {
		var days []string
		for _, g := range p.Gaps[max(0, n-shownGaps):] {
			days = append(days, fmt.Sprintf("%s (%d)", g.Day.Format(time.DateOnly), g.Missing))
		}
		more := ""
		if n > shownGaps {
			more = fmt.Sprintf(", and %d days before", n-shownGaps)
		}
		add("wait", "Files of the vendor are missing, by day with their number: "+strings.Join(days, ", ")+more+".",
			"Ask the vendor for the files.", "")
	}
	if n := p.Misplaced; n > 0 {
		add("bad", fmt.Sprintf("ZIPs of the vendor's are in the folder imports, where they are not read: %d.", n),
			"Move them to the folder of the vendor's deliveries.", "")
	}
	if w := p.Watermark; !w.IsZero() && k.now.Sub(w) > 2*lateAfter {
		add("wait", "Nothing after "+w.Format("2 Jan 2006, 15:04")+" UTC is fetched completely.",
			"Look at the windows below: one of them does not end.", "/")
	}
}

// alertOfLateness returns the alert of a fetch that does not run: counted from its last work, or from the end of the
// set-up.
func (k known) alertOfLateness(add add) {
	if k.connector.Paused[settings.Fetch] {
		return
	}
	last := k.progress.Began
	if k.progress.Moved.After(last) {
		last = k.progress.Moved
	}
	says := "Fetch has not run for "
	if f := k.connector.Finished; f != nil && f.At.After(last) {
		last = f.At
		says = "Fetch has not run since the set-up was finished, for "
	}
	if age := k.now.Sub(last); !last.IsZero() && age > lateAfter {
		add("bad", says+pages.DescribeDuration(age)+".",
			"Look whether the function app of fetch is started, then use the page Check.", "/check")
	}
}

// alertsOfDays returns an alert for each day of late that is not whole, other than by what is still at work.
func (k known) alertsOfDays(add add) {
	for _, d := range slices.Backward(account.Accounts(k.recent, k.day(alertDays-1), k.now, nil)) {
		if d.State != account.Failed && d.State != account.Gaps {
			continue
		}
		add(d.State.Class(), fmt.Sprintf("%s is %s: %s.", d.Day, d.State.Text(), strings.Join(d.Causes, "; ")),
			"Its page names the items, and what to do.", "/days/"+d.Day)
	}
}

// alertsOfRuns returns the alerts about records of runs.
func (k known) alertsOfRuns(runs []account.Facts, add add) {
	pending, oldest := 0, ""
	for _, run := range runs {
		begin := account.WindowBegin(run)
		day := begin.Format(time.DateOnly)
		if err := run.Totals.Holds(); err != nil && begin.Before(k.day(alertDays-1)) {
			add("bad", "A sum of "+day+" does not hold: "+err.Error()+".",
				"Give the command Totals. If it stays, ask support.",
				"/days/"+day)
		}
		fetched := run.Manifest != nil && k.now.Sub(run.Manifest.Finished) > pendingAfter
		if n := run.Totals.Records.Pending; n > 0 && fetched {
			pending += n
			if oldest == "" {
				oldest = day
			}
		}
	}
	if pending > 0 {
		add("bad", fmt.Sprintf("%d records have had no outcome for a day or longer, the oldest of %s.", pending,
			oldest),
			"Use the page Check. Import tries again by itself.", "/items?day="+oldest+"&reason=pending")
	}
}

// alertsOfTotals returns the alert of runs without totals.
func (k known) alertsOfTotals(add add) {
	if k.connector.Paused[settings.Import] {
		return
	}
	missing, counted := 0, map[string]bool{}
	for _, run := range k.recent {
		counted[run.Run] = run.Counted
		if m := run.Manifest; !run.Counted && m != nil && run.Batches > 0 && k.now.Sub(m.Finished) > tallyAfter {
			missing++
		}
	}
	if missing > 0 {
		add("bad",
			fmt.Sprintf("Import does not work: it has no totals of %d runs that fetch finished over an hour ago.",
				missing), "Look whether the function app of import is started, then use the page Check.", "/check")
		return
	}
	for _, w := range k.progress.Windows {
		if account.PlannedOn(w.Run).Before(k.since) {
			continue // whether it has totals is not known
		}
		if w.Batches > 0 && !counted[w.Run] && k.now.Sub(k.progress.Began) > tallyAfter {
			add("wait", "The totals of a run that is at work are missing.",
				"Look whether the function app of import is started, then give the command Totals.", "/commands")
			return
		}
	}
}
