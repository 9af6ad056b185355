package account

import (
	"context"
	"maps"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/tally"
)

// Item is a line of a batch that was not archived.
type Item struct {
	Run     string       `json:"run"`
	Batch   string       `json:"batch"` // its name within the run
	Line    int          `json:"line"`
	Records int          `json:"records"`
	Kind    string       `json:"kind"`
	Outcome string       `json:"outcome"`
	Reason  tally.Reason `json:"reason"`
	Says    string       `json:"says"`
	Do      string       `json:"do"`
}

// Value returns what a form sends for an item: batch and line.
func (i Item) Value() string { return i.Run + "/" + i.Batch + ":" + strconv.Itoa(i.Line) }

// ParseValue is the inverse of Item.Value. The batch is the name by which import knows it.
func ParseValue(value string) (batch string, line int, ok bool) {
	name, number, _ := strings.Cut(value, ":")
	line, err := strconv.Atoi(number)
	return tally.BatchOf(path.Dir(name), path.Base(name)), line, err == nil && line > 0
}

// Replayable reports whether a replay may bring the item into a mailbox.
func (i Item) Replayable() bool { return isReplayable(i.Reason) }

// Items is the list of the items of a day that were not archived.
type Items struct {
	Day     string       `json:"day"`
	Reason  tally.Reason `json:"reason,omitempty"` // "": all
	Items   []Item       `json:"items"`
	Records int          `json:"records"` // of the items
	More    int          `json:"more"`    // further records, which the totals count and do not list
	Left    int          `json:"left"`    // runs that were not read
	State   State        `json:"state"`   // of the day
}

// items returns the items of runs with a reason, or all.
func (r *Reader) items(ctx context.Context, day time.Time, runs []Facts, reason tally.Reason) (Items, error) {
	all := Items{Day: day.Format(time.DateOnly), Reason: reason, Items: []Item{}, State: Account(day, runs).State}
	rows, left, err := r.listed(ctx, withItems(runs), tally.PropertyLines)
	if err != nil {
		return Items{}, err
	}
	all.Left = left
	listed := map[string]map[tally.Reason]int{} // records by run and reason
	for _, row := range rows {
		for _, l := range row.Lines {
			item := Item{Run: row.run, Batch: row.Row, Line: l.Line, Records: max(1, l.Records), Kind: NameKind(l.Kind),
				Outcome: l.Outcome, Reason: l.Reason}
			if item.Reason == "" {
				item.Reason = tally.Pending
			}
			if reason != "" && item.Reason != reason {
				continue
			}
			if len(all.Items) >= maxListed {
				continue
			}
			if listed[row.run] == nil {
				listed[row.run] = map[tally.Reason]int{}
			}
			listed[row.run][item.Reason] += item.Records
			item.Says, item.Do = NameReason(item.Reason)
			all.Items = append(all.Items, item)
			all.Records += item.Records
		}
	}
	for _, run := range runs {
		for code, n := range countsOf(run) {
			if reason == "" || reason == code {
				all.More += max(0, n-listed[run.Run][code]) // a row of a batch may be newer than that of its run
			}
		}
	}
	return all, nil
}

// countsOf returns the records of a run that were not archived, by reason.
func countsOf(run Facts) map[tally.Reason]int {
	counts := maps.Clone(run.Reasons)
	if counts == nil {
		counts = map[tally.Reason]int{}
	}
	counts[tally.Pending] += max(0, run.Totals.Records.Pending)
	return counts
}

// withItems returns the runs that have lines which were not archived.
func withItems(runs []Facts) (some []Facts) {
	for _, run := range runs {
		if run.Counted && (len(run.Reasons) > 0 || run.Totals.Records.Pending > 0) {
			some = append(some, run)
		}
	}
	return some
}

// itemsAsked returns the items that a request asks for.
func (r *Reader) itemsAsked(q *web.Request) (Items, []Facts, error) {
	day, err := parseDay(q.FormValue("day"))
	if err != nil {
		return Items{}, nil, err
	}
	reason := tally.Reason(q.FormValue("reason"))
	if _, known := reasonTexts[reason]; !known {
		reason = ""
	}
	runs, err := r.Runs(q.Context(), day, day)
	if err != nil {
		return Items{}, nil, err
	}
	items, err := r.items(q.Context(), day, runs, reason)
	return items, runs, err
}

