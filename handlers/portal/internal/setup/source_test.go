package setup

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// Whatever the site answers, it is said in words, nothing is stored, and the person stays at the step.
func TestSiteRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		user, password string
		fault          *telemessagetest.Fault
		says           string
	}{
		"an unknown user":  {"other", sitePassword, nil, "code 300"},
		"a wrong password": {siteName, "wrong", nil, "code 301"},
		"no user name":     {"", sitePassword, nil, "Enter the user name."},
		"no password":      {siteName, "", nil, "Enter the password."},
		"a colon":          {"a:b", sitePassword, nil, "colon"},
		"a line break":     {siteName, "line\nbreak", nil, "control character"},
		"a site that is away": {siteName, sitePassword, &telemessagetest.Fault{Status: 503},
			"neither accepted nor refused"},
		"a proxy's refusal": {siteName, sitePassword, &telemessagetest.Fault{Status: 403},
			"neither accepted nor refused"},
		"a suspended user": {siteName, sitePassword,
			&telemessagetest.Fault{Status: 403, Body: `{"code":309}`}, "code 309"},
		"a refusal without a code": {siteName, sitePassword, &telemessagetest.Fault{Status: 401},
			"refuses the user name or"},
		"a page": {siteName, sitePassword,
			&telemessagetest.Fault{Status: 200, Body: "<html><script>alert(1)</script>"},
			"neither accepted nor refused"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.acceptTerms()
			if tt.fault != nil {
				w.site.Fail(telemessagetest.Count, 1, *tt.fault)
			}
			led, page := w.send("/setup/source", "username", tt.user, "password", tt.password)
			if led != "/setup/source" || len(w.place.stored) > 0 {
				t.Fatalf("it leads to %s, stored %d", led, len(w.place.stored))
			}
			w.mustHold(page, tt.says)
			if strings.Contains(page+w.stored()+w.log.String(), sitePassword) ||
				strings.Contains(page, "<script>alert") {
				t.Error("the password, or what the site sent, is in a page, a document or the log")
			}
			if n := w.site.Calls()[telemessagetest.Count]; n > 1 {
				t.Errorf("%d requests", n)
			}
			if w.get("/setup/mapping"); w.path != "/setup/source" {
				t.Errorf("the step counts as done: %s", w.path)
			}
		})
	}
}

// A site that offers no count is asked for a minute that has no items, so that no message comes here.
func TestSiteWithoutCount(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	w.site.Fail(telemessagetest.Count, 1, telemessagetest.Fault{Status: 404, Body: `{}`})
	if led, page := w.send("/setup/source", "username", siteName, "password", sitePassword); led != "/setup/mapping" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	if asked := w.site.Asked(); len(asked) == 0 || asked[len(asked)-1].Year() != 2000 {
		t.Errorf("asked for %v", asked)
	}
}

// At most three tests a minute reach the site, by all people and processes together.
func TestTestsAreLimited(t *testing.T) {
	w := newWorld(t)
	for _, p := range []int{1, 2} {
		w.person = ann
		if p == 2 {
			w.person = bob
		}
		w.acceptTerms()
	}
	try := func() (status int, page string) {
		w.get("/setup/source")
		status, page, _ = w.ask(w.post("/setup/source", "username", siteName, "password", "wrong"))
		return status, page
	}
	for i := range 3 {
		w.person = ann
		if i == 1 {
			w.person = bob
		}
		w.use(w.storage) // another process
		if status, page := try(); status != 200 {
			t.Fatalf("test %d: %d\n%s", i+1, status, page)
		}
		w.now = w.now.Add(10 * time.Second)
	}
	if status, page := try(); status != http.StatusTooManyRequests || !strings.Contains(page, "Wait 30 seconds") {
		t.Errorf("the fourth: %d\n%s", status, page)
	}
	if n := w.site.Calls()[telemessagetest.Count]; n != 3 {
		t.Errorf("%d requests at the site", n)
	}
	w.now = w.now.Add(31 * time.Second)
	if status, _ := try(); status != 200 {
		t.Errorf("after a minute: %d", status)
	}
}

