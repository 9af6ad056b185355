// Package orders turns the administrator's forms into commands to the apps, and shows what becomes of them. A command
// is a document: an app that is stopped or killed finds it later, and the page only watches.
//
// What a form asks for is done once, however often it is sent. The name of its command follows from the form: its id,
// and the time at which its page was made.
package orders

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// Change is what a person is about to ask for, for the audit log. It holds no number and no address.
type Change struct {
	Person identity.Person
	Form   string // id of the form
	Action string // command.<kind>
	Object string // a run, batch or app
	Count  int64  // of lines or records
}

// Options holds what an Office works with.
type Options struct {
	Commands *archive.Documents // are written
	Status   *archive.Documents // has the answers of fetch
	Reports  *archive.Documents // has the answers of import
	Settings *archive.Documents // has the pause
	Now      func() time.Time

	// Record writes a line of the audit log, before the command is given. It is harmless twice.
	Record func(context.Context, Change) error
}

// Office is where commands are given. It holds no state and is safe for concurrent use.
type Office struct{ opts Options }

// New returns an Office. It makes no request.
func New(o Options) *Office { return &Office{o} }

const (
	formAge     = 24 * time.Hour // after which a form is not used
	clockError  = 5 * time.Minute
	shownOnPage = 20 // commands
	askedField  = "asked"
	confirmed   = "yes"
	dayForm     = time.DateOnly
	oneDay      = 24 * time.Hour
	longestSpan = 370 * oneDay
)

// answers returns where an app writes its answers; nil for an app that there is not.
func (o *Office) answers(app string) *archive.Documents {
	return o.containers()[app]
}

// askedAt returns when the page with the form was made: a page is made once, so the time is the same however often its
// form is sent.
func (o *Office) askedAt(q *web.Request) (time.Time, error) {
	seconds, err := strconv.ParseInt(q.PostFormValue(askedField), 10, 64)
	at := time.Unix(seconds, 0).UTC()
	age := o.opts.Now().Sub(at)
	if err != nil || age > formAge || age < -clockError {
		return time.Time{}, &web.Error{Status: http.StatusConflict,
			Says: "The page was too old for its form to be used.",
			Do:   "Look at what the page shows now, and send its form again."}
	}
	return at, nil
}

// give writes a command, after its line of the audit log. part tells the commands of one form from each other.
func (o *Office) give(q *web.Request, app, part string, c control.Command, change Change) (name string, err error) {
	at, err := o.askedAt(q)
	if err != nil {
		return "", err
	}
	id := q.FormID
	if part != "" {
		sum := sha256.Sum256([]byte(q.FormID + "\n" + part))
		id = hex.EncodeToString(sum[:16])
	}
	if err := control.CheckCommand(app, c); err != nil { // before a word of it is in the log, which is never changed
		return "", explainRefusal(err)
	}
	change.Person, change.Form, change.Action = q.Person, id, "command."+string(c.Kind)
	if err := o.opts.Record(q.Context(), change); err != nil {
		return "", fmt.Errorf("write the audit log: %w", err)
	}
	name, err = control.Give(q.Context(), o.opts.Commands, app, at, id, q.Person.Name, c)
	switch {
	case errors.Is(err, control.ErrCommand):
		return "", explainRefusal(err)
	case errors.Is(err, control.ErrGiven):
		return "", &web.Error{Status: http.StatusConflict, Says: "This form was sent before, with other content.",
			Do: "Look at the page Commands for what was asked, and send the form of a page that was loaded anew."}
	}
	return name, err
}

// explainRefusal returns the error of a command for a page.
func explainRefusal(err error) error {
	if !errors.Is(err, control.ErrCommand) {
		return err
	}
	return &web.Error{Status: http.StatusBadRequest, Says: "This can't be asked for: " + err.Error() + ".",
		Do: "Correct the form, and send it again."}
}

func addressOf(app, name string) string { return "/commands/" + app + "/" + name }

// GiveCommand answers POST /commands/{kind}.
func (o *Office) GiveCommand(q *web.Request) (web.Answer, error) {
	switch kind := q.PathValue("kind"); kind {
	case "pause", "resume":
		return o.setPause(q, kind == "pause")
	case string(control.Run):
		return o.giveOne(q, settings.Fetch, control.Command{Kind: control.Run}, "")
	case string(control.Estimate), string(control.Backfill):
		from, to, err := o.readRange(q)
		if err != nil {
			return o.showRefused(q, err)
		}
		answer, err := o.giveOne(q, settings.Fetch, control.Command{Kind: control.Kind(kind), From: from, To: to},
			from.Format(dayForm)+" to "+to.Format(dayForm))
		if err != nil {
			return o.showRefused(q, err)
		}
		return answer, nil
	case string(control.DryRun):
		what := typedIn(q, "what")
		answer, err := o.giveOne(q, settings.Import, control.Command{Kind: control.DryRun, What: what}, what)
		if err != nil {
			return o.showRefused(q, err)
		}
		return answer, nil
	case string(control.Tally):
		return o.giveOne(q, settings.Import, control.Command{Kind: control.Tally}, "")
	}
	return web.Answer{}, web.ErrNotFound
}