// itemsPage is the data of the page of items.
type itemsPage struct {
	Items
	List
	Says, Do string // of the reason
	Reasons  []ReasonCount
	Runs     []string // whose records with the reason can be replayed together
}

// ItemsPage answers with the items of a day that were not archived; without a day, with the reasons of the last 30
// days.
func (r *Reader) ItemsPage(q *web.Request) (web.Answer, error) {
	if q.FormValue("day") == "" {
		return r.reasonsPage(q)
	}
	items, runs, err := r.itemsAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	day, _ := parseDay(items.Day)
	p := itemsPage{Items: items, Reasons: Account(day, runs).Reasons}
	p.Items.Items, p.List = cutPage(q, items.Items,
		pageOf("/items", url.Values{"day": {items.Day}, "reason": {string(items.Reason)}}))
	if items.Reason != "" {
		p.Says, p.Do = NameReason(items.Reason)
		for _, run := range runs {
			if run.Reasons[items.Reason] > 0 && isReplayable(items.Reason) {
				p.Runs = append(p.Runs, run.Run)
			}
		}
	}
	return web.Page(pages.Page{Name: "items", Title: "Not archived, " + items.Day, Section: "items", Data: p}), nil
}

// reasonDay is a day of the overview of reasons.
type reasonDay struct {
	Day     string
	Total   int
	Reasons []ReasonCount
}

// reasonsPage answers with the reasons of the last 30 days, from the rows of the runs only.
func (r *Reader) reasonsPage(q *web.Request) (web.Answer, error) {
	today := dayOf(r.opts.Now())
	runs, err := r.Runs(q.Context(), today.AddDate(0, 0, -30), today)
	if err != nil {
		return web.Answer{}, err
	}
	var days []reasonDay
	for n := range 31 {
		day := today.AddDate(0, 0, -n)
		d := reasonDay{Day: day.Format(time.DateOnly)}
		for _, reason := range Account(day, runsOn(runs, day)).Reasons {
			if reason.Reason != tally.Heartbeat {
				d.Reasons = append(d.Reasons, reason)
				d.Total += reason.Records
			}
		}
		if d.Total > 0 {
			days = append(days, d)
		}
	}
	return web.Page(pages.Page{Name: "reasons", Title: "Not archived", Section: "items", Data: days}), nil
}

// runsOn returns those of runs whose window begins on a day.
func runsOn(runs []Facts, day time.Time) (some []Facts) {
	for _, run := range runs {
		if dayOf(WindowBegin(run)).Equal(day) {
			some = append(some, run)
		}
	}
	return some
}

// ItemsCSV answers with all items of the page as a CSV.
func (r *Reader) ItemsCSV(q *web.Request) (web.Answer, error) {
	items, _, err := r.itemsAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return csvFile("not-archived-"+items.Day+".csv", items.table()), nil
}

// ItemsJSON answers with all items of the page as JSON.
func (r *Reader) ItemsJSON(q *web.Request) (web.Answer, error) {
	items, _, err := r.itemsAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile("not-archived-"+items.Day+".json", items), nil
}

// table returns the items as rows that end in their total.
func (a Items) table() table {
	t := table{head: []string{"Run", "Batch", "Line", "Records", "Kind", "Outcome", "Reason", "In words", "What to do"}}
	for _, i := range a.Items {
		t.rows = append(t.rows, []any{i.Run, nameBatch(i.Run, i.Batch), i.Line, i.Records, i.Kind, i.Outcome,
			string(i.Reason), i.Says, i.Do})
	}
	t.rows = append(t.rows, []any{"Total", "", len(a.Items), a.Records, "", "", "", "", ""},
		[]any{"Not listed", "", "", a.More, "", "", "", "", ""})
	return t
}

// nameBatch returns the whole name of a batch for a CSV: a spreadsheet would take 00001 for a number.
func nameBatch(run, batch string) string { return run + "/" + batch }
