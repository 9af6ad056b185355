package setup

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Europe/London must be known on every machine

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// part is a form for some settings, or one section of a form.
type part struct {
	name, title string
	fields      []string
	// show returns what the fields hold for the settings that are in force.
	show func(s *Setup, c control.Connector) map[string]string
	// check returns the settings that the fields lead to, and what is wrong, by field.
	check func(s *Setup, in map[string]string) (values, wrong map[string]string)
}

// wizardParts are the sections of one step of the set-up.
var wizardParts = []part{domainsPart, sizePart, startPart}

var domainsPart = part{name: "domains", title: "Accepted domains", fields: []string{"domains"},
	show: func(s *Setup, c control.Connector) map[string]string {
		return map[string]string{"domains": strings.Join(s.reader(c).List(domains), "\n")}
	},
	check: func(_ *Setup, in map[string]string) (values, wrong map[string]string) {
		all, err := readSetting(domains, in["domains"], (*settings.Reader).List)
		if err != "" {
			return nil, map[string]string{"domains": err}
		}
		return map[string]string{domains: strings.Join(all, ",")}, nil
	}}

// The values of the field size.
const (
	largest  = "150MB"
	original = "10MB" // of the original connector
	other    = "other"
)

var sizePart = part{name: "size", title: "Size of items", fields: []string{"size", "other"},
	show: func(s *Setup, c control.Connector) map[string]string {
		switch r := s.reader(c); r.Bytes(maxItemSize) {
		case 150e6:
			return map[string]string{"size": largest}
		case 10e6:
			return map[string]string{"size": original}
		}
		return map[string]string{"size": other, "other": s.value(c, maxItemSize)}
	},
	check: func(_ *Setup, in map[string]string) (values, wrong map[string]string) {
		size := in["size"]
		switch size {
		case largest, original:
		case other:
			size = in["other"]
			if size == "" {
				return nil, map[string]string{"other": "Enter a size, such as 25MB."}
			}
			if _, err := readSetting(maxItemSize, size, (*settings.Reader).Bytes); err != "" {
				return nil, map[string]string{"other": err}
			}
		default:
			return nil, map[string]string{"size": "Choose one of them."}
		}
		return map[string]string{maxItemSize: size}, nil
	}}

// The zones in which the start can be entered.
const (
	zoneUTC    = "UTC"
	zoneLondon = "Europe/London"
)

var startPart = part{name: "start", title: "Start", fields: []string{"date", "zone"},
	show: func(s *Setup, c control.Connector) map[string]string {
		at := s.reader(c).Time(s.startSetting())
		if at.IsZero() {
			return map[string]string{"zone": zoneUTC}
		}
		if london, err := time.LoadLocation(zoneLondon); err == nil && !isMidnight(at) && isMidnight(at.In(london)) {
			return map[string]string{"date": at.In(london).Format(time.DateOnly), "zone": zoneLondon}
		}
		return map[string]string{"date": at.Format(time.DateOnly), "zone": zoneUTC}
	},
	check: func(s *Setup, in map[string]string) (values, wrong map[string]string) {
		if in["date"] == "" {
			return map[string]string{s.startSetting(): ""}, nil
		}
		zone := time.UTC
		switch in["zone"] {
		case zoneUTC, "":
		case zoneLondon:
			var err error
			if zone, err = time.LoadLocation(zoneLondon); err != nil {
				return nil, map[string]string{"zone": "This zone is not known on this machine. Choose UTC."}
			}
		default:
			return nil, map[string]string{"zone": "Choose one of them."}
		}
		at, err := time.ParseInLocation(time.DateOnly, in["date"], zone)
		switch {
		case err != nil:
			return nil, map[string]string{"date": "This is no date. Write it as 2026-11-22."}
		case at.Year() < 2000:
			return nil, map[string]string{"date": "This lies before the year 2000."}
		case at.After(s.opts.Now()):
			return nil, map[string]string{"date": "This lies in the future. Leave it empty to begin with what is new."}
		}
		return map[string]string{s.startSetting(): at.UTC().Format(time.RFC3339)}, nil
	}}

func isMidnight(t time.Time) bool { return t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 }

// startSetting returns the name of the setting with the start.
func (s *Setup) startSetting() string {
	if s.opts.Deployed.Source == settings.Deliveries {
		return deliveryFrom
	}
	return fetchFrom
}

var switchesPart = part{name: "mapping", title: "User mapping", fields: []string{"automatic", "custom"},
	show: func(s *Setup, c control.Connector) map[string]string {
		r := s.reader(c)
		return map[string]string{"automatic": onOrEmpty(r.Bool(automatic)), "custom": onOrEmpty(r.Bool(custom))}
	},
	check: func(_ *Setup, in map[string]string) (values, wrong map[string]string) {
		if in["automatic"] != "on" && in["custom"] != "on" {
			return nil,
				map[string]string{"automatic": "Choose at least one of them: with neither, nothing would be imported."}
		}
		return map[string]string{automatic: trueOrFalse(in["automatic"]), custom: trueOrFalse(in["custom"])}, nil
	}}

func onOrEmpty(b bool) string {
	if b {
		return "on"
	}
	return ""
}

