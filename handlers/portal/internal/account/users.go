package account

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// User is a person with the copies in the person's mailbox.
type User struct {
	Name  string       `json:"name"` // the address of the mailbox, masked for readers
	Kinds []UserCopies `json:"kinds"`
	tally.Copies
	Total int `json:"total"`
}

// UserCopies counts the copies of one kind.
type UserCopies struct {
	Kind string `json:"kind"`
	tally.Copies
	Total int `json:"total"`
}

// Users is the list of the people of a day.
type Users struct {
	Day    string       `json:"day"`
	Users  []User       `json:"users"`
	Sum    tally.Copies `json:"sum"`
	Total  int          `json:"total"`
	Ended  int          `json:"endedRuns"` // whose copies are counted
	OfRuns int          `json:"runs"`
}

// people returns the documents with the users of days, and the names of mailboxes, read at the same time.
func (r *Reader) people(ctx context.Context, days ...time.Time) (users []tally.Users, names tally.Names, err error) {
	users = make([]tally.Users, len(days))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, day := range days {
		group.Go(func() error {
			_, err := r.document(ctx, tally.UsersName(day), &users[i])
			return err
		})
	}
	group.Go(func() error {
		_, err := r.document(ctx, tally.NamesDocument, &names)
		return err
	})
	err = group.Wait() // before the results are read
	return users, names, err
}

// runsAndPeople returns the day that a request asks for, or the latest one with a closed run that was read. runs are
// those of the day; users and names are what people returns for it and for the same weekday of so many weeks before,
// read at the same time.
func (r *Reader) runsAndPeople(q *web.Request, weeks int) (day time.Time, runs []Facts, users []tally.Users,
	names tally.Names, err error) {
	day, runs, read, err := r.askedDay(q, func(run Facts) bool {
		return run.Closed && !status.IsUnread(run.Outcome)
	})
	if err != nil {
		return day, nil, nil, names, err
	}
	days := []time.Time{day}
	for week := range weeks {
		days = append(days, day.AddDate(0, 0, -7*(week+1)))
	}
	group, ctx := errgroup.WithContext(q.Context())
	if !read {
		group.Go(func() (err error) { runs, err = r.Runs(ctx, day, day); return err })
	}
	group.Go(func() (err error) { users, names, err = r.people(ctx, days...); return err })
	err = group.Wait() // before the results are read
	return day, runs, users, names, err
}

// nameMailbox returns how a mailbox is shown.
func nameMailbox(names tally.Names, id string, admin bool) string {
	if name := names.Names[id]; name != "" {
		return showName(name, admin)
	}
	return showName("mailbox "+id, admin)
}

func totalOf(c tally.Copies) int { return c.Imported + c.Duplicate + c.Oversize + c.Failed + c.Pending }

func addCopies(a, b tally.Copies) tally.Copies {
	a.Imported += b.Imported
	a.Duplicate += b.Duplicate
	a.Oversize += b.Oversize
	a.Failed += b.Failed
	a.Pending += b.Pending
	return a
}

// usersOf returns the people of a day: those with the most copies first.
func usersOf(day time.Time, doc tally.Users, names tally.Names, admin bool) Users {
	all := Users{Day: day.Format(time.DateOnly), Users: []User{}, Ended: len(doc.Runs)}
	sum := doc.Sum()
	for _, id := range sortedKeys(sum) {
		u := User{Name: nameMailbox(names, id, admin), Kinds: []UserCopies{}}
		for _, kind := range sortedKeys(sum[id]) {
			n := sum[id][kind]
			u.Kinds = append(u.Kinds, UserCopies{NameKind(kind), n, totalOf(n)})
			u.Copies = addCopies(u.Copies, n)
		}
		u.Total = totalOf(u.Copies)
		all.Users = append(all.Users, u)
		all.Sum = addCopies(all.Sum, u.Copies)
		all.Total += u.Total
	}
	slices.SortStableFunc(all.Users, func(a, b User) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// usersAsked returns the people of the day that a request asks for.
func (r *Reader) usersAsked(q *web.Request) (Users, error) {
	day, runs, docs, names, err := r.runsAndPeople(q, 0)
	if err != nil {
		return Users{}, err
	}
	users := usersOf(day, docs[0], names, q.Person.Role == identity.Admin)
	users.OfRuns = withBatches(runs)
	return users, nil
}

// UsersPage answers with the people of a day.
func (r *Reader) UsersPage(q *web.Request) (web.Answer, error) {
	users, err := r.usersAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	p := struct {
		Users
		List
	}{Users: users}
	p.Users.Users, p.List = cutPage(q, users.Users, pageOf("/users", url.Values{"day": {users.Day}}))
	return web.Page(pages.Page{Name: "users", Title: "People, " + users.Day, Section: "users", Data: p}), nil
}

// UsersCSV answers with all people of a day as a CSV.
func (r *Reader) UsersCSV(q *web.Request) (web.Answer, error) {
	users, err := r.usersAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return csvFile("people-"+users.Day+".csv", users.table()), nil
}

// UsersJSON answers with all people of a day as JSON.
func (r *Reader) UsersJSON(q *web.Request) (web.Answer, error) {
	users, err := r.usersAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return jsonFile("people-"+users.Day+".json", users), nil
}

// table returns the people as rows that end in their total.
func (a Users) table() table {
	t := table{head: []string{"Person", "Kind", "Imported", "Duplicate", "Oversize", "Failed", "Pending", "Copies"}}
	for _, u := range a.Users {
		for _, k := range u.Kinds {
			t.rows = append(t.rows, copiesRow(u.Name, k.Kind, k.Copies, k.Total))
		}
	}
	t.rows = append(t.rows, copiesRow("Total", "", a.Sum, a.Total))
	return t
}

func copiesRow(name, kind string, c tally.Copies, total int) []any {
	return []any{name, kind, c.Imported, c.Duplicate, c.Oversize, c.Failed, c.Pending, total}
}
