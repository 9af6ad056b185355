package setup

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/usermap"
)

type mappingData struct {
	Steps     []stepView // nil outside of the set-up
	Action    string
	In, Wrong map[string]string
	N         int
	InForce   *archive.MappingVersion // nil: there is no file
	Upload    *upload
	Stale     bool // the file in force is another one than that of the report
	NoRegion  bool
	Region    string
	Done      bool
	Replaced  bool              // a file was put in force just now, outside of the set-up
	Number    map[string]string // a number that was refused, with its mailbox
	Now       []row             // what is in force, beside a form that was refused because it has changed
}

// showMapping shows the switches, the file in force and the one that waits. wrong is nil if no form was refused.
func (s *Setup) showMapping(r *web.Request, st state, wizard bool, wrong map[string]string) (
	web.Answer, error) {
	d := mappingData{Action: "/settings/mapping", In: switchesPart.show(s, st.connector), Wrong: wrong,
		N: st.connector.N, Upload: st.draft.Upload, Region: s.opts.Deployed.Region, Number: st.number, Now: st.now}
	if wizard {
		d.Steps, d.Action, d.Done = viewSteps(st, stepMapping), "/setup/"+stepMapping, isDone(st, stepMapping)
		copyInput(d.In, st.draft.Input[stepMapping])
	}
	if r.PostFormValue("do") == "switches" {
		in, _ := allInput(r, switchesPart.fields)
		copyInput(d.In, in)
	}
	v, etag, err := s.opts.Mapping.Describe(r.Context())
	switch {
	case err == nil:
		d.InForce = &v
	case !errors.Is(err, archive.ErrNotFound):
		return web.Answer{}, err
	}
	d.Replaced = !wizard && r.FormValue("done") == "file"
	d.Stale = d.Upload != nil && len(d.Upload.Refused) == 0 && d.Upload.Against != etag
	return showPage("setup-mapping", switchesPart.title, "settings", r.FormValue("done"), d)
}

// sendMapping takes one of the forms of the page: its field do tells which.
func (s *Setup) sendMapping(r *web.Request, st state, wizard bool) (web.Answer, error) {
	path := "/settings/mapping"
	if wizard {
		path = "/setup/" + stepMapping
	}
	switch r.PostFormValue("do") {
	case "upload":
		data, wrong, err := readUpload(r)
		if err != nil {
			return web.Answer{}, err
		}
		if wrong != "" {
			return s.showMapping(r, st, wizard, map[string]string{"file": wrong})
		}
		return seeOther(path, s.propose(r, &st, "file", data))
	case "confirm":
		return seeOther(path+"?done=file", s.confirm(r, &st))
	case "discard":
		sha := cmp.Or(r.PostFormValue("sha256"), hashOfUpload(&st.draft))
		return seeOther(path+"?done=discarded", s.dropUpload(r, &st, sha))
	case "switches":
		return s.sendSwitches(r, st, wizard)
	}
	return web.Answer{}, errBadForm
}

// seeOther returns an answer that leads to a path, unless there is an error.
func seeOther(path string, err error) (web.Answer, error) {
	if err != nil {
		return web.Answer{}, err
	}
	return web.SeeOther(path), nil
}

func (s *Setup) sendSwitches(r *web.Request, st state, wizard bool) (web.Answer, error) {
	in, long := allInput(r, switchesPart.fields)
	if len(long) > 0 {
		return web.Answer{}, errBadForm
	}
	values, wrong := switchesPart.check(s, in)
	if len(wrong) == 0 && values[automatic] == "false" {
		_, _, err := s.opts.Mapping.Describe(r.Context())
		switch {
		case errors.Is(err, archive.ErrNotFound):
			wrong = map[string]string{"custom": "There is no mapping file yet: upload and confirm one, or " +
				"turn automatic mapping on. With neither, nothing would be imported."}
		case err != nil:
			return web.Answer{}, err
		}
	}
	if !wizard {
		if len(wrong) > 0 {
			return s.showMapping(r, st, false, wrong)
		}
		return s.change(r, st, []part{switchesPart}, in, values)
	}
	if len(wrong) == 0 {
		maps.Copy(values, s.keepUnchanged(switchesPart, st.connector, in))
	}
	if err := s.keepStep(r, &st, stepMapping, in, values, wrong); err != nil {
		return web.Answer{}, err
	}
	if len(wrong) > 0 {
		return s.showMapping(r, st, true, wrong)
	}
	return web.SeeOther(nextOf(stepMapping)), nil
}

