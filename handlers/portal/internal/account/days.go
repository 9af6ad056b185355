package account

import (
	"time"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/journal"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// Accounts returns the accounts of the days from first to last, from runs that were read for them.
func Accounts(runs []Facts, first, last time.Time, missing Missing) (days []Day) {
	byDay := map[time.Time][]Facts{}
	for _, run := range runs {
		day := dayOf(WindowBegin(run))
		byDay[day] = append(byDay[day], run)
	}
	for day := dayOf(first); !day.After(last); day = day.AddDate(0, 0, 1) {
		days = append(days, Account(day, byDay[day]).lacking(missing[day]))
	}
	return days
}

// Strip returns days as the bars of a strip.
func Strip(days []Day) (cells []pages.Cell) {
	for _, d := range days {
		cell := pages.Cell{Title: d.Day + ": " + d.State.Text(), State: string(d.State)}
		if d.State != None {
			cell.Link = "/days/" + d.Day
		}
		cells = append(cells, cell)
	}
	return cells
}

// daysPage is the data of the page of days.
type daysPage struct {
	Month, Year []pages.Cell
	Counts      []stateCount // of the year
	Days        []Day        // the latest first
	List
}

type stateCount struct {
	State State
	Days  int
}

// DaysPage answers with the days of the last year.
func (r *Reader) DaysPage(q *web.Request) (web.Answer, error) {
	today := dayOf(r.opts.Now())
	first := today.AddDate(0, 0, -364)
	runs, err := r.Runs(q.Context(), first, today)
	if err != nil {
		return web.Answer{}, err
	}
	missing, err := r.Missing(q.Context())
	if err != nil {
		return web.Answer{}, err
	}
	days := Accounts(runs, first, today, missing)
	p := daysPage{Year: Strip(days), Month: Strip(days[len(days)-30:])}
	counts := map[State]int{}
	for i := range days {
		d := days[len(days)-1-i]
		counts[d.State]++
		p.Days = append(p.Days, d)
	}
	for _, s := range []State{Whole, Gaps, Failed, Working, None} {
		p.Counts = append(p.Counts, stateCount{s, counts[s]})
	}
	p.Days, p.List = cutPage(q, p.Days, pageOf("/days", nil))
	return web.Page(pages.Page{Name: "days", Title: "Days", Section: "days", Data: p}), nil
}

// dayAsked returns the account of the day in the path.
func (r *Reader) dayAsked(q *web.Request) (Day, error) {
	day, err := parseDay(q.PathValue("day"))
	if err != nil {
		return Day{}, err
	}
	runs, err := r.Runs(q.Context(), day, day)
	if err != nil {
		return Day{}, err
	}
	missing, err := r.Missing(q.Context())
	if err != nil {
		return Day{}, err
	}
	return Account(day, runs).lacking(missing[day]), nil
}

// dayPage is the data of the page of a day.
type dayPage struct {
	Day
	Before, After string // the neighbouring days
	Table         reasonTable
	RecordBars    []pages.Bar
	CopyBars      []pages.Bar
	Difference    int64 // between the source's count and what was received, in all runs
	ZIPs          []Run // that were not read, the first ones
	MoreZIPs      int
	Page          []Run // the runs that are shown
	List
}

// DayPage answers with the account of a day.
func (r *Reader) DayPage(q *web.Request) (web.Answer, error) {
	d, err := r.dayAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	day, _ := parseDay(d.Day)
	p := dayPage{Day: d, RecordBars: recordBars(d.Records), CopyBars: copyBars(d.Copies),
		Table: reasonTable{Part{Day: d.Day}, d.Reasons}}
	if day.Year() > 0 || day.YearDay() > 1 { // a day of the year -1 has no address
		p.Before = day.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	p.Page, p.List = cutPage(q, d.Runs, pageOf("/days/"+d.Day, nil))
	if next := day.AddDate(0, 0, 1); !next.After(r.opts.Now()) {
		p.After = next.Format(time.DateOnly)
	}
	for _, run := range d.Runs {
		switch {
		case run.ZIP == nil:
		case len(p.ZIPs) < pageRows:
			p.ZIPs = append(p.ZIPs, run)
		default:
			p.MoreZIPs++
		}
		if run.SourceTotal != nil {
			n := *run.SourceTotal - int64(run.Received)
			p.Difference += max(n, -n)
		}
	}
	return web.Page(pages.Page{Name: "day", Title: "Day " + d.Day, Section: "days", Data: p}), nil
}

func recordBars(r journal.RecordTotals) []pages.Bar {
	return []pages.Bar{{Title: "archived", Class: "archived", Count: r.Archived},
		{Title: "without a mailbox", Class: "unmapped", Count: r.Unmapped},
		{Title: "excluded", Class: "excluded", Count: r.Excluded},
		{Title: "quarantined", Class: "quarantined", Count: r.Quarantined},
		{Title: "failed", Class: "failed", Count: r.Failed}, {Title: "pending", Class: "pending", Count: r.Pending}}
}

func copyBars(c journal.CopyTotals) []pages.Bar {
	return []pages.Bar{{Title: "imported", Class: "imported", Count: c.Imported},
		{Title: "duplicate", Class: "duplicate", Count: c.Duplicate},
		{Title: "oversize", Class: "imported", Count: c.Oversize},
		{Title: "failed", Class: "failed", Count: c.Failed}, {Title: "pending", Class: "pending", Count: c.Pending}}
}

// DayCSV answers with the account of a day as a CSV.
func (r *Reader) DayCSV(q *web.Request) (web.Answer, error) {
	d, err := r.dayAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return csvFile("day-"+d.Day+".csv", d.tables()...), nil
}

// DayJSON answers with the account of a day as JSON.
func (r *Reader) DayJSON(q *web.Request) (web.Answer, error) {
	d, err := r.dayAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile("day-"+d.Day+".json", d), nil
}

// tables returns the account as tables of a CSV.
func (d Day) tables() []table {
	var source any = "not known"
	if d.SourceTotal != nil {
		source = *d.SourceTotal
	}
	r, c := d.Records, d.Copies
	numbers := table{head: []string{"Number", "Value"}, rows: [][]any{{"Day of the window (UTC)", d.Day},
		{"State", d.State.Text()}, {"Counted by the source", source}, {"Received", d.Received},
		{"Deferred to later runs", d.Deferred}, {"Taken from earlier runs", d.Taken},
		{"Files that never came", d.Missing}, {"Records", d.Written},
		{"Records collected", r.Collected}, {"Records archived", r.Archived}, {"Records unmapped", r.Unmapped},
		{"Records excluded", r.Excluded}, {"Records quarantined", r.Quarantined}, {"Records failed", r.Failed},
		{"Records pending", r.Pending}, {"Copies planned", c.Planned}, {"Copies imported", c.Imported},
		{"Copies duplicate", c.Duplicate}, {"Copies oversize", c.Oversize}, {"Copies failed", c.Failed},
		{"Copies pending", c.Pending}, {"Records with other content", r.Differing},
		{"Records without an attachment", r.Incomplete}, {"Records without a field", r.LeftOut}}}
	kinds := table{head: []string{"Kind", "Archived", "Unmapped", "Excluded", "Quarantined", "Failed", "Pending",
		"Records"}}
	sum, total := tally.Records{}, 0
	for _, k := range d.Kinds {
		kinds.rows = append(kinds.rows, kindRow(k.Kind, k.Records, k.Total))
		sum, total = addRecords(sum, k.Records), total+k.Total
	}
	kinds.rows = append(kinds.rows, kindRow("Total", sum, total))
	reasons := table{head: []string{"Reason", "In words", "What to do", "Records"}}
	n := 0
	for _, reason := range d.Reasons {
		reasons.rows = append(reasons.rows, []any{string(reason.Reason), reason.Says, reason.Do, reason.Records})
		n += reason.Records
	}
	reasons.rows = append(reasons.rows, []any{"Total", "", "", n})
	runs := table{head: []string{"Run", "State", "Received", "Records", "Archived", "Copies", "Hash over its journals"}}
	for _, run := range d.Runs {
		runs.rows = append(runs.rows, []any{run.Run, run.State.Text(), run.Received, run.Records.Collected,
			run.Records.Archived, run.Copies.Planned, run.Chain})
	}
	runs.rows = append(runs.rows, []any{"Total", "", d.Received, r.Collected, r.Archived, c.Planned, ""})
	zips := table{head: []string{"ZIP that was not read", "Outcome", "In words", "What to do", "Bytes"}}
	for _, run := range d.Runs {
		if z := run.ZIP; z != nil {
			zips.rows = append(zips.rows, []any{run.Run, z.Outcome, z.Words(), z.Do, z.Size})
		}
	}
	all := []table{numbers, tableOfCauses("Why the day is not whole", d.Causes), kinds, reasons, runs}
	if len(zips.rows) > 0 {
		all = append(all, zips)
	}
	return all
}

func kindRow(name string, n tally.Records, total int) []any {
	return []any{name, n.Archived, n.Unmapped, n.Excluded, n.Quarantined, n.Failed, n.Pending, total}
}

// reasonTable is a table of reasons, each with a link to its items.
type reasonTable struct {
	of      Part
	Reasons []ReasonCount
}

// Items returns the address of the items with a reason.
func (t reasonTable) Items(reason tally.Reason) string {
	return t.of.Address("/items", "reason", reason)
}

// RunPage answers with the account of one run.
func (r *Reader) RunPage(q *web.Request) (web.Answer, error) {
	name := q.PathValue("year") + "/" + q.PathValue("month") + "/" + q.PathValue("day") + "/" + q.PathValue("run")
	f, err := r.runAsked(q.Context(), name)
	if err == nil && status.IsUnread(f.Outcome) {
		f, err = r.besideOthers(q.Context(), f)
	}
	if err != nil {
		return web.Answer{}, err
	}
	run, day := OfRun(f), Account(dayOf(WindowBegin(f)), []Facts{f})
	list := Part{Day: day.Day, Run: f.Run}
	p := struct {
		Run
		Day                  Day
		List                 Part
		Reasons              reasonTable
		RecordBars, CopyBars []pages.Bar
	}{run, day, list, reasonTable{list, day.Reasons}, recordBars(run.Records), copyBars(run.Copies)}
	return web.Page(pages.Page{Name: "run", Title: "Run", Section: "progress", Data: p}), nil
}