// typedIn returns what a person has typed into a field, or pasted, without blanks around it.
func typedIn(q *web.Request, field string) string { return strings.TrimSpace(q.PostFormValue(field)) }

// showRefused returns the page of commands with what a form of it held, and why that was refused. An error that is no
// refusal is returned.
func (o *Office) showRefused(q *web.Request, err error) (web.Answer, error) {
	refused, ok := errors.AsType[*web.Error](err)
	if !ok {
		return web.Answer{}, err
	}
	answer, err := o.CommandsPage(q)
	if err != nil {
		return answer, err
	}
	return answer.Refused(refused), nil
}

func (o *Office) giveOne(q *web.Request, app string, c control.Command, object string) (web.Answer, error) {
	name, err := o.give(q, app, "", c, Change{Object: cutObject(object)})
	if err != nil {
		return web.Answer{}, err
	}
	return web.SeeOther(addressOf(app, name)), nil
}

// cutObject returns a text as it may stand in the audit log: what a person typed may be anything.
func cutObject(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s) && i < 128; i++ {
		if c := s[i]; c >= ' ' && c <= '~' {
			out = append(out, c)
		}
	}
	return string(out)
}

// readRange reads days of UTC, of which the last is included. What had not come yet when the page was made is left out:
// a form that is sent twice asks for the same range.
func (o *Office) readRange(q *web.Request) (from, to time.Time, err error) {
	made, err := o.askedAt(q)
	if err != nil {
		return from, to, err
	}
	from, errFrom := time.Parse(dayForm, typedIn(q, "from"))
	last, errLast := time.Parse(dayForm, typedIn(q, "through"))
	to = last.Add(oneDay)
	says := ""
	switch {
	case errFrom != nil || errLast != nil:
		says = "The first or the last day is missing, or not a day."
	case to.Before(from) || to.Equal(from):
		says = "The last day is before the first."
	case !from.Before(made):
		says = "The first day has not come yet."
	case to.Sub(from) > longestSpan:
		says = "The range is longer than a year."
	}
	if says != "" {
		return from, to, &web.Error{Status: http.StatusBadRequest, Says: says,
			Do: "Enter the first and the last day, such as 2026-11-01, both in UTC."}
	}
	if to.After(made) {
		to = made
	}
	return from, to, nil
}

// errSame ends an update that would change nothing.
var errSame = errors.New("it is so already")

// setPause pauses an app, or starts it again. The form's field n holds the number of the document that the person saw,
// so a form that comes again later does not undo what another person has done since. The command is written first, to
// be shown; the pause is written with the command's name, by which the list knows that it was carried out. If the
// process dies between the two, the form that is sent again writes the pause; otherwise the list says that the command
// was not carried out.
func (o *Office) setPause(q *web.Request, pause bool) (web.Answer, error) {
	app := q.PostFormValue("app")
	if o.answers(app) == nil {
		return web.Answer{}, web.ErrNotFound
	}
	if _, err := o.askedAt(q); err != nil {
		return web.Answer{}, err
	}
	connector, err := control.LoadConnector(q.Context(), o.opts.Settings)
	if err != nil {
		return web.Answer{}, explainConnector(err)
	}
	seen := q.PostFormValue("n")
	check := func(c control.Connector) error {
		if now, said := c.Paused[app]; said && now == pause {
			return errSame
		}
		if seen != strconv.Itoa(c.N) {
			return web.ErrChanged
		}
		return nil
	}
	switch err := check(connector); {
	case errors.Is(err, errSame): // it came twice
		return web.SeeOther("/commands"), nil
	case err != nil:
		return web.Answer{}, err
	}
	kind := map[bool]control.Kind{true: control.PauseApp, false: control.ResumeApp}[pause]
	name, err := o.give(q, control.Portal, strings.Join([]string{string(kind), app, seen}, " "),
		control.Command{Kind: kind, App: app}, Change{Object: app})
	if err != nil {
		return web.Answer{}, err
	}
	_, err = control.UpdateConnector(q.Context(), o.opts.Settings, func(c *control.Connector) error {
		if err := check(*c); err != nil {
			return err
		}
		c.SetPaused(app, pause, name, o.opts.Now())
		return nil
	})
	if err != nil && !errors.Is(err, errSame) {
		return web.Answer{}, explainConnector(err)
	}
	return web.SeeOther("/commands"), nil
}

// explainConnector returns an error about connector.json for a page.
func explainConnector(err error) error {
	if !errors.Is(err, control.ErrConnector) {
		return err
	}
	return &web.Error{Status: http.StatusConflict, Says: "The settings can't be changed: " + err.Error(),
		Do: "Put the former version of settings/connector.json in its place; the folder history has it."}
}