func trueOrFalse(box string) string {
	if box == "on" {
		return "true"
	}
	return "false"
}

// readSetting reads one setting from a text. wrong is what is wrong with it, as a sentence that does not hold the text.
func readSetting[T any](name, text string, read func(*settings.Reader, string) T) (v T, wrong string) {
	r := settings.Read(func(asked string) (string, bool) { return text, asked == name })
	v = read(r, name)
	if err := r.Err(); err != nil {
		return v, "This " + strings.TrimPrefix(err.Error(), name+" ") + "."
	}
	return v, ""
}

const maxInput = 4 << 10 // bytes of a field that is no file and no secret

type partsData struct {
	Steps     []stepView // nil outside of the set-up
	Action    string
	Parts     map[string]bool
	In, Wrong map[string]string
	N         int       // of the document that the page shows
	Delivery  bool      // the source
	Planned   time.Time // from which on fetch has planned to fetch from a site; zero: nothing yet
	Fetched   bool      // something was, so the start of a site has no effect any more
}

// showParts shows a form of some parts. in and wrong are nil if it was not sent.
func (s *Setup) showParts(r *web.Request, st state, parts []part, wizard bool, in, wrong map[string]string) (
	web.Answer, error) {
	d := partsData{Parts: map[string]bool{}, In: map[string]string{}, Wrong: wrong, N: st.connector.N,
		Delivery: s.opts.Deployed.Source == settings.Deliveries}
	title := parts[0].title
	d.Action = "/settings/" + parts[0].name
	form := parts[0].name
	if wizard {
		title, form = "Domains, sizes, start", stepDomains
		d.Steps, d.Action = viewSteps(st, stepDomains), "/setup/"+stepDomains
	}
	if !d.Delivery && slices.ContainsFunc(parts, func(p part) bool { return p.name == startPart.name }) {
		var err error
		if d.Fetched, d.Planned, err = s.hasFetched(r.Context()); err != nil {
			return web.Answer{}, err
		}
	}
	for _, p := range parts {
		d.Parts[p.name] = true
		maps.Copy(d.In, p.show(s, st.connector))
	}
	if wizard {
		maps.Copy(d.In, st.draft.Input[form])
	}
	maps.Copy(d.In, in)
	return showPage("setup-parts", title, "settings", "", d)
}

// checkParts returns the settings that the fields of some parts lead to.
func (s *Setup) checkParts(parts []part, in map[string]string) (values, wrong map[string]string) {
	values, wrong = map[string]string{}, map[string]string{}
	for _, p := range parts {
		v, w := p.check(s, in)
		maps.Copy(values, v)
		maps.Copy(wrong, w)
	}
	return values, wrong
}

func fieldsOf(parts []part) (all []string) {
	for _, p := range parts {
		all = append(all, p.fields...)
	}
	return all
}

// sendParts takes a form of some parts: as a draft in the set-up, and else as settings.
func (s *Setup) sendParts(r *web.Request, st state, parts []part, wizard bool) (web.Answer, error) {
	in, long := allInput(r, fieldsOf(parts))
	if len(long) > 0 {
		return s.showParts(r, st, parts, wizard, in, long)
	}
	values, wrong := s.checkParts(parts, in)
	if !wizard {
		if len(wrong) > 0 {
			return s.showParts(r, st, parts, false, in, wrong)
		}
		return s.change(r, st, parts[0].name, values)
	}
	st.draft.setInput(stepDomains, in)
	if len(wrong) == 0 {
		st.draft.setDone(stepDomains, values)
	} else {
		delete(st.draft.Done, stepDomains)
	}
	if err := s.saveDraft(r, &st); err != nil {
		return web.Answer{}, err
	}
	if len(wrong) > 0 {
		return s.showParts(r, st, parts, true, in, wrong)
	}
	return web.SeeOther(nextOf(stepDomains)), nil
}

// change puts settings in force, unless they are, and leads to the list of settings. The form's field n holds the
// number of the document that the person saw.
func (s *Setup) change(r *web.Request, st state, name string, values map[string]string) (web.Answer, error) {
	done := web.SeeOther("/settings?done=" + name)
	if hasSettings(st.connector, values) { // it came twice
		return done, nil
	}
	seen := r.PostFormValue("n")
	if !isNumber(seen, st.connector.N) {
		return web.Answer{}, web.ErrChanged
	}
	if err := s.record(r, audit.Action("settings."+name), "", "Changed the settings: "+partTitle(name)); err != nil {
		return web.Answer{}, err
	}
	_, err := control.UpdateConnector(r.Context(), s.opts.Settings, func(c *control.Connector) error {
		switch {
		case hasSettings(*c, values):
			return nil
		case !isNumber(seen, c.N):
			return web.ErrChanged
		}
		setSettings(c, values)
		return nil
	})
	if err != nil {
		return web.Answer{}, explainChange(err)
	}
	return done, nil
}

// explainChange is explainConnector, but an error for a page stays.
func explainChange(err error) error {
	if _, ok := errors.AsType[*web.Error](err); ok {
		return err
	}
	return explainConnector(err)
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
