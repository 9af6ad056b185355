package account

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/tally"
)

const (
	usualWeeks = 4 // same weekdays before, with which a day is compared
	usualLeast = 3 // of these with messages, for traffic to be usual
)

// Silent is the list of the people who usually have messages and had none on a day.
type Silent struct {
	Day string `json:"day"`
	Stand
	Week   string       `json:"weekday"`
	Known  int          `json:"formerDays"` // that are counted, of four
	Others int          `json:"withMessages"`
	Silent []SilentUser `json:"silent"`
}

// SilentUser is a person without messages on the day.
type SilentUser struct {
	Name  string `json:"name"`  // masked for readers
	Usual int    `json:"usual"` // copies on a usual day of this kind
}

// silentOf compares a day with the same weekdays before.
func silentOf(day time.Time, docs []tally.Users, names tally.Names, admin bool) Silent {
	s := Silent{Day: day.Format(time.DateOnly), Week: day.Weekday().String(), Silent: []SilentUser{}}
	now := docs[0].Sum()
	s.Others = len(now)
	days, copies := map[string]int{}, map[string]int{}
	for _, doc := range docs[1:] {
		if len(doc.Runs) > 0 {
			s.Known++
		}
		for id, kinds := range doc.Sum() {
			days[id]++
			for _, n := range kinds {
				copies[id] += totalOf(n)
			}
		}
	}
	for _, id := range sortedKeys(days) {
		if _, there := now[id]; !there && days[id] >= usualLeast {
			s.Silent = append(s.Silent, SilentUser{nameMailbox(names, id, admin), copies[id] / days[id]})
		}
	}
	slices.SortStableFunc(s.Silent, func(a, b SilentUser) int { return cmp.Compare(b.Usual, a.Usual) })
	return s
}

// silentAsked returns the silent people of the day that a request asks for.
func (r *Reader) silentAsked(q *web.Request) (Silent, error) {
	day, runs, docs, names, err := r.runsAndPeople(q, usualWeeks)
	if err != nil {
		return Silent{}, err
	}
	s := silentOf(day, docs, names, q.Person.Role == identity.Admin)
	s.Stand = standOf(day, runs)
	if n := withBatches(runs); s.Stand.Open == 0 && len(docs[0].Runs) < n {
		s.Stand.Open = n - len(docs[0].Runs) // their copies are not counted yet
	}
	return s, nil
}

// SilentPage answers with the people who usually have messages and had none.
func (r *Reader) SilentPage(q *web.Request) (web.Answer, error) {
	s, err := r.silentAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	p := struct {
		Silent
		List
	}{Silent: s}
	p.Silent.Silent, p.List = cutPage(q, p.Silent.Silent, pageOf("/silent", url.Values{"day": {p.Day}}))
	return web.Page(pages.Page{Name: "silent", Title: "Silent people, " + p.Day, Section: "users", Data: p}), nil
}

// SilentCSV answers with all people of the page as a CSV.
func (r *Reader) SilentCSV(q *web.Request) (web.Answer, error) {
	s, err := r.silentAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	t := table{head: []string{"Person", "Copies on a usual " + s.Week}}
	for _, u := range s.Silent {
		t.rows = append(t.rows, []any{u.Name, u.Usual})
	}
	t.rows = append(t.rows, []any{"Total: people " + strconv.Itoa(len(s.Silent)), ""},
		[]any{"With messages", s.Others}, []any{"Former days that are counted", s.Known},
		[]any{"Runs of the day that are not finished", s.Open})
	return csvFile("silent-"+s.Day+".csv", t), nil
}

// SilentJSON answers with all people of the page as JSON.
func (r *Reader) SilentJSON(q *web.Request) (web.Answer, error) {
	s, err := r.silentAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile("silent-"+s.Day+".json", s), nil
}
