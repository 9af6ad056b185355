package setup

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// row is one line of a review, or of the list of settings.
type row struct {
	Title, Value string
	Change       string // path; "": it can't be changed here
	Note         string
	At           time.Time // a value that is a time
}

type reviewData struct {
	Steps    []stepView // nil outside of the set-up
	N        int
	Rows     []row
	Terms    *control.Terms
	Stale    bool // of the terms there is a newer version
	Finished *control.Person
	SetUp    bool
	Pause    bool // the form was sent without the start
}

// describeSettings returns the settings in words. lookup is those that are in force, or will be.
func (s *Setup) describeSettings(r *web.Request, lookup func(string) (string, bool), base string) ([]row, error) {
	d := s.opts.Deployed
	value := func(name string) string { v, _ := lookup(name); return v }
	in := settings.Read(lookup)
	change := func(wizard, single string) string {
		if base == "/setup/" {
			return base + wizard
		}
		return base + single
	}
	var all []row
	source := change(stepSource, "source")
	switch {
	case d.Source == settings.Telemessage:
		host := ""
		if d.Site != nil {
			host = d.Site.Hostname()
		}
		all = append(all, row{Title: "Source", Value: "the TeleMessage site, " + host},
			row{Title: "User name", Value: orText(value(siteUser), "not set"), Change: source,
				Note: "The password is in Key Vault, and is not shown."})
	case s.bySFTP():
		server := "deliveries, by the SFTP server " + orText(value(sftpHost), "that is not set")
		all = append(all, row{Title: "Source", Value: server, Change: source,
			Note: "What the sign-in needs is in Key Vault, and is not shown."},
			row{Title: "User name", Value: orText(value(sftpUser), "not set"), Change: source},
			row{Title: "Folder", Value: orText(value(deliveryFolder), "the user's home folder"), Change: source})
	default:
		all = append(all,
			row{Title: "Source", Value: "deliveries, by the landing container of " + d.Landing.Hostname()},
			row{Title: "Folder", Value: orText(value(deliveryFolder), "the container itself")})
	}
	mapping := change(stepMapping, "mapping")
	file, err := s.describeFile(r)
	if err != nil {
		return nil, err
	}
	all = append(all, row{Title: "Automatic mapping", Value: onOrOff(in.Bool(automatic)), Change: mapping},
		row{Title: "Custom mapping", Value: onOrOff(in.Bool(custom)), Change: mapping},
		row{Title: "Mapping file", Value: file, Change: mapping})
	where := change(stepDomains, "domains")
	accepted := "all of the tenant's"
	if list := in.List(domains); len(list) > 0 {
		accepted = strings.Join(list, ", ")
	}
	size := in.Bytes(maxItemSize)
	start := row{Title: "Start", Change: change(stepDomains, "start"), At: in.Time(s.startSetting()),
		Value: "24 hours before the first run"}
	if s.startSetting() == deliveryFrom {
		start.Value = "with the first delivery that is there"
	}
	return append(all, row{Title: "Accepted domains", Value: accepted, Change: where},
		row{Title: "Size of items", Value: "up to " + formatSize(size) + "; larger ones without their attachments, " +
			"with a reference to them", Change: change(stepDomains, "size")}, start), nil
}

func (s *Setup) describeFile(r *web.Request) (string, error) {
	v, _, err := s.opts.Mapping.Describe(r.Context())
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return "none", nil
	case err != nil:
		return "", err
	}
	text := formatSize(v.Size)
	if v.SHA256 != "" {
		text += ", version " + v.SHA256[:12]
	}
	return text, nil
}

func orText(value, empty string) string {
	if value == "" {
		return empty
	}
	return value
}

func onOrOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func formatSize(n int64) string {
	switch {
	case n >= 1e6:
		return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) + " MB"
	case n >= 1e3:
		return strconv.FormatFloat(float64(n)/1e3, 'f', -1, 64) + " kB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// isNumber reports whether a text is the number n.
func isNumber(text string, n int) bool {
	got, err := strconv.Atoi(text)
	return err == nil && got == n
}

// draftValues returns the settings that the steps of a draft lead to.
func draftValues(d draft) map[string]string {
	all := map[string]string{}
	for _, step := range steps {
		maps.Copy(all, d.Done[step.name])
	}
	return all
}

func (s *Setup) showReview(r *web.Request, st state) (web.Answer, error) {
	c := st.connector
	setSettings(&c, draftValues(st.draft))
	rows, err := s.describeSettings(r, settings.Overlay(s.opts.Lookup, c.Settings), "/setup/")
	if err != nil {
		return web.Answer{}, err
	}
	return showPage("setup-review", "Review and finish", "settings", "", reviewData{Steps: viewSteps(st, stepReview),
		N: c.N, Rows: rows, Terms: c.Terms, SetUp: c.IsSetUp(),
		Pause: r.Method == http.MethodPost && r.PostFormValue("start") != "on"})
}

// finish puts the draft in force. A form that is refused is shown again; one that this person has sent before is not.
func (s *Setup) finish(r *web.Request, st state) (web.Answer, error) {
	to, err := s.putInForce(r, st)
	refused, isRefused := errors.AsType[*web.Error](err)
	if !isRefused {
		return seeOther(to, err)
	}
	if st, err = s.load(r); err != nil { // what was in the way may be the same form, in another process
		return web.Answer{}, err
	}
	switch {
	case finishedBy(r, st.connector) != "":
		return web.SeeOther(finishedBy(r, st.connector)), nil
	case st.connector.Finished != nil:
		return web.Answer{}, refused
	}
	answer, err := s.showReview(r, st)
	if err != nil {
		return answer, err
	}
	return answer.Refused(refused), nil
}

// finishedBy returns where the last form of the set-up leads that this person has sent before, or "" if they have not.
func finishedBy(r *web.Request, c control.Connector) string {
	if c.Finished == nil || c.Finished.By != r.Person.ID {
		return ""
	}
	start := r.PostFormValue("start") == "on"
	for _, app := range []string{settings.Fetch, settings.Import} {
		if paused, said := c.Paused[app]; !said || paused == start { // it has changed since
			return "/settings"
		}
	}
	return finishedPath(start)
}

func finishedPath(start bool) string {
	if start {
		return "/settings?done=finish"
	}
	return "/settings?done=finish-paused"
}

// putInForce puts the draft in force, and starts fetch and import or pauses both. It is one write: before it the draft
// has no effect, and after it everything holds. What it says about the pause counts more than the settings PAUSED of
// the apps, by which import of a new deployment waits.
func (s *Setup) putInForce(r *web.Request, st state) (path string, err error) {
	seen := r.PostFormValue("n")
	if !isNumber(seen, st.connector.N) {
		return "", web.ErrChanged
	}
	values := draftValues(st.draft)
	if err := settings.CheckChanges(values); err != nil { // of an earlier version of this program, perhaps
		return "", &web.Error{Status: http.StatusConflict,
			Says: "A setting of the draft can't be used any more: " + err.Error() + ".",
			Do:   "Go through the steps again."}
	}
	var claim secretClaim
	if len(s.accountSettings()) > 0 {
		if claim, err = s.holdClaim(r, st.draft); err != nil {
			return "", err
		}
	}
	start := r.PostFormValue("start") == "on"
	err = s.endSetUp(r, seen, values, start)
	// If storage did not answer, the settings may still come into force: the claim is then left to its end.
	if _, refused := errors.AsType[*web.Error](err); claim.Form != "" && (err == nil || refused) {
		s.endClaim(r.Context(), &claim)
	}
	if err != nil {
		return "", err
	}
	err = s.editDraft(r, &st, func(d *draft) error {
		*d = draft{} // what comes after is changed under the settings
		return nil
	})
	return finishedPath(start), err
}

// endSetUp writes the settings, and that the set-up has ended, if connector.json is the one that the person saw.
func (s *Setup) endSetUp(r *web.Request, seen string, values map[string]string, start bool) error {
	says := "started fetch and import"
	if !start {
		says = "paused fetch and import"
	}
	if err := s.record(r, "setup.finished", "", "Finished the set-up, and "+says); err != nil {
		return err
	}
	return s.updateConnector(r.Context(), func(c *control.Connector) error {
		switch {
		case c.Finished != nil:
			return errFinished
		case !isNumber(seen, c.N) || !hasTerms(*c):
			return web.ErrChanged
		}
		setSettings(c, values)
		by := s.stamp(r)
		c.Finished, c.Unfinished = &by, false
		c.Paused = map[string]bool{settings.Fetch: !start, settings.Import: !start}
		return nil
	})
}

// ShowSettings answers GET /settings: all settings, each with the way to change it.
func (s *Setup) ShowSettings(r *web.Request) (web.Answer, error) {
	st, err := s.load(r)
	if err != nil {
		return web.Answer{}, err
	}
	c := st.connector
	rows, err := s.describeSettings(r, settings.Overlay(s.opts.Lookup, c.Settings), "/settings/")
	if err != nil {
		return web.Answer{}, err
	}
	return showPage("settings", "Settings", "settings", r.FormValue("done"), reviewData{N: c.N, Rows: rows,
		Terms: c.Terms, Stale: c.Terms != nil && !hasTerms(c), Finished: c.Finished, SetUp: c.IsSetUp()})
}

// ShowPart answers GET /settings/{name} for domains, size and start.
func (s *Setup) ShowPart(r *web.Request) (web.Answer, error) { return s.onePart(r, false) }

// SendPart answers POST /settings/{name}.
func (s *Setup) SendPart(r *web.Request) (web.Answer, error) { return s.onePart(r, true) }

func (s *Setup) onePart(r *web.Request, send bool) (web.Answer, error) {
	for _, p := range wizardParts {
		if p.name != r.PathValue("name") {
			continue
		}
		st, err := s.loadSetUp(r)
		switch {
		case err != nil:
			return web.Answer{}, err
		case send:
			return s.sendParts(r, st, []part{p}, false)
		}
		return s.showParts(r, st, []part{p}, false, nil, nil)
	}
	return web.Answer{}, web.ErrNotFound
}
