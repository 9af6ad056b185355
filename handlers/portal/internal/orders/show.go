package orders

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/account"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// shown is a command as it is shown.
type shown struct {
	control.Given
	Address string
	Title   string
	About   string // what it is about
	State   string
	Class   string
	Says    string
	Open    bool // something more happens
	Percent int
	Counts  []count
}

type count struct {
	What string
	N    int64
}

// titles are the kinds of commands in words.
var titles = map[control.Kind]string{control.Run: "Fetch now", control.Backfill: "Backfill",
	control.Estimate: "Estimate",
	control.Replay:   "Replay", control.DryRun: "Dry run", control.Tally: "Totals", control.Check: "Check",
	control.PauseApp: "Pause", control.ResumeApp: "Start"}

// classes are the classes of the states' colours.
var classes = map[string]string{control.Taken: "wait", control.Working: "wait", control.Done: "ok",
	control.Refused: "bad",
	control.Failed:  "bad"}

// countNames are the counts of an answer in words, in the order in which they are shown.
var countNames = []struct{ name, what string }{
	{control.CountItems, "items in the range, by the source's own count"},
	{control.CountUnknown, "windows that the source states no count for"},
	{control.CountZIPs, "ZIPs for the days of the range"}, {control.CountBytes, "bytes of these ZIPs"},
	{control.CountRecords, "records looked at"}, {control.CountImport, "records that would be imported"},
	{control.CountPresent, "records that are in their mailboxes already"},
	{control.CountUnmapped, "records without a mailbox"}, {control.CountExcluded, "records excluded by rule"},
	{control.CountQuarantined, "records that can't be read"},
	{control.CountOpen, "records for which the directory has no answer now"},
	{control.CountCopies, "copies that would be imported"},
	{control.CountOversize, "of these copies, without what is too large"},
}

// describeGiven returns a command as it is shown to a person.
func describeGiven(g control.Given, admin bool) shown {
	s := shown{Given: g, Address: addressOf(g.App, g.Command.Name), Title: titles[g.Command.Kind], State: "waits",
		Class: "wait", Open: true, Says: "The app takes it up within ten minutes."}
	if s.Title == "" {
		s.Title = "Command that can't be read"
	}
	c := g.Command
	switch {
	case !c.From.IsZero():
		last := c.To.Add(-time.Second)
		s.About = c.From.Format(dayForm) + " through " + last.Format(dayForm) + " (UTC)"
	case c.Mailbox != "":
		s.About = "with a test message for " + pages.Mask(c.Mailbox, admin)
	case c.What != "":
		s.About = strings.TrimSuffix(c.What, "/")
		if n := len(c.Lines); n == 1 {
			s.About += ", one line"
		} else if n > 1 {
			s.About += ", chosen lines"
		}
		if c.Reason != "" {
			says, _ := account.NameReason(account.ParseReason(c.Reason))
			s.About += ": " + says
		}
	}
	if a := g.Answer; a != nil {
		s.State, s.Class, s.Says = a.State, classes[a.State], a.Says
		s.Open = a.State == control.Taken || a.State == control.Working
		if a.Of > 0 {
			s.Percent = min(100, a.Done*100/a.Of)
		}
		for _, known := range countNames {
			if n, there := a.Counts[known.name]; there {
				s.Counts = append(s.Counts, count{known.what, n})
			}
		}
	}
	return s
}

// containers returns where the apps write their answers.
func (o *Office) containers() map[string]*archive.Documents {
	return map[string]*archive.Documents{settings.Fetch: o.opts.Status, settings.Import: o.opts.Reports}
}

// list returns all commands, the latest first, as far as a listing has them.
func (o *Office) list(ctx context.Context) ([]control.Listed, error) {
	all, err := control.ListGiven(ctx, o.opts.Commands, o.containers())
	if errors.Is(err, control.ErrTooMany) {
		return nil, &web.Error{Status: http.StatusInternalServerError,
			Says: "There are too many commands to list them.",
			Do:   "Delete the oldest in the containers commands, status and reports of the archive's storage account."}
	}
	return all, err
}

// read returns commands of a list as they are shown.
func (o *Office) read(ctx context.Context, some []control.Listed, admin bool) (all []shown, err error) {
	given, err := control.ReadListed(ctx, o.opts.Commands, o.containers(), some)
	for _, g := range given {
		all = append(all, describeGiven(g, admin))
	}
	return all, err
}

