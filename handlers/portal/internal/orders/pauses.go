package orders

import (
	"o2archiver/shared/control"
)

// maxPauses is the number of pauses and starts, the latest ones, by which it is known what has ended a former one.
const maxPauses = 200

// latestPauses returns the latest pauses and starts of a list.
func latestPauses(all []control.Listed) (some []control.Listed) {
	for _, l := range all {
		if l.App == control.Portal && len(some) < maxPauses {
			some = append(some, l)
		}
	}
	return some
}

// endsOf returns, by the name of a pause or a start, the next one of the same app. all has the latest first.
func endsOf(all []control.Given) map[string]*control.Given {
	ends, next := map[string]*control.Given{}, map[string]*control.Given{}
	for i := range all {
		g := &all[i]
		ends[g.Command.Name] = next[g.Command.App]
		next[g.Command.App] = g
	}
	return ends
}

// describePause sets what is shown of a pause or a start: whether it is in force, or what has ended it. next is the
// next one of its app.
func (s *shown) describePause(next *control.Given, c control.Connector, unknown bool) {
	s.Address, s.Open = "", false
	pause, app := s.Command.Kind == control.PauseApp, s.Command.App
	s.Title += " " + app
	paused, said := c.Paused[app]
	switch {
	case next != nil:
		s.State, s.Class = "ended", ""
		s.Says = "Until " + next.Command.Asked.UTC().Format("2 Jan 2006, 15:04 UTC") + ", when " + orNotKnown(next.By) +
			" gave the command " + titles[next.Command.Kind] + " " + app + "."
	case unknown:
		s.State, s.Class, s.Says = "not known", "wait", "The settings can't be used."
	case !said || paused != pause:
		s.State, s.Class = "ended", ""
		s.Says = "What holds now was set another way: by infra/command, by the set-up, or by an earlier version of the " +
			"settings."
	case pause:
		s.State, s.Class, s.Says = "in force", "wait", "The app is paused since then, and nothing is lost by it."
	default:
		s.State, s.Class, s.Says = "in force", "ok", "The app works since then."
	}
}

func orNotKnown(by string) string {
	if by == "" {
		return "someone not known"
	}
	return by
}
