package account

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
)

// Month is the report of a month.
type Month struct {
	Month   string    `json:"month"` // as 2026-11
	Made    time.Time `json:"made"`
	Days    []Day     `json:"days"`    // with runs
	Without []string  `json:"without"` // days that are over and have no run, from the archive's first one on
	Sum     Day       `json:"sum"`     // whole only if no day is without a run
}

// monthPage is the data of the page.
type monthPage struct {
	Month
	Before, After string // the neighbouring months
	Page          []Run  // the runs that are shown
	List
}

// monthAsked returns the report of the month in the path.
func (r *Reader) monthAsked(q *web.Request) (m Month, first time.Time, err error) {
	first, err = time.Parse("2006-01", q.PathValue("month"))
	if err != nil {
		return Month{}, first, &web.Error{Status: http.StatusNotFound, Says: "That is not a month.",
			Do: "A month has the form 2026-11. Choose one on the page Days."}
	}
	last, today := first.AddDate(0, 1, -1), dayOf(r.opts.Now())
	if last.After(today) && !first.After(today) {
		last = today
	}
	runs, err := r.Runs(q.Context(), first, last)
	if err != nil {
		return Month{}, first, err
	}
	missing, err := r.Missing(q.Context())
	if err != nil {
		return Month{}, first, err
	}
	began, err := r.began(q.Context(), first, runs)
	if err != nil {
		return Month{}, first, err
	}
	m = Month{Month: first.Format("2006-01"), Made: r.opts.Now().UTC(), Days: []Day{}, Without: []string{},
		Sum: Account(first, runs).lacking(missing.between(first, last))}
	m.Sum.Day = m.Month
	for _, d := range Accounts(runs, first, last, missing) {
		switch {
		case d.State != None:
			m.Days = append(m.Days, d)
		case !began.IsZero() && d.Day >= began.Format(time.DateOnly) && d.Day < today.Format(time.DateOnly):
			m.Without = append(m.Without, d.Day)
		}
	}
	if n := len(m.Without); n > 0 {
		m.Sum.Causes = append(m.Sum.Causes, fmt.Sprintf("days without a run: %d", n))
		if m.Sum.State.rank() < Gaps.rank() && !slices.ContainsFunc(runs, Facts.isAtWork) {
			m.Sum.State = Gaps
		}
	}
	return m, first, nil
}

// MonthPage answers with the report of a month, to be printed for an auditor.
func (r *Reader) MonthPage(q *web.Request) (web.Answer, error) {
	m, first, err := r.monthAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	p := monthPage{Month: m}
	p.Page, p.List = cutPage(q, m.Sum.Runs, pageOf("/months/"+m.Month, nil))
	if first.Year() > 0 || first.Month() > time.January { // a month of the year -1 has no address
		p.Before = first.AddDate(0, -1, 0).Format("2006-01")
	}
	if next := first.AddDate(0, 1, 0); !next.After(r.opts.Now()) {
		p.After = next.Format("2006-01")
	}
	return web.Page(pages.Page{Name: "month", Title: "Report of " + first.Format("January 2006"), Section: "days",
		Data: p}), nil
}

// MonthCSV answers with the report of a month as a CSV.
func (r *Reader) MonthCSV(q *web.Request) (web.Answer, error) {
	m, _, err := r.monthAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return csvFile("month-"+m.Month+".csv", m.tables()...), nil
}

// MonthJSON answers with the report of a month as JSON.
func (r *Reader) MonthJSON(q *web.Request) (web.Answer, error) {
	m, _, err := r.monthAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile("month-"+m.Month+".json", m), nil
}

// tables returns the report as tables of a CSV.
func (m Month) tables() []table {
	days := table{head: []string{"Day of the window (UTC)", "State", "Counted by the source", "Received", "Collected",
		"Archived", "Unmapped", "Excluded", "Quarantined", "Failed", "Pending", "Copies"}}
	for _, d := range m.Days {
		days.rows = append(days.rows, d.monthRow(d.Day))
	}
	days.rows = append(days.rows, m.Sum.monthRow("Total"))
	without := table{head: []string{"Days without a run"}}
	for _, day := range m.Without {
		without.rows = append(without.rows, []any{day})
	}
	runs := table{head: []string{"Run", "State", "Batches", "Hash over its journals"}}
	for _, run := range m.Sum.Runs {
		runs.rows = append(runs.rows, []any{run.Run, run.State.Text(), run.Batches, run.Chain})
	}
	return []table{days, tableOfCauses("Why the month is not whole", m.Sum.Causes), without, runs}
}

// tableOfCauses returns causes as a table of a CSV.
func tableOfCauses(head string, causes []string) table {
	t := table{head: []string{head}}
	for _, cause := range causes {
		t.rows = append(t.rows, []any{cause})
	}
	return t
}

func (d Day) monthRow(name string) []any {
	var source any = "not known"
	if d.SourceTotal != nil {
		source = *d.SourceTotal
	}
	r := d.Records
	return []any{name, d.State.Text(), source, d.Received, r.Collected, r.Archived, r.Unmapped, r.Excluded,
		r.Quarantined, r.Failed, r.Pending, d.Copies.Planned}
}
