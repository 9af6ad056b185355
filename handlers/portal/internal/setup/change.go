package setup

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// keepStep keeps a form of the set-up in the draft: its step is done unless something is wrong.
func (s *Setup) keepStep(r *web.Request, st *state, step string, in, values, wrong map[string]string) error {
	return s.editDraft(r, st, func(d *draft) error {
		d.setInput(step, in)
		if len(wrong) == 0 {
			d.setDone(step, values)
		} else {
			delete(d.Done, step)
		}
		return nil
	})
}

// isUnchanged reports whether the fields of a part hold what a page shows for the settings that are in force.
func (s *Setup) isUnchanged(p part, c control.Connector, in map[string]string) bool {
	shown := p.show(s, c)
	for _, field := range p.fields { // browsers send other line ends than they are shown
		if strings.ReplaceAll(in[field], "\r\n", "\n") != strings.TrimSpace(shown[field]) {
			return false
		}
	}
	return true
}

// keepUnchanged returns the settings of a part as they are in force, if the fields hold what a page shows of them: the
// fields may have less than the settings, such as a start without its time of day. It has no setting that is not set,
// or can't be used.
func (s *Setup) keepUnchanged(p part, c control.Connector, in map[string]string) map[string]string {
	if !s.isUnchanged(p, c, in) {
		return nil
	}
	kept := map[string]string{}
	for _, name := range p.settings(s) {
		v := s.value(c, name)
		if v != "" && settings.CheckChanges(map[string]string{name: v}) == nil {
			kept[name] = v
		}
	}
	return kept
}

// change puts the settings of some parts in force, unless they are, and leads to the list of settings. The form's field
// n holds the number of the document that the person saw. A form that is refused is shown again with what it held.
func (s *Setup) change(r *web.Request, st state, parts []part, in, values map[string]string) (web.Answer, error) {
	err := s.putParts(r, st.connector, parts, in, values)
	refused, isRefused := errors.AsType[*web.Error](err)
	if !isRefused {
		return seeOther("/settings?done="+parts[0].name, err)
	}
	if st, err = s.load(r); err != nil {
		return web.Answer{}, err
	}
	if refused == web.ErrChanged {
		if st.now, err = s.describeParts(r, st.connector, parts); err != nil {
			return web.Answer{}, err
		}
	}
	var answer web.Answer
	if parts[0].name == switchesPart.name {
		answer, err = s.showMapping(r, st, false, nil)
	} else {
		answer, err = s.showParts(r, st, parts, false, in, nil)
	}
	if err != nil {
		return answer, err
	}
	return answer.Refused(refused), nil
}

// putParts puts the settings of some parts in force, unless they are.
func (s *Setup) putParts(r *web.Request, now control.Connector, parts []part, in, values map[string]string) error {
	isSame := func(c control.Connector) bool { // it was sent back unchanged, or came twice
		changed := func(p part) bool { return !s.isUnchanged(p, c, in) }
		return !slices.ContainsFunc(parts, changed) || hasSettings(c, values)
	}
	if isSame(now) {
		return nil
	}
	seen, name := r.PostFormValue("n"), parts[0].name
	if !isNumber(seen, now.N) {
		return web.ErrChanged
	}
	if err := s.record(r, audit.Action("settings."+name), "", "Changed the settings: "+parts[0].title); err != nil {
		return err
	}
	return s.updateConnector(r.Context(), func(c *control.Connector) error {
		switch {
		case isSame(*c):
			return errSame
		case !isNumber(seen, c.N):
			return web.ErrChanged
		}
		setSettings(c, values)
		return nil
	})
}

// describeParts returns the settings of some parts that are in force, in words.
func (s *Setup) describeParts(r *web.Request, c control.Connector, parts []part) (rows []row, err error) {
	all, err := s.describeSettings(r, settings.Overlay(s.opts.Lookup, c.Settings), "/settings/")
	for _, each := range all {
		if slices.ContainsFunc(parts, func(p part) bool { return each.Change == "/settings/"+p.name }) {
			each.Change = ""
			rows = append(rows, each)
		}
	}
	return rows, err
}

func hasSettings(c control.Connector, values map[string]string) bool {
	for name, v := range values {
		if have, ok := c.Settings[name]; !ok || have != v {
			return false
		}
	}
	return true
}

func setSettings(c *control.Connector, values map[string]string) {
	all := maps.Clone(c.Settings)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, values)
	c.Settings = all
}
