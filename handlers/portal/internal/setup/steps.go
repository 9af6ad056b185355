package setup

import (
	"net/http"
	"slices"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/control"
)

// The steps of the set-up, in their order. Their names are the last part of their paths.
const (
	stepTerms   = "terms"
	stepSource  = "source"
	stepMapping = "mapping"
	stepDomains = "domains"
	stepReview  = "review"
)

var steps = []struct{ name, title string }{
	{stepTerms, "Terms of service"},
	{stepSource, "Source"},
	{stepMapping, "User mapping"},
	{stepDomains, "Domains, sizes, start"},
	{stepReview, "Review and finish"},
}

// stepView is a step as a page shows it.
type stepView struct {
	Title, Path    string
	Done, Current  bool
	Open           bool // can be gone to
	Number, OfThem int
}

func viewSteps(st state, current string) (all []stepView) {
	open := true
	for i, step := range steps {
		done := isDone(st, step.name)
		all = append(all, stepView{Title: step.title, Path: "/setup/" + step.name, Done: done, Open: open,
			Current: step.name == current, Number: i + 1, OfThem: len(steps)})
		open = open && done
	}
	return all
}

// isDone reports whether a step of the set-up is done.
func isDone(st state, step string) bool {
	switch step {
	case stepTerms:
		return hasTerms(st.connector)
	case stepReview:
		return st.connector.Finished != nil
	}
	_, done := st.draft.Done[step]
	return done
}

// hasTerms reports whether the terms that are in force now were accepted.
func hasTerms(c control.Connector) bool { return c.Terms != nil && c.Terms.Version == TermsVersion }

// firstOpen returns the first step that is not done.
func firstOpen(st state) string {
	for _, step := range steps {
		if !isDone(st, step.name) {
			return step.name
		}
	}
	return stepReview
}

// Begin answers GET /setup: it leads to the step that is to be done next.
func (s *Setup) Begin(r *web.Request) (web.Answer, error) {
	st, err := s.load(r)
	if err != nil {
		return web.Answer{}, err
	}
	if st.connector.Finished != nil && hasTerms(st.connector) {
		return web.SeeOther("/settings"), nil
	}
	if !hasTerms(st.connector) {
		return web.SeeOther("/setup/" + stepTerms), nil
	}
	return web.SeeOther("/setup/" + firstOpen(st)), nil
}

// Step answers GET /setup/{step}.
func (s *Setup) Step(r *web.Request) (web.Answer, error) {
	st, answer, err := s.enter(r)
	if err != nil || answer != nil {
		return orNothing(answer), err
	}
	switch r.PathValue("step") {
	case stepTerms:
		return s.showTerms(r, st, "")
	case stepSource:
		return s.showSource(r, st, sourceForm{wizard: true})
	case stepMapping:
		return s.showMapping(r, st, true, nil)
	case stepDomains:
		return s.showParts(r, st, wizardParts, true, nil, nil)
	default:
		return s.showReview(r, st)
	}
}

// Send answers POST /setup/{step}.
func (s *Setup) Send(r *web.Request) (web.Answer, error) {
	st, answer, err := s.enter(r)
	if err == nil && answer != nil && r.PathValue("step") == stepReview {
		st, err = s.load(r) // after the draft: the same form may have ended the set-up just now
		if to := finishedBy(r, st.connector); err == nil && to != "" {
			return web.SeeOther(to), nil
		}
	}
	if err != nil || answer != nil {
		return orNothing(answer), err
	}
	switch r.PathValue("step") {
	case stepTerms:
		return s.sendTerms(r, st)
	case stepSource:
		return s.sendSource(r, st, true)
	case stepMapping:
		return s.sendMapping(r, st, true)
	case stepDomains:
		return s.sendParts(r, st, wizardParts, true)
	default:
		return s.finish(r, st)
	}
}

// enter loads the state for a step. answer is not nil if the person is sent elsewhere, because a step before it is not
// done, or because the set-up is finished.
func (s *Setup) enter(r *web.Request) (st state, answer *web.Answer, err error) {
	step := r.PathValue("step")
	if !slices.ContainsFunc(steps, func(each struct{ name, title string }) bool { return each.name == step }) {
		return st, nil, web.ErrNotFound
	}
	if st, err = s.load(r); err != nil {
		return st, nil, err
	}
	elsewhere := ""
	switch {
	case step == stepTerms:
	case !hasTerms(st.connector):
		elsewhere = "/setup/" + stepTerms
	case st.connector.Finished != nil:
		elsewhere = "/settings"
	default:
		for _, before := range steps {
			if before.name == step {
				break
			}
			if !isDone(st, before.name) {
				elsewhere = "/setup/" + before.name
				break
			}
		}
	}
	if elsewhere != "" {
		a := web.SeeOther(elsewhere)
		return st, &a, nil
	}
	return st, nil, nil
}

func orNothing(a *web.Answer) web.Answer {
	if a == nil {
		return web.Answer{}
	}
	return *a
}

// nextOf returns the path of the step after one.
func nextOf(step string) string {
	for i, each := range steps {
		if each.name == step && i+1 < len(steps) {
			return "/setup/" + steps[i+1].name
		}
	}
	return "/setup"
}

// errFinished is the answer to a form of a set-up that has ended meanwhile.
var errFinished = &web.Error{Status: http.StatusConflict, Says: "The set-up was finished meanwhile.",
	Do: "Look at the settings, and change there what is to be changed."}
