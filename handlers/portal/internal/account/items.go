package account

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
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
func (i Item) Value() string { return shortName(i.Run, i.Batch) + ":" + strconv.Itoa(i.Line) }

// ParseValue is the inverse of Item.Value. The batch is the name by which import knows it.
func ParseValue(value string) (batch string, line int, ok bool) {
	name, number, _ := strings.Cut(value, ":")
	line, err := strconv.Atoi(number)
	return archive.FullName(name), line, err == nil && line > 0
}

// Replayable reports whether a replay may bring the item into a mailbox.
func (i Item) Replayable() bool { return isReplayable(i.Reason) }

// Items is the list of the items of a day, or of a run, that were not archived.
type Items struct {
	Part
	Reason  tally.Reason `json:"reason,omitempty"` // "": all
	Items   []Item       `json:"items,omitempty"`
	Records int          `json:"records"` // of the items
	More    int          `json:"more"`    // further records of these runs, which the totals count and do not list
	State   State        `json:"state"`   // of the day or run
}

// newItems returns a list that is empty yet, and the runs that have items for it.
func newItems(s scope, reason tally.Reason) (all Items, some []Facts) {
	all = Items{Part: s.Part, Reason: reason, State: Account(s.day, s.runs).State}
	var others []Facts
	for _, run := range s.runs {
		if run.Counted && countOf(run, reason) > 0 {
			some = append(some, run)
		} else {
			others = append(others, run)
		}
	}
	if s.from == "" {
		all.addMore(others, nil)
	}
	return all, some
}

// addMore counts the records of runs that are not among those listed, which are counted by run and reason.
func (a *Items) addMore(runs []Facts, listed map[string]map[tally.Reason]int) {
	for _, run := range runs {
		for code, n := range countsOf(run) {
			if a.Reason == "" || a.Reason == code {
				a.More += max(0, n-listed[run.Run][code]) // a row of a batch may be newer than that of its run
			}
		}
	}
}