// ShowMapping answers GET /settings/mapping.
func (s *Setup) ShowMapping(r *web.Request) (web.Answer, error) {
	st, err := s.loadSetUp(r)
	if err != nil {
		return web.Answer{}, err
	}
	return s.showMapping(r, st, false, nil)
}

// SendMapping answers POST /settings/mapping.
func (s *Setup) SendMapping(r *web.Request) (web.Answer, error) {
	st, err := s.loadSetUp(r)
	if err != nil {
		return web.Answer{}, err
	}
	return s.sendMapping(r, st, false)
}

// AddNumber answers POST /settings/mapping/add: it proposes the file in force with one more row, of the fields number
// and mailbox. Further numbers are added to what it has proposed. A person confirms it as an uploaded file.
func (s *Setup) AddNumber(r *web.Request) (web.Answer, error) {
	st, err := s.loadSetUp(r)
	if err != nil {
		return web.Answer{}, err
	}
	in, long := allInput(r, []string{"number", "mailbox"})
	if len(long) > 0 {
		return web.Answer{}, errBadForm
	}
	data, wrong, err := s.addTo(r, st.draft.Upload)
	if err != nil {
		return web.Answer{}, err
	}
	if wrong != "" {
		return s.refuseNumber(r, st, in, &web.Error{Status: http.StatusConflict, Says: wrong,
			Do: "Put that file in force, or discard it, in another window; then send the number below again."})
	}
	if in["number"] == "" || in["mailbox"] == "" {
		return s.refuseNumber(r, st, in, &web.Error{Status: http.StatusBadRequest,
			Says: "The number or the mailbox is missing.",
			Do:   "Enter the address of the number's person, and send it again."})
	}
	more, err := usermap.AppendRow(data, in["number"], in["mailbox"], s.opts.Deployed.Region)
	if refused, ok := errors.AsType[*usermap.CSVError](err); ok {
		last := refused.Lines[len(refused.Lines)-1]
		return s.refuseNumber(r, st, in, &web.Error{Status: http.StatusConflict,
			Says: "The row can't be added: " + last.Reason + ".",
			Do:   "Correct it below, or change the file and upload it."})
	}
	if err != nil {
		return web.Answer{}, err
	}
	there, err := s.isSameMapping(data, more)
	switch {
	case err != nil:
		return web.Answer{}, err
	case there && st.draft.Upload == nil:
		return web.SeeOther("/settings/mapping?done=known"), nil
	case there: // it came twice
		return web.SeeOther("/settings/mapping"), nil
	}
	return seeOther("/settings/mapping", s.propose(r, &st, fromNumber, more))
}

// refuseNumber returns the page of the mapping with a form for a number that was refused.
func (s *Setup) refuseNumber(r *web.Request, st state, in map[string]string, e *web.Error) (web.Answer, error) {
	st.number = in
	answer, err := s.showMapping(r, st, false, nil)
	if err != nil {
		return answer, err
	}
	return answer.Refused(e), nil
}

// isSameMapping reports whether two files, of which the first may be nil, map the same numbers in the same way.
func (s *Setup) isSameMapping(a, b []byte) (bool, error) {
	if a == nil {
		return false, nil
	}
	before, errBefore := usermap.ParseCSV(bytes.NewReader(a), s.opts.Deployed.Region)
	after, errAfter := usermap.ParseCSV(bytes.NewReader(b), s.opts.Deployed.Region)
	if err := errors.Join(errBefore, errAfter); err != nil {
		return false, err
	}
	d := usermap.Compare(before, after)
	return len(d.Added)+len(d.Removed)+len(d.Changed) == 0, nil
}

