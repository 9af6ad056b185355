package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/auditlog"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/setup"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/local/browser"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// steps is a portal in this process, of an archive that is not set up, in a tab of a browser.
type steps struct {
	*browser.Page
	t         *testing.T
	at        string
	axe       string
	signedOut atomic.Bool
}

// place is a place for a secret.
type place struct{}

func (place) Store(context.Context, settings.Secret) error { return nil }

// startSteps starts a portal. o has what the deployment gives to the set-up, and the ways to the source.
func startSteps(t *testing.T, b *browser.Browser, axe string, o setup.Options) *steps {
	t.Helper()
	storage := archivetest.ForTest(t, nil)
	store, totals := portaltest.OpenArchive(t, storage.ConnectionString(), storage.Client())
	templates, err := pages.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.UpdateConnector(t.Context(), store.Settings(), func(c *control.Connector) error {
		c.Unfinished = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	log := audit.New(audit.Options{Logs: store.Audit(), Now: time.Now})
	o.Settings, o.Mapping, o.Reports, o.Status = store.Settings(), store.Mapping(), store.Reports(), store.Status()
	o.Lookup, o.Audit, o.Now = func(string) (string, bool) { return "", false }, log, time.Now
	o.Deployed.Region = "GB"
	s := &steps{Page: b.OpenForTest(t), t: t, axe: axe}
	all := newServices(store, totals, auditlog.New(log, time.Now), setup.New(o), time.Now)
	server := httptest.NewServer(web.New(web.Options{Routes: routes(all, nil), Pages: templates, Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Who: func(*http.Request) (identity.Person, error) {
			if s.signedOut.Load() {
				return identity.Person{}, identity.ErrSignedOut
			}
			return identity.Person{ID: testPerson, Name: "ann@contoso.example", Role: identity.Admin}, nil
		}}))
	t.Cleanup(server.Close)
	s.at = server.URL
	return s
}

// do carries out steps on a page, and waits for a text of the page that follows.
func (s *steps) do(then string, todo ...error) {
	s.t.Helper()
	for _, err := range append(todo, s.Await(then)) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// check is do, and lets axe-core check the page that follows.
func (s *steps) check(then string, todo ...error) {
	s.t.Helper()
	s.do(then, todo...)
	s.CheckForTest(s.t, s.axe, then)
}

// expect fails the test unless an expression in the page is true.
func (s *steps) expect(what, expression string) {
	s.t.Helper()
	if is, err := browser.Eval[bool](s.Page, expression); err != nil || !is {
		s.t.Errorf("%s: not so, %v", what, err)
	}
}

const mainButton, testButton = "main button.main", "main button[value=test]"

// TestStepsOfTheSource: the step of the source, in a real browser, for each source that an archive may have: with wrong
// input, which is named at its field, and with right input, which leads on. A page whose session has ended says so and
// keeps what was typed. No page has anything wrong for a screen reader, in the light and in the dark. With scripts
// disabled, forms do what they do otherwise.
func TestStepsOfTheSource(t *testing.T) {
	b := browser.ForTest(t)
	axe, err := browser.ReadAxe(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("an SFTP server", func(t *testing.T) { walkServerStep(t, b, axe) })
	t.Run("a landing container", func(t *testing.T) {
		s := startSteps(t, b, axe, setup.Options{Deployed: settings.SetUp{Source: settings.Deliveries,
			Landing: &url.URL{Scheme: "https", Host: "contosolanding.blob.core.windows.net"}}})
		s.check("contosolanding.blob.core.windows.net", s.Go(s.at+"/setup"), s.Click("#accept"), s.Click(mainButton))
		s.do("Mapping file", s.Click(mainButton))
	})
	t.Run("without scripts", func(t *testing.T) { walkWithoutScripts(t, b) })
}

func walkServerStep(t *testing.T, b *browser.Browser, axe string) {
	hostKey := deliverytest.NewKey("ed25519")
	key, public := deliverytest.NewUserKey()
	other, _ := deliverytest.NewUserKey()
	server := deliverytest.New(deliverytest.Options{HostKeys: []deliverytest.Key{hostKey}, User: "o2", Key: public,
		Methods: []string{"publickey"}})
	t.Cleanup(server.Close)
	s := startSteps(t, b, axe, setup.Options{Deployed: settings.SetUp{Source: settings.Deliveries},
		SFTPPassword: place{}, SFTPKey: place{}, SFTPPassphrase: place{},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return server.Dial(ctx, network, address)
		}})
	s.do("read from an SFTP server", s.Go(s.at+"/setup"), s.Click("#accept"), s.Click(mainButton))
	s.check("is no host", s.Fill("#host", "a/b"), s.Click(mainButton))
	s.expect("the field is marked", "document.querySelector('#host').ariaInvalid === 'true'")

	s.do(fingerprintOf(hostKey), s.Fill("#host", "sftp.contoso.example"), s.Click(mainButton))
	s.check("tick the box", s.Fill("#username", "o2"), s.typeKey(other), s.Click(testButton))
	s.do("Enter what the server asks for", s.Click("#accept"), s.Click(testButton))
	s.check("is a public key", s.typeKey("ssh-ed25519 AAAA"), s.Click(testButton))
	s.expect("the field is marked", "document.querySelector('#key').ariaInvalid === 'true'")
	s.do("The server refuses", s.typeKey(other), s.Click(testButton))

	s.signedOut.Store(true)
	s.Allow(http.StatusUnauthorized)
	s.check("You are signed out", s.typeKey(key), s.Click(testButton))
	s.Allow()
	s.expect("what was typed is there", "document.querySelector('#key').value.startsWith('-----BEGIN')")
	s.signedOut.Store(false)
	s.do("Mapping file", s.Click(testButton))
}

// fingerprintOf returns the fingerprint of a server's key as OpenSSH writes it.
func fingerprintOf(key deliverytest.Key) string {
	sum := sha256.Sum256(key.PublicKey().Marshal())
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// typeKey fills in the private key. It is pasted: typed, each line would take long.
func (s *steps) typeKey(key string) error {
	s.t.Helper()
	_, err := browser.Eval[int](s.Page, "document.querySelector('#key').value = `"+key+"`, 0")
	return err
}

func walkWithoutScripts(t *testing.T, b *browser.Browser) {
	site := telemessagetest.New(telemessagetest.Options{Username: "o2-archive", Password: "sample-day"})
	way, stop := pipetest.Serve(site)
	t.Cleanup(stop)
	s := startSteps(t, b, "", setup.Options{Deployed: settings.SetUp{Source: settings.Telemessage,
		Site: &url.URL{Scheme: "https", Host: "rest.telemessage.example"}}, Site: way, Password: place{}})
	bad := filepath.Join(t.TempDir(), "bad.csv")
	if err := os.WriteFile(bad, []byte("phone,mailbox\nno number,no mailbox\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do("User name at the site", s.DisableScripts(), s.Go(s.at+"/setup"), s.Click("#accept"), s.Click(mainButton))
	s.expect("no script runs", "typeof showTimes === 'undefined' && document.scripts.length > 0")
	s.do("Nothing was put in force", s.Fill("#username", "o2-archive"), s.Fill("#password", "wrong"),
		s.Click(mainButton))
	s.do("Mapping file", s.Fill("#password", "sample-day"), s.Click(mainButton))
	s.do("The file was refused", s.Upload("#file", bad), s.Click("main form[enctype] button"))
	s.do("Asked by", s.Go(s.at+"/commands"), s.Click("main form[action='/commands/run'] button"))
	if at, err := s.Location(); err != nil || !strings.HasPrefix(at, s.at+"/commands/fetch/") {
		t.Errorf("the command has no page: %s, %v", at, err)
	}
}
