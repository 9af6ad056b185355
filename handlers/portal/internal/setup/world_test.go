package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/telemessage/telemessagetest"
	"o2archiver/shared/vault"
)

const (
	siteName     = "archive-contoso"
	sitePassword = "s1te-pässword"
)

var (
	ann = identity.Person{ID: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Name: "ann@contoso.example", Role: identity.Admin}
	bob = identity.Person{ID: "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee", Name: "bob@contoso.example", Role: identity.Admin}
)

// place is a Secret in memory.
type place struct {
	stored []string
	err    error
	during func() // called once, before a secret is stored
}

func (p *place) Store(_ context.Context, v settings.Secret) error {
	if during := p.during; during != nil {
		p.during = nil
		during()
	}
	if p.err == nil {
		p.stored = append(p.stored, v.Reveal())
	}
	return p.err
}

// world is the portal's pages for setting up, with a storage account, a site and a vault. It asks as a browser does: by
// the forms of the pages that it was shown.
type world struct {
	t       *testing.T
	opts    Options
	storage *archivetest.Storage
	store   *archive.Store // on a way without faults
	site    *telemessagetest.Site
	place   *place
	handler http.Handler
	log     bytes.Buffer
	person  identity.Person
	now     time.Time

	ctx context.Context // of each request; nil: its own

	path string // of the page that was shown last
	page string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, storage: archivetest.ForTest(t, nil), place: &place{}, person: ann,
		now: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)}
	w.store = w.open(w.storage)
	if err := w.store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.site = telemessagetest.New(telemessagetest.Options{Username: siteName, Password: sitePassword,
		Now: func() time.Time { return w.now }})
	way, stop := pipetest.Serve(w.site)
	t.Cleanup(stop)
	w.opts = Options{Deployed: settings.SetUp{Source: settings.Telemessage, Region: "GB",
		Site: &url.URL{Scheme: "https", Host: "rest.telemessage.example"}}, Site: way, Password: w.place,
		Lookup: func(string) (string, bool) { return "", false }, Now: func() time.Time { return w.now }}
	w.use(w.storage)
	return w
}