// A vault that refuses is said in words, and the step is not done.
func TestVaultRefuses(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	w.place.err = errVault
	led, page := w.send("/setup/source", "username", siteName, "password", sitePassword)
	if led != "/setup/source" {
		t.Fatalf("it leads to %s", led)
	}
	w.mustHold(page, "The test passed, but the vault does not let the app store",
		"Assign the app&#39;s identity a role.")
	w.place.err = errors.New("some error of a library with " + sitePassword)
	w.get("/setup/source")
	status, page, _ := w.ask(w.post("/setup/source", "username", siteName, "password", sitePassword))
	if status != 500 || strings.Contains(page, sitePassword) {
		t.Errorf("an error that is none of the vault's: %d\n%s", status, page)
	}
}

func TestSourceWithoutAPlace(t *testing.T) {
	w := newWorld(t)
	w.opts.Password = nil
	w.use(w.storage)
	w.acceptTerms()
	w.mustHold(w.page, "TELEMESSAGE_PASSWORD_SECRET is missing")
	w.opts.Deployed.Site, w.opts.Broken = nil, errors.New("TELEMESSAGE_URL is missing")
	w.use(w.storage)
	w.mustHold(w.get("/setup/source"), "TELEMESSAGE_URL is missing")
	if led, _ := w.send("/setup/source", "username", siteName, "password", sitePassword); led != "/setup/source" {
		t.Errorf("it leads to %s", led)
	}
}

// Later, the account is changed by itself.
func TestChangeSource(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.now = w.now.Add(time.Hour)
	w.site.SetPassword("an0ther")
	w.get("/settings/source")
	led, page := w.send("/settings/source", "username", siteName, "password", "an0ther")
	if led != "/settings?done=source" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	if diff := cmp.Diff([]string{sitePassword, "an0ther"}, w.place.stored); diff != "" {
		t.Errorf("in the vault (-want +got):\n%s", diff)
	}
}

// server is a world whose source is an SFTP server.
func server(t *testing.T, o deliverytest.Options) (*world, *deliverytest.Server, *place) {
	t.Helper()
	w, key := newWorld(t), &place{}
	s := deliverytest.New(o)
	t.Cleanup(s.Close)
	w.opts.Deployed = settings.SetUp{Source: settings.Deliveries, Region: "GB"}
	w.opts.Password, w.opts.SFTPPassword, w.opts.SFTPKey, w.opts.SFTPPassphrase = nil, w.place, key, &place{}
	w.opts.Dial = s.Dial
	w.use(w.storage)
	w.acceptTerms()
	return w, s, key
}

func TestServer(t *testing.T) {
	w, s, _ := server(t, deliverytest.Options{User: "o2", Password: "s3cret", Methods: []string{"password"}})
	if strings.Contains(w.page, `name="password"`) {
		t.Error("a password is asked for before the server is known")
	}
	_, page := w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
	w.mustHold(page, "SHA256:", "ssh-ed25519", `name="password"`)
	if n := s.Counts().SignIns; n != 0 {
		t.Errorf("%d sign-ins before the key was accepted", n)
	}
	fingerprint := w.find(fingerprintForm)
	fields := []string{"host", "sftp.contoso.example", "username", "o2", "folder", "", "password", "s3cret",
		"do", "test"}
	led, page := w.send("/setup/source", fields...)
	if led != "/setup/source" || s.Counts().SignIns != 0 {
		t.Fatalf("without the tick it leads to %s, %d sign-ins", led, s.Counts().SignIns)
	}
	w.mustHold(page, "tick the box")
	if led, page = w.send("/setup/source", append(fields, "accept", fingerprint)...); led != "/setup/mapping" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	w.send("/setup/mapping", "do", "switches", "automatic", "on")
	w.send("/setup/domains", "size", "150MB", "date", "2026-11-01")
	w.mustHold(w.page, "sftp.contoso.example", "home folder")
	w.send("/setup/review")
	c := w.connector()
	if c.Settings[sftpHost] != "sftp.contoso.example" || c.Settings[sftpUser] != "o2" ||
		!strings.HasPrefix(c.Settings[sftpHostKeys], "ssh-ed25519 ") ||
		c.Settings[deliveryFrom] != "2026-11-01T00:00:00Z" {
		t.Errorf("in force: %v", c.Settings)
	}
	if diff := cmp.Diff([]string{"s3cret"}, w.place.stored); diff != "" {
		t.Errorf("in the vault (-want +got):\n%s", diff)
	}
	if strings.Contains(w.stored()+w.log.String(), "s3cret") {
		t.Error("a document or the log has the password")
	}
}