// addTo returns the file to which a number is added: the one in force, or what was made of it by adding numbers before.
// wrong is why another file that waits for its confirmation keeps it from being added.
func (s *Setup) addTo(r *web.Request, waits *upload) (data []byte, wrong string, err error) {
	data, _, etag, err := s.opts.Mapping.InForce(r.Context())
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		return nil, "", err
	}
	switch {
	case waits == nil || len(waits.Refused) > 0:
		return data, "", nil
	case waits.From != fromNumber:
		return nil, "The number was not added: another file of yours waits for its confirmation.", nil
	case waits.Against != etag:
		return nil, "The number was not added: the file in force has changed since you added the numbers before.", nil
	}
	data, err = s.opts.Mapping.ReadDraft(r.Context(), r.Person.ID, waits.SHA256)
	if errors.Is(err, archive.ErrNotFound) {
		return nil, "The number was not added: the file with the numbers before is not there any more.", nil
	}
	return data, "", err
}

// RollBack answers POST /settings/mapping/rollback: it proposes a former version, of the field version.
func (s *Setup) RollBack(r *web.Request) (web.Answer, error) {
	st, err := s.loadSetUp(r)
	if err != nil {
		return web.Answer{}, err
	}
	data, err := s.opts.Mapping.ReadVersion(r.Context(), r.PostFormValue("version"))
	if errors.Is(err, archive.ErrNotFound) {
		return web.Answer{}, errBadForm
	}
	if err == nil {
		err = s.propose(r, &st, "version", data)
	}
	return seeOther("/settings/mapping", err)
}

type versionsData struct {
	InForce  string // hash; "": there is no file, or it was not stored by this application
	Versions []archive.MappingVersion
	First    int // number of the first of these, the latest being 1
	All      int

	Newer, Older int // numbers of the neighbouring pages, 0 for none
}

// maxVersions is the number of versions on a page.
const maxVersions = 100

// cut leaves the versions of one page.
func (d *versionsData) cut(page string) {
	d.All = len(d.Versions)
	c := web.CutPage(page, d.All, maxVersions)
	d.First, d.Versions, d.Newer, d.Older = c.Begin+1, d.Versions[c.Begin:c.End], c.Former, c.Next
}

// ShowVersions answers GET /settings/mapping/versions.
func (s *Setup) ShowVersions(r *web.Request) (web.Answer, error) {
	var d versionsData
	v, _, err := s.opts.Mapping.Describe(r.Context())
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		return web.Answer{}, err
	}
	d.InForce = v.SHA256
	if d.Versions, _, err = s.opts.Mapping.Versions(r.Context(), math.MaxInt); err != nil {
		return web.Answer{}, err
	}
	d.cut(r.FormValue("page"))
	return showPage("setup-versions", "Versions of the mapping", "settings", "", d)
}

// Version answers GET /settings/mapping/versions/{version}: the file as it was uploaded.
func (s *Setup) Version(r *web.Request) (web.Answer, error) {
	data, err := s.opts.Mapping.ReadVersion(r.Context(), r.PathValue("version"))
	if errors.Is(err, archive.ErrNotFound) {
		return web.Answer{}, web.ErrNotFound
	}
	if err != nil {
		return web.Answer{}, err
	}
	return web.Download("text/csv", "mapping.csv", func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}), nil
}

// Template answers GET /settings/mapping/template: the header of a mapping file.
func (s *Setup) Template(*web.Request) (web.Answer, error) {
	return web.Download("text/csv; charset=utf-8", "mapping-template.csv", func(w io.Writer) error {
		_, err := io.WriteString(w, usermap.Header+"\r\n")
		return err
	}), nil
}

// loadSetUp is load for the pages of settings. While a set-up has begun and not ended, they lead to it.
func (s *Setup) loadSetUp(r *web.Request) (state, error) {
	st, err := s.load(r)
	if err == nil && !isSettled(st.connector) {
		return st, errNotSetUp
	}
	return st, err
}

// isSettled reports whether single settings can be changed: a set-up has ended, or everything comes from the
// environment.
func isSettled(c control.Connector) bool { return c.IsSetUp() }

var errNotSetUp = &web.Error{Status: http.StatusConflict, Says: "The connector is not set up yet.",
	Do: "Finish the set-up first, under /setup; after that each setting can be changed by itself."}