func (w *world) open(way http.RoundTripper) *archive.Store {
	w.t.Helper()
	s, err := archive.Open(archive.Config{ConnectionString: w.storage.ConnectionString(),
		HTTP: &http.Client{Transport: way}})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// use makes the application anew, with a way to its storage.
func (w *world) use(way http.RoundTripper) {
	w.t.Helper()
	store := w.open(way)
	w.opts.Settings, w.opts.Mapping = store.Settings(), store.Mapping()
	w.opts.Reports, w.opts.Status = store.Reports(), store.Status()
	w.opts.Audit = audit.New(audit.Options{Logs: store.Audit(), Now: w.opts.Now})
	all, err := pages.ParseAll()
	if err != nil {
		w.t.Fatal(err)
	}
	s := New(w.opts)
	route := func(pattern string, h web.Handler, body int64) web.Route {
		return web.Route{Pattern: pattern, Role: identity.Admin, Handle: h, Body: body}
	}
	w.handler = web.New(web.Options{Pages: all, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
		Now: func() time.Time { return w.now },
		Who: func(*http.Request) (identity.Person, error) { return w.person, nil },
		Routes: []web.Route{
			route("GET /setup", s.Begin, 0), route("GET /setup/{step}", s.Step, 0),
			route("POST /setup/{step}", s.Send, MaxUpload), route("GET /settings", s.ShowSettings, 0),
			route("GET /settings/{name}", s.ShowPart, 0), route("POST /settings/{name}", s.SendPart, 0),
			route("GET /settings/source", s.ShowSource, 0), route("POST /settings/source", s.SendSource, 0),
			route("GET /settings/mapping", s.ShowMapping, 0), route("POST /settings/mapping", s.SendMapping, MaxUpload),
			route("GET /settings/mapping/template", s.Template, 0),
			route("GET /settings/mapping/versions", s.ShowVersions, 0),
			route("GET /settings/mapping/versions/{version}", s.Version, 0),
			route("POST /settings/mapping/rollback", s.RollBack, 0),
			route("POST /settings/mapping/add", s.AddNumber, 0),
		}})
}

// ask sends a request, and returns the status, the body, and where it leads.
func (w *world) ask(r *http.Request) (status int, body, location string) {
	w.t.Helper()
	if w.ctx != nil {
		r = r.WithContext(w.ctx)
	}
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	body = recorder.Body.String()
	for _, wrong := range []string{"no value", "%!", "ZgotmplZ"} {
		if strings.Contains(body, wrong) {
			w.t.Errorf("%s: the page has %q", r.URL.Path, wrong)
		}
	}
	return recorder.Code, body, recorder.Header().Get("Location")
}

// get shows a page, and follows where it leads.
func (w *world) get(path string) string {
	w.t.Helper()
	for range 5 {
		status, body, location := w.ask(httptest.NewRequest("GET", path, nil))
		switch status {
		case http.StatusOK:
			w.path, w.page = path, body
			return body
		case http.StatusSeeOther:
			path = location
		default:
			w.t.Fatalf("GET %s: %d\n%s", path, status, body)
		}
	}
	w.t.Fatalf("GET %s: it leads in a circle", path)
	return ""
}

var (
	formID          = regexp.MustCompile(`name="form" value="([0-9a-f]{32})"`)
	seenForm        = regexp.MustCompile(`name="seen" value="([0-9a-f]{64})"`)
	document        = regexp.MustCompile(`name="n" value="(\d+)"`)
	fingerprintForm = regexp.MustCompile(`value="(SHA256:[^"]+)"`)
	shaForm         = regexp.MustCompile(`name="sha256" value="([0-9a-f]{64})"`)
)

func (w *world) find(form *regexp.Regexp) string {
	if m := form.FindStringSubmatch(w.page); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// post makes the request that a form of the page shown last sends: with its id and its hidden fields, and fields, each
// a name and a value in turn.
func (w *world) post(path string, fields ...string) *http.Request {
	form := url.Values{"form": {w.find(formID)}}
	if n := w.find(document); n != "" {
		form.Set("n", n)
	}
	if seen := w.find(seenForm); seen != "" {
		form.Set("seen", seen)
	}
	if sha := w.find(shaForm); sha != "" {
		form.Set("sha256", sha)
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// send sends a form of the page shown last, and shows where it leads. It returns the path and the page.
func (w *world) send(path string, fields ...string) (led, page string) {
	w.t.Helper()
	return w.follow(w.post(path, fields...))
}

func (w *world) follow(r *http.Request) (led, page string) {
	w.t.Helper()
	status, body, location := w.ask(r)
	if status == http.StatusSeeOther {
		page = w.get(location)
		return w.path, page
	}
	w.path, w.page = r.URL.Path, body
	return r.URL.Path, body
}

// upload sends a file by the form of the mapping.
func (w *world) upload(path string, data []byte) *http.Request {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	_ = form.WriteField("form", w.find(formID))
	_ = form.WriteField("do", "upload")
	file, _ := form.CreateFormFile("file", `"><img src=x>.csv`)
	_, _ = file.Write(data)
	_ = form.Close()
	r := httptest.NewRequest("POST", path, &b)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

func (w *world) connector() control.Connector {
	w.t.Helper()
	c, err := control.LoadConnector(context.Background(), w.store.Settings())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// recorded returns the lines of the audit log of today.
func (w *world) recorded() []audit.Line {
	w.t.Helper()
	log := audit.New(audit.Options{Logs: w.store.Audit(), Now: w.opts.Now})
	lines, _, err := log.Read(context.Background(), w.now.Format("2006/01/02"), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

// inForce returns the mapping file that import would read, "" if there is none.
func (w *world) inForce() string {
	w.t.Helper()
	data, _, err := w.store.Mapping().Read(context.Background(), "")
	if err != nil {
		return ""
	}
	return string(data)
}

// stored returns everything that is in the container of the settings, as one text.
func (w *world) stored() string {
	w.t.Helper()
	var b strings.Builder
	all, _, err := w.store.Settings().List(context.Background(), "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range all {
		var raw json.RawMessage
		if _, err := w.store.Settings().Get(context.Background(), d.Name, &raw); err == nil {
			b.WriteString(d.Name + " " + string(raw) + "\n")
		}
	}
	return b.String()
}

// mustHold reports texts that a page does not have.
func (w *world) mustHold(page string, all ...string) {
	w.t.Helper()
	for _, want := range all {
		if !strings.Contains(page, want) {
			w.t.Errorf("%s: %q is not in the page:\n%s", w.path, want, page)
		}
	}
}

// acceptTerms does the first step.
func (w *world) acceptTerms() {
	w.t.Helper()
	w.get("/setup")
	w.send("/setup/terms", "version", TermsVersion, "accept", "on")
}

// setUp goes through all steps.
func (w *world) setUp() {
	w.t.Helper()
	w.acceptTerms()
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "domains", "contoso.example", "size", "150MB")
	if led, page := w.send("/setup/review", "start", "on"); led != "/settings?done=finish" {
		w.t.Fatalf("the set-up ends at %s\n%s", led, page)
	}
}

var errVault = &vault.Error{Says: "the vault does not let the app store the password (403 ForbiddenByRbac)",
	Do: "assign the app's identity a role"}
