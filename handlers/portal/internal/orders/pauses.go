package orders

import (
	"context"
	"time"

	"o2archiver/shared/control"
)

// endsOf returns, by their names, the commands that ended the pauses and starts among some. However many there are, it
// reads at most as many documents as some has commands, and none of what the list has whole.
func (o *Office) endsOf(ctx context.Context, some []shown, all []control.Listed, p control.Pauses) (
	ends map[string]control.Given, err error) {
	wanted := map[string]bool{}
	for _, s := range some {
		if _, next := p.Of(s.Command.Name); s.App == control.Portal && next != nil {
			wanted[next.Command] = true
		}
	}
	var listed []control.Listed
	for _, l := range all {
		if l.App == control.Portal && wanted[l.Name] {
			listed = append(listed, l)
		}
	}
	given, err := control.ReadListed(ctx, o.opts.Commands, o.containers(), listed)
	ends = make(map[string]control.Given, len(given))
	for _, g := range given {
		ends[g.Command.Name] = g
	}
	return ends, err
}

// describePause sets what is shown of a pause or a start: whether it was carried out, and is in force, or what has
// ended it. Only the settings say that: the command is written before them. ends has the commands that may have ended
// it.
func (s *shown) describePause(c control.Connector, unusable bool, ends map[string]control.Given) {
	s.Address, s.Open = "", false
	pause, app, asked := s.Command.Kind == control.PauseApp, s.Command.App, s.Command.Asked
	s.Title += " " + app
	change, next := c.Pauses.Of(s.Command.Name)
	paused, said := c.Paused[app]
	if change != nil && !change.At.IsZero() {
		s.Command.Asked = change.At // the form may have been loaded long before
	}
	switch {
	case unusable:
		s.State, s.Class, s.Says = "not known", "wait", "The settings can't be used."
	case change == nil && !c.Pauses.Known:
		s.State, s.Class = "not known", ""
		s.Says = "The settings were written since by infra/command, by hand or by an earlier version, " +
			"which keep no list of pauses. Above is what holds now."
	case change == nil && asked.Before(c.Pauses.Since.Add(clockError)):
		s.State, s.Class = "not known", ""
		s.Says = "It is older than the pauses that the settings keep. If it was carried out, it has " +
			"ended since, or is what holds now, above."
	case change == nil:
		s.State, s.Class = "not carried out", "bad"
		s.Says = "The settings do not have it: another change was made at the same time, or the " +
			"portal stopped before. Look above at what holds now, and ask again if it is still wanted."
	case next != nil && next.Command != "":
		s.State, s.Class = "ended", ""
		s.Says = "Until " + sayTime(next.At) + ", when " + orNotKnown(ends[next.Command].By) +
			" gave the command " + titles[kindOf(*next)] + " " + app + "."
	case next != nil, !said, paused != pause:
		s.State, s.Class = "ended", ""
		s.Says = "What came after it was set without a command: by the end of the set-up, for example."
	case pause:
		s.State, s.Class, s.Says = "in force", "wait", "The app is paused since then, and nothing is lost by it."
	default:
		s.State, s.Class, s.Says = "in force", "ok", "The app works since then."
	}
}

func kindOf(c control.PauseChange) control.Kind {
	if c.Paused {
		return control.PauseApp
	}
	return control.ResumeApp
}

func sayTime(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }

func orNotKnown(by string) string {
	if by == "" {
		return "someone not known"
	}
	return by
}