func TestServerWithAKey(t *testing.T) {
	text, public := deliverytest.NewUserKey()
	w, _, key := server(t, deliverytest.Options{User: "o2", Key: public, Methods: []string{"publickey"}})
	w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
	led, page := w.send("/setup/source", "host", "sftp.contoso.example", "username", "o2", "key", text,
		"accept", w.find(fingerprintForm), "do", "test")
	if led != "/setup/mapping" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	if diff := cmp.Diff([]string{text}, key.stored); diff != "" || len(w.place.stored) > 0 {
		t.Errorf("in the vault (-want +got):\n%s", diff)
	}
}

func TestServerRefuses(t *testing.T) {
	good := []string{"host", "sftp.contoso.example", "username", "o2", "password", "s3cret", "do", "test"}
	with := func(fields ...string) []string { return append(append([]string{}, good...), fields...) }
	for name, tt := range map[string]struct {
		fields []string
		says   string
	}{
		"a wrong password":    {with("password", "wrong-one"), "refuses the user name"},
		"no folder":           {with("folder", "nowhere"), "no such folder"},
		"no user":             {with("username", ""), "Enter the user name."},
		"nothing secret":      {with("password", ""), "Enter what the server asks for"},
		"a public key":        {with("key", "ssh-ed25519 AAAA"), "is a public key"},
		"no key":              {with("key", "-----BEGIN NOTHING-----"), "private key"},
		"a passphrase alone":  {with("passphrase", "x"), "enter the key too"},
		"a host that is none": {with("host", "a/b"), "is no host"},
		"another fingerprint": {with("accept", "SHA256:other"), "tick the box"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, key := server(t, deliverytest.Options{User: "o2", Password: "s3cret", Methods: []string{"password"}})
			w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
			fields := tt.fields
			if name != "another fingerprint" {
				fields = append(fields, "accept", w.find(fingerprintForm))
			}
			led, page := w.send("/setup/source", fields...)
			if led != "/setup/source" || len(w.place.stored)+len(key.stored) > 0 {
				t.Fatalf("it leads to %s, stored %d", led, len(w.place.stored))
			}
			w.mustHold(page, tt.says)
			if strings.Contains(page+w.stored(), "s3cret") {
				t.Error("the password is in a page or a document")
			}
		})
	}
}

// The key that the deployment has made is not read here; the server is looked at all the same.
func TestKeepTheSecret(t *testing.T) {
	w, s, _ := server(t, deliverytest.Options{User: "o2", Password: "x", Methods: []string{"password"}})
	w.opts.SFTPPassword = nil // it has made a key
	w.use(w.storage)
	w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
	led, page := w.send("/setup/source", "host", "sftp.contoso.example", "username", "o2", "keep", "on",
		"accept", w.find(fingerprintForm), "do", "test")
	if led != "/setup/mapping" || s.Counts().SignIns != 0 || len(w.place.stored) != 0 {
		t.Errorf("it leads to %s, %d sign-ins\n%s", led, s.Counts().SignIns, page)
	}
}

