package setup

import (
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Europe/London must be known on every machine

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// part is a form for some settings, or one section of a form.
type part struct {
	name, title string
	fields      []string
	settings    func(*Setup) []string // to which the fields lead
	// show returns what the fields hold for the settings that are in force.
	show func(s *Setup, c control.Connector) map[string]string
	// check returns the settings that the fields lead to, and what is wrong, by field.
	check func(s *Setup, in map[string]string) (values, wrong map[string]string)
}

// wizardParts are the sections of one step of the set-up.
var wizardParts = []part{domainsPart, sizePart, startPart}

var domainsPart = part{name: "domains", title: "Accepted domains", fields: []string{"domains"},
	settings: func(*Setup) []string { return []string{domains} },
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
	settings: func(*Setup) []string { return []string{maxItemSize} },
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
	settings: func(s *Setup) []string { return []string{s.startSetting()} },
	show: func(s *Setup, c control.Connector) map[string]string {
		at := s.reader(c).Time(s.startSetting())
		if at.IsZero() {
			return map[string]string{"zone": zoneUTC}
		}
		london, err := time.LoadLocation(zoneLondon)
		if err == nil && s.startSetting() == fetchFrom && !isMidnight(at) && isMidnight(at.In(london)) {
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

// exactStart returns the start that is in force, if its fields do not have its time of day, or else the zero time.
func (s *Setup) exactStart(c control.Connector, shown map[string]string) time.Time {
	at := s.reader(c).Time(s.startSetting())
	zone, err := time.LoadLocation(shown["zone"])
	if err != nil || isMidnight(at.In(zone)) {
		return time.Time{}
	}
	return at
}

func isMidnight(t time.Time) bool { return t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 }

// startSetting returns the name of the setting with the start.
func (s *Setup) startSetting() string {
	if s.opts.Deployed.Source == settings.Deliveries {
		return deliveryFrom
	}
	return fetchFrom
}

var switchesPart = part{name: "mapping", title: "User mapping", fields: []string{"automatic", "custom"},
	settings: func(*Setup) []string { return []string{automatic, custom} },
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
	Exact     time.Time // the start that is in force, if the fields show it without its time of day; else zero
	Now       []row     // what is in force, beside a form that was refused because it has changed
}

// showParts shows a form of some parts. in and wrong are nil if it was not sent.
func (s *Setup) showParts(r *web.Request, st state, parts []part, wizard bool, in, wrong map[string]string) (
	web.Answer, error) {
	d := partsData{Parts: map[string]bool{}, In: map[string]string{}, Wrong: wrong, N: st.connector.N, Now: st.now,
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
		shown := p.show(s, st.connector)
		maps.Copy(d.In, shown)
		if p.name == startPart.name {
			d.Exact = s.exactStart(st.connector, shown)
		}
	}
	if wizard {
		maps.Copy(d.In, st.draft.Input[form])
	}
	maps.Copy(d.In, in)
	return showPage("setup-parts", title, "settings", "", d)
}

// checkParts returns the settings that the fields of some parts lead to. A part whose fields are as a page shows them
// leads to what is in force.
func (s *Setup) checkParts(parts []part, c control.Connector, in map[string]string) (values, wrong map[string]string) {
	values, wrong = map[string]string{}, map[string]string{}
	for _, p := range parts {
		if kept := s.keepUnchanged(p, c, in); len(kept) > 0 {
			maps.Copy(values, kept)
			continue
		}
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
	values, wrong := s.checkParts(parts, st.connector, in)
	if len(wrong) > 0 && !wizard {
		return s.showParts(r, st, parts, false, in, wrong)
	}
	if !wizard {
		return s.change(r, st, parts, in, values)
	}
	if err := s.keepStep(r, &st, stepDomains, in, values, wrong); err != nil {
		return web.Answer{}, err
	}
	if len(wrong) > 0 {
		return s.showParts(r, st, parts, true, in, wrong)
	}
	return web.SeeOther(nextOf(stepDomains)), nil
}
