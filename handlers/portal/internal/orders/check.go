package orders

import (
	"context"
	"errors"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// checkPage is the data of the page of the check.
type checkPage struct {
	Checks  []shown // the latest of each app
	Mailbox string  // of the latest check, for an administrator
	Open    bool
	Form    bool
}

// checks returns the latest check of each app.
func (o *Office) checks(q *web.Request) (p checkPage, err error) {
	all, err := o.list(q.Context())
	if err != nil {
		return p, err
	}
	admin := q.Person.Role == identity.Admin
	for _, app := range []string{settings.Fetch, settings.Import} {
		s, found, err := o.latestCheck(q.Context(), all, app, admin)
		if err != nil {
			return p, err
		}
		if !found {
			continue
		}
		p.Checks = append(p.Checks, s)
		p.Open = p.Open || s.Open
		if admin && s.Command.Mailbox != "" {
			p.Mailbox = s.Command.Mailbox
		}
	}
	return p, nil
}

// latestCheck returns the latest check of an app. Commands whose kind the listing does not have were given by a script;
// only the latest shownOnPage of them are read.
func (o *Office) latestCheck(ctx context.Context, all []control.Listed, app string, admin bool) (
	s shown, found bool, err error) {
	tries := 0
	for _, l := range all {
		if l.App != app || l.Kind != control.Check && l.Kind != "" || tries == shownOnPage {
			continue
		}
		tries++
		some, err := o.read(ctx, []control.Listed{l}, admin)
		if err != nil {
			return s, false, err
		}
		if len(some) == 1 && some[0].Command.Kind == control.Check {
			return some[0], true, nil
		}
	}
	return s, false, nil
}

// CheckPage answers with the latest checks.
func (o *Office) CheckPage(q *web.Request) (web.Answer, error) {
	p, err := o.checks(q)
	if err != nil {
		return web.Answer{}, err
	}
	p.Form = q.Person.Role == identity.Admin
	return web.Page(pages.Page{Name: "check", Title: "Check", Section: "check", Data: p}), nil
}

// CheckLive answers with the part of the page that changes.
func (o *Office) CheckLive(q *web.Request) (web.Answer, error) {
	p, err := o.checks(q)
	if err != nil {
		return web.Answer{}, err
	}
	return web.Live(pages.Page{Name: "check", Title: "Check", Section: "check", Data: p}), nil
}

// GiveCheck answers POST /check: it asks both apps for a check. Without a mailbox for its test message import checks
// all the rest.
func (o *Office) GiveCheck(q *web.Request) (web.Answer, error) {
	mailbox := typedIn(q, "mailbox")
	err := o.giveChecks(q, mailbox)
	refused, isRefused := errors.AsType[*web.Error](err)
	switch {
	case err == nil:
		return web.SeeOther("/check"), nil
	case !isRefused:
		return web.Answer{}, err
	}
	p, err := o.checks(q)
	if err != nil {
		return web.Answer{}, err
	}
	p.Form, p.Mailbox = true, mailbox
	return web.Page(pages.Page{Name: "check", Title: "Check", Section: "check", Data: p}).Refused(refused), nil
}

// giveChecks asks both apps for a check.
func (o *Office) giveChecks(q *web.Request, mailbox string) error {
	_, err := o.give(q, settings.Fetch, "", control.Command{Kind: control.Check}, Change{Object: settings.Fetch})
	if err != nil {
		return err
	}
	_, err = o.give(q, settings.Import, settings.Import, control.Command{Kind: control.Check, Mailbox: mailbox},
		Change{Object: settings.Import})
	return err
}