// The password in the vault can't be read. It can't be had by naming a server that records what it is sent, either.
func TestStoredPasswordIsNotForAnotherServer(t *testing.T) {
	for name, tt := range map[string]struct{ inForce, led string }{
		"the same server": {"sftp.contoso.example", "/setup/mapping"},
		"another server":  {"sftp.vendor.example", "/setup/source"},
		"none in force":   {"", "/setup/source"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s, _ := server(t, deliverytest.Options{User: "o2", Password: "x", Methods: []string{"password"}})
			w.opts.Lookup = func(setting string) (string, bool) { return tt.inForce, setting == sftpHost }
			w.use(w.storage)
			w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
			led, page := w.send("/setup/source", "host", "sftp.contoso.example", "username", "o2", "keep", "on",
				"accept", w.find(fingerprintForm), "do", "test")
			if led != tt.led || s.Counts().SignIns != 0 || len(w.place.stored) != 0 {
				t.Errorf("it leads to %s, %d sign-ins\n%s", led, s.Counts().SignIns, page)
			}
			if tt.led == "/setup/source" {
				w.mustHold(page, "was entered for another server")
			}
		})
	}
}

// A server that another one has taken the place of since its key was shown gets nothing.
func TestServerIsReplaced(t *testing.T) {
	for _, keep := range []string{"", "on"} {
		w, _, _ := server(t, deliverytest.Options{User: "o2", Password: "s3cret", Methods: []string{"password"}})
		w.send("/setup/source", "host", "sftp.contoso.example", "do", "key")
		second := deliverytest.New(deliverytest.Options{User: "o2", Password: "s3cret", Methods: []string{"password"}})
		t.Cleanup(second.Close)
		w.opts.Dial = second.Dial
		w.opts.Lookup = func(name string) (string, bool) { return "sftp.contoso.example", name == sftpHost }
		w.use(w.storage)
		_, page := w.send("/setup/source", "host", "sftp.contoso.example", "username", "o2", "password", "s3cret",
			"keep", keep, "accept", w.find(fingerprintForm), "do", "test")
		w.mustHold(page, "another key than the one that you accepted")
		if n := second.Counts().SignIns; n != 0 {
			t.Errorf("%d sign-ins at the other server", n)
		}
	}
}

func TestLandingHasNothingToEnter(t *testing.T) {
	w := newWorld(t)
	w.opts.Deployed = settings.SetUp{Source: settings.Deliveries, Region: "GB",
		Landing: httptest.NewRequest("GET", "https://contosolanding.blob.core.windows.net", nil).URL}
	w.use(w.storage)
	w.acceptTerms()
	w.mustHold(w.page, "contosolanding.blob.core.windows.net", "nothing to enter")
	if led, page := w.send("/setup/source"); led != "/setup/mapping" {
		t.Errorf("it leads to %s\n%s", led, page)
	}
}

// The secret and the user name are in two places. Wherever the process dies in between, the page says that the change
// has to be sent again.
func TestChangeSourceKilledAtEachWrite(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
		c.Settings[siteUser] = "former"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.place.stored = nil
	w.dies(func() {
		w.now, w.page = w.now.Add(2*time.Minute), ""
		if status, page, _ := w.ask(httptest.NewRequest("GET", "/settings/source", nil)); status == 200 {
			w.page = page
		}
		w.ask(w.post("/settings/source", "username", siteName, "password", sitePassword))
	}, func(n int) {
		user := w.connector().Settings[siteUser]
		if user != "former" && user != siteName || user == siteName && len(w.place.stored) == 0 {
			t.Fatalf("after %d writes the user is %q, with %d secrets", n, user, len(w.place.stored))
		}
		said := strings.Contains(w.get("/settings/source"), "begun and not finished")
		if half := len(w.place.stored) > 0 && user == "former"; half && !said {
			t.Errorf("after %d writes the page does not say that the change is not finished", n)
		}
	})
	if user := w.connector().Settings[siteUser]; user != siteName {
		t.Errorf("it was never changed: %q", user)
	}
}