// addItems reads the items of runs, and counts them. add reports whether an item is in the list.
func (r *Reader) addItems(ctx context.Context, all *Items, runs []Facts, add func(Item) bool) error {
	rows, err := r.listed(ctx, runs, tally.PropertyLines)
	if err != nil {
		return err
	}
	listed := map[string]map[tally.Reason]int{}
	for _, row := range rows {
		for _, l := range row.Lines {
			item := Item{Run: row.run, Batch: row.Row, Line: l.Line, Records: max(1, l.Records), Kind: NameKind(l.Kind),
				Outcome: l.Outcome, Reason: l.Reason}
			if item.Reason == "" {
				item.Reason = tally.Pending
			}
			item.Says, item.Do = NameReason(item.Reason)
			if all.Reason != "" && item.Reason != all.Reason || !add(item) {
				continue
			}
			if listed[row.run] == nil {
				listed[row.run] = map[tally.Reason]int{}
			}
			listed[row.run][item.Reason] += item.Records
			all.Records += item.Records
		}
	}
	all.addMore(runs, listed)
	return nil
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

// countOf returns the records of a run that were not archived for a reason, or for any.
func countOf(run Facts, reason tally.Reason) (n int) {
	for code, k := range countsOf(run) {
		if reason == "" || reason == code {
			n += k
		}
	}
	return n
}

// itemsAsked returns what a request asks for.
func (r *Reader) itemsAsked(q *web.Request) (s scope, reason tally.Reason, err error) {
	if q.FormValue("run") == "" {
		if _, err := parseDay(q.FormValue("day")); err != nil {
			return scope{}, "", err
		}
	}
	reason = tally.Reason(q.FormValue("reason"))
	if _, known := reasonTexts[reason]; !known {
		reason = ""
	}
	s, err = r.scopeAsked(q, nil) // a day or a run is given
	return s, reason, err
}

// MaxReplay is the number of runs, or of batches, that one form asks to replay: each is a command.
const MaxReplay = 200

// replayForm is a form to replay all records of runs with a reason.
type replayForm struct {
	Runs        []string
	Records     int
	First, Last int // of all runs with the reason, from 1
}

// replayForms returns the forms that replay all records of the reason, one if the runs are not too many for it.
func replayForms(runs []Facts, reason tally.Reason) (forms []replayForm) {
	if !isReplayable(reason) {
		return nil
	}
	n := 0
	for _, run := range runs {
		if run.Reasons[reason] == 0 {
			continue
		}
		if n%MaxReplay == 0 {
			forms = append(forms, replayForm{First: n + 1})
		}
		n++
		f := &forms[len(forms)-1]
		f.Runs, f.Records, f.Last = append(f.Runs, run.Run), f.Records+run.Reasons[reason], n
	}
	return forms
}

// itemsPage is the data of the page of items.
type itemsPage struct {
	Items
	List
	Says, Do string // of the reason
	Reasons  []ReasonCount
	Forms    []replayForm // to replay all with the reason
}

// ItemsPage answers with the items of a day, or of a run, that were not archived; without both, with the reasons of the
// last 30 days.
func (r *Reader) ItemsPage(q *web.Request) (web.Answer, error) {
	if q.FormValue("day") == "" && q.FormValue("run") == "" {
		return r.reasonsPage(q)
	}
	s, reason, err := r.itemsAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	all, some := newItems(s, reason)
	some, part := s.cutRuns(some)
	err = r.addItems(q.Context(), &all, some, func(i Item) bool {
		if len(all.Items) < maxListed {
			all.Items = append(all.Items, i)
			return true
		}
		return false
	})
	if err != nil {
		return web.Answer{}, err
	}
	p := itemsPage{Items: all, Reasons: Account(s.day, s.runs).Reasons}
	p.Items.Items, p.List = cutPart(q, all.Items, s, part, "/items", "reason", reason)
	if reason != "" {
		p.Says, p.Do = NameReason(reason)
		p.Forms = replayForms(s.runs, reason)
	}
	return web.Page(pages.Page{Name: "items", Title: "Not archived, " + all.Day, Section: "items", Data: p}), nil
}

// reasonDay is a day of the overview of reasons.
type reasonDay struct {
	Day     string
	Total   int
	Reasons []ReasonCount
}

// Table returns the reasons with their links.
func (d reasonDay) Table() reasonTable { return reasonTable{Part{Day: d.Day}, d.Reasons} }

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
		for _, reason := range Account(day, Within(runs, day, day)).Reasons {
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

// addAll reads the items for a file, and counts what is not in it.
func (r *Reader) addAll(q *web.Request, s scope, all *Items, some []Facts, path string, add func(Item)) error {
	return r.readForFile(s, some, &all.Part, func(from string) string {
		return s.Address(path, "reason", all.Reason, "from", from)
	}, func(runs []Facts) error {
		return r.addItems(q.Context(), all, runs, func(i Item) bool { add(i); return true })
	})
}

// ItemsCSV answers with all items of all pages as a CSV.
func (r *Reader) ItemsCSV(q *web.Request) (web.Answer, error) {
	s, reason, err := r.itemsAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	head := []string{"Run", "Batch", "Line", "Records", "Kind", "Outcome", "Reason", "In words", "What to do"}
	return csvList("not-archived-"+s.Day+".csv", head, func(add func(...any)) error {
		all, some := newItems(s, reason)
		lines := 0
		err := r.addAll(q, s, &all, some, "/items/csv", func(i Item) {
			lines++
			add(i.Run, shortName(i.Run, i.Batch), i.Line, i.Records, i.Kind, i.Outcome, string(i.Reason), i.Says, i.Do)
		})
		add("Total", "", lines, all.Records, "", "", "", "", "")
		add("Not listed", "", "", all.More, "", "", "", "", "")
		if all.Left > 0 {
			add(all.rest(), "", "", "", "", "", "", "", "")
		}
		return err
	}), nil
}

// ItemsJSON answers with all items of all pages as JSON.
func (r *Reader) ItemsJSON(q *web.Request) (web.Answer, error) {
	s, reason, err := r.itemsAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonList("not-archived-"+s.Day+".json", "items", func(add func(any)) (any, error) {
		all, some := newItems(s, reason)
		err := r.addAll(q, s, &all, some, "/items/json", func(i Item) { add(i) })
		return all, err
	}), nil
}

// shortName returns the name of a batch, with its run, as a CSV has it: a spreadsheet would take 00001 for a number.
func shortName(run, row string) string { return archive.ShortName(tally.BatchOf(run, row)) }