// commandsPage is the data of the page of commands.
type commandsPage struct {
	Commands []shown
	Apps     []appState
	N        int // of the document that the page shows
	Open     bool
	Broken   string // why the settings can't be read
	Today    string

	// What a form held that was refused.
	FromDay, Through, What string

	From, To, Total int    // of the list
	Newer, Older    string // addresses of the neighbouring pages, "" for none
}

// CommandsPage answers with the forms of the commands, and one page of those that were given. However many these are,
// it costs a listing of the commands and of the answers of each app, and reads the documents of shownOnPage commands at
// most, the settings, and where these say nothing about an app, what it shows of its work.
func (o *Office) CommandsPage(q *web.Request) (web.Answer, error) {
	p := commandsPage{Today: o.opts.Now().UTC().Format(dayForm), FromDay: typedIn(q, "from"),
		Through: typedIn(q, "through"), What: typedIn(q, "what")}
	all, err := o.list(q.Context())
	if err != nil {
		return web.Answer{}, err
	}
	some := p.cut(q, all)
	var connector control.Connector
	group, ctx := errgroup.WithContext(q.Context())
	group.Go(func() (err error) {
		p.Commands, err = o.read(ctx, some, q.Person.Role == identity.Admin)
		return err
	})
	group.Go(func() (err error) { // after the list: what was carried out before it is in the settings
		connector, err = control.LoadConnector(ctx, o.opts.Settings)
		if errors.Is(err, control.ErrConnector) {
			p.Broken, err = err.Error(), nil
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return web.Answer{}, err
	}
	ends, err := o.endsOf(q.Context(), p.Commands, all, connector.Pauses)
	if err != nil {
		return web.Answer{}, err
	}
	for i := range p.Commands {
		c := &p.Commands[i]
		if c.App == control.Portal {
			c.describePause(connector, p.Broken != "", ends)
		}
		p.Open = p.Open || c.Open
	}
	p.N = connector.N
	if p.Broken == "" {
		if p.Apps, err = o.appStates(q.Context(), connector); err != nil {
			return web.Answer{}, err
		}
	}
	return web.Page(pages.Page{Name: "commands", Title: "Commands", Section: "commands", Data: p}), nil
}

// cut returns the commands of the page that is asked for.
func (p *commandsPage) cut(q *web.Request, all []control.Listed) []control.Listed {
	cut := web.CutPage(q.FormValue("page"), len(all), shownOnPage)
	p.From, p.To, p.Total = min(cut.Begin+1, cut.End), cut.End, len(all)
	if cut.Former > 0 {
		p.Newer = "/commands?page=" + strconv.Itoa(cut.Former)
	}
	if cut.Next > 0 {
		p.Older = "/commands?page=" + strconv.Itoa(cut.Next)
	}
	return all[cut.Begin:cut.End]
}

// commandAsked returns the command in the path.
func (o *Office) commandAsked(q *web.Request) (shown, error) {
	app := q.PathValue("app")
	if o.answers(app) == nil {
		return shown{}, web.ErrNotFound
	}
	g, err := control.ReadGiven(q.Context(), o.opts.Commands, o.answers(app), app, q.PathValue("id"))
	if errors.Is(err, archive.ErrNotFound) {
		return shown{}, web.ErrNotFound
	}
	return describeGiven(g, q.Person.Role == identity.Admin), err
}

// commandPage is the data of the page of a command.
type commandPage struct {
	shown
	Form          bool   // the page may have a form
	Live          bool   // it is the part that changes
	From, Through string // days of an estimate, for the form of the backfill
}

// CommandPage answers with a command and its answer.
func (o *Office) CommandPage(q *web.Request) (web.Answer, error) {
	s, err := o.commandAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	p := commandPage{shown: s, Form: q.Person.Role == identity.Admin && s.Command.Kind == control.Estimate && !s.Open}
	if p.Form {
		p.From, p.Through = s.Command.From.Format(dayForm), s.Command.To.Add(-time.Second).Format(dayForm)
	}
	return web.Page(pages.Page{Name: "command", Title: s.Title, Section: "commands", Data: p}), nil
}

// CommandLive answers with the part of the page that changes.
func (o *Office) CommandLive(q *web.Request) (web.Answer, error) {
	s, err := o.commandAsked(q)
	if err != nil {
		return web.Answer{}, err
	}
	return web.Live(pages.Page{Name: "command", Title: s.Title, Section: "commands", Data: commandPage{shown: s,
		Live: true}}), nil
}
