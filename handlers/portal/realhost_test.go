package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/local/appbuild"
	"o2archiver/local/azurite"
	"o2archiver/local/host"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/tally"
)

const (
	testTenant = "11111111-2222-3333-4444-555555555555"
	testPerson = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	testForm   = "0123456789abcdef0123456789abcdef"

	hugeBody  = 100_000_000 // bytes; the host itself refuses more than 104,857,600
	largeBody = 1_000_000   // bytes
	mayGrow   = 50 << 20    // bytes by which the process may grow for all of these bodies together
	principal = "X-Ms-Client-Principal"
)

// hosted is the portal in the real host.
type hosted struct {
	*host.Real
	log archivetest.Lines
}

// startInRealHost starts the portal twice, at the same time: in an environment in which the platform says that it signs
// people in, and in one in which it does not.
func startInRealHost(t *testing.T) (signedIn, open *hosted) {
	t.Helper()
	host.NeedFunc(t)
	store := azurite.ForTest(t).ConnectionString()
	a, err := archive.Open(archive.Config{ConnectionString: store})
	if err != nil {
		t.Fatal(err)
	}
	totals, err := tally.Open(tally.Config{ConnectionString: store})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	var group errgroup.Group
	group.Go(func() error { return a.CreateContainers(t.Context()) })
	group.Go(func() error { return totals.CreateTable(t.Context()) })
	group.Go(func() error {
		return appbuild.Build(t.Context(), appbuild.Options{Root: "../..", Out: out, Local: true}, appbuild.Portal())
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	signedIn, open = &hosted{}, &hosted{}
	for h, more := range map[*hosted]string{signedIn: "WEBSITE_AUTH_ENABLED=True", open: "WEBSITE_AUTH_ENABLED="} {
		group.Go(func() (err error) {
			h.Real, err = host.StartFunc(t.Context(), host.Options{App: filepath.Join(out, "portal"), Log: &h.log,
				Env: []string{"AzureWebJobsStorage=" + store, "ARCHIVE_STORAGE=" + store,
					"PORTAL_SIGN_IN=" + identity.ByPlatform, "PORTAL_TENANT=" + testTenant, more}})
			if err == nil {
				t.Cleanup(func() { _ = h.Stop() })
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, signedIn.log.String(), open.log.String())
	}
	return signedIn, open
}

// principalOf returns the header of App Service Authentication for a person of the tenant with a role.
func principalOf(role string) string {
	type claim struct {
		Type  string `json:"typ"`
		Value string `json:"val"`
	}
	raw, _ := json.Marshal(map[string]any{"auth_typ": "aad",
		"claims": []claim{{"tid", testTenant}, {"oid", testPerson}, {"roles", role}}})
	return base64.StdEncoding.EncodeToString(raw)
}

// Values of the header, by what a person may do.
var (
	asAdmin  = principalOf("Archive.Admin")
	asReader = principalOf("Archive.Reader")
	asOther  = principalOf("Other.Admin")
)

// lower returns the header of a person whose role is not enough for a route.
func lower(route web.Route) string {
	if route.Role == identity.Admin {
		return asReader
	}
	return asOther
}

// attempt is a way to ask for a route.
type attempt struct {
	name      string
	open      bool                         // of the host in which the platform does not sign people in
	principal func(route web.Route) string // "": none
	origin    string
	site      string // Sec-Fetch-Site; "": a browser that does not send it
	huge      bool
	get, post int // statuses; 0: whatever an answer may be to a person who has the role
}

func attempts(own string) []attempt {
	const evil = "https://evil.example"
	always := func(value string) func(web.Route) string { return func(web.Route) string { return value } }
	return []attempt{
		{"signed out", false, always(""), own, "same-origin", false, 401, 401},
		{"without a role", false, always(asOther), own, "same-origin", false, 403, 403},
		{"with the wrong role", false, lower, own, "same-origin", false, 403, 403},
		{"with a principal that is no one's", false, always("abc"), own, "same-origin", false, 401, 401},
		{"with a forged principal", true, always(asAdmin), "", "same-origin", false, 403, 403},
		{"from another site", false, always(asAdmin), evil, "cross-site", false, 0, 403},
		{"from another origin, by an old browser", false, always(asAdmin), evil, "", false, 0, 403},
		{"with a body of 100 MB", false, always(asAdmin), own, "same-origin", true, 413, 413},
		{"as it should be", false, always(asAdmin), own, "same-origin", false, 0, 0},
	}
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// pathOf returns the method and a path of a route.
func pathOf(route web.Route) (method, path string) {
	method, path, _ = strings.Cut(strings.ReplaceAll(route.Pattern, "{$}", ""), " ")
	return method, placeholder.ReplaceAllString(path, "x")
}

// request returns the request of an attempt. Unless it is the long form, the body of a page is smaller: it is refused
// before the route is known, and each 100 MB take half a second.
func (a attempt) request(t *testing.T, at string, route web.Route, long bool) *http.Request {
	t.Helper()
	method, path := pathOf(route)
	form := url.Values{web.FormField: {testForm}}.Encode()
	mediaType, body, length := "application/x-www-form-urlencoded", io.Reader(strings.NewReader(form)), int64(len(form))
	if a.huge {
		body, length = io.MultiReader(strings.NewReader(form+"&x="), endless{}), hugeBody
		if method == http.MethodGet && path != "/" && !long {
			length = largeBody
		}
	}
	if a.huge && route.Body > 0 { // a file
		var head strings.Builder
		w := multipart.NewWriter(&head)
		_ = w.WriteField(web.FormField, testForm)
		_, _ = w.CreateFormFile("file", "x.csv")
		mediaType, body = w.FormDataContentType(), io.MultiReader(strings.NewReader(head.String()), endless{})
	}
	if method == http.MethodGet && !a.huge {
		body, length = http.NoBody, 0
	}
	r, err := http.NewRequestWithContext(t.Context(), method, at+path, io.LimitReader(body, length))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = length
	if length == 0 {
		r.Body = http.NoBody
	}
	for name, value := range map[string]string{"Content-Type": mediaType, principal: a.principal(route),
		"Origin": a.origin, "Sec-Fetch-Site": a.site} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

// TestEveryRouteInTheRealHost: through the real Functions host, each route refuses a person who is signed out, without
// a role or with one that is not enough; a principal of the client's own making where the platform does not sign people
// in; a change that comes from another origin; and a body of 100 MB, for which the process does not grow. The short
// form sends 100 MB to each route of a form and to one page, and 1 MB to the other pages.
func TestEveryRouteInTheRealHost(t *testing.T) {
	signedIn, open := startInRealHost(t)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	before := measureHandler(t, signedIn)
	table, long := routes(nil, nil), soak.ForTest(t).Long
	for _, a := range attempts(signedIn.URL()) {
		at := signedIn.URL()
		if a.open {
			at = open.URL()
		}
		for _, route := range table {
			resp, err := client.Do(a.request(t, at, route, long))
			if err != nil {
				t.Errorf("%s %s: %v", route.Pattern, a.name, err)
				continue
			}
			a.check(t, route, resp)
		}
	}
	after := measureHandler(t, signedIn)
	if grown := after.peak - before.peak; after.pid != before.pid || grown > mayGrow {
		t.Errorf("the process %d grew by %d MB, and is %d now; at most %d MB", before.pid, grown>>20, after.pid,
			mayGrow>>20)
	}
	if t.Failed() {
		t.Logf("the log of the host:\n%s", signedIn.log.String())
	}
}

// check holds an answer against what is wanted, and closes it.
func (a attempt) check(t *testing.T, route web.Route, resp *http.Response) {
	t.Helper()
	defer resp.Body.Close()
	want := a.get
	if strings.HasPrefix(route.Pattern, http.MethodPost) {
		want = a.post
	}
	passed := resp.StatusCode < 500 && resp.StatusCode != http.StatusUnauthorized &&
		resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusRequestEntityTooLarge
	if want != 0 && resp.StatusCode != want || want == 0 && !passed {
		t.Errorf("%s %s: status %d, want %d", route.Pattern, a.name, resp.StatusCode, want)
	}
	// What another origin may ask for, it may not read.
	for name, value := range map[string]string{"Access-Control-Allow-Origin": "",
		"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"} {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s %s: the header %s is %q, want %q", route.Pattern, a.name, name, got, value)
		}
	}
	if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%s %s: the answer has no policy", route.Pattern, a.name)
	}
}

// endless is a reader of whatever the buffer has.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// process is the handler's process, and the most memory that it has held, in bytes.
type process struct{ pid, peak int }

// measureHandler finds the handler by the process group of its host. On other systems than Linux it measures nothing.
func measureHandler(t *testing.T, h *hosted) process {
	t.Helper()
	if runtime.GOOS != "linux" {
		return process{}
	}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		raw, _ := os.ReadFile(file) // the process may have ended
		_, rest, _ := strings.Cut(string(raw), "(handler) ")
		var state string
		var parent, group int
		if n, _ := fmt.Sscan(rest, &state, &parent, &group); n != 3 || group != h.Pid() {
			continue
		}
		p := process{}
		if _, err := fmt.Sscanf(file, "/proc/%d/stat", &p.pid); err != nil {
			t.Fatal(err)
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		_, peak, found := strings.Cut(string(status), "VmHWM:")
		if _, scanned := fmt.Sscan(peak, &p.peak); err != nil || !found || scanned != nil {
			t.Fatalf("%s has no VmHWM: %v", file, err)
		}
		p.peak <<= 10 // kB
		return p
	}
	t.Fatal("the host has no handler")
	return process{}
}
