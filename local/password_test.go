package main

import (
	"context"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/local/appbuild"
	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
	"o2archiver/local/host"
	"o2archiver/local/vault"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// vaultWorld is the built app fetch between a site and a vault, both of which keep the password.
type vaultWorld struct {
	t     *testing.T
	site  *telemessagetest.Site
	vault *vault.Vault
	fetch *host.StandIn
	log   *archivetest.Lines

	refused atomic.Int32 // requests that the site refused with 401
	pages   atomic.Int32 // requests for items
	change  atomic.Int32 // the page after which the password changes; 0: none
}

// vaultSecret is the name of the secret, and the beginning of each password, which no log may hold.
const vaultSecret = "pa55-of-the-site"

// setPassword changes the password in the vault, and at the site.
func (w *vaultWorld) setPassword(password string) {
	w.vault.Put(vaultSecret, password, vault.Attributes{})
	w.site.SetPassword(password)
}

// ServeHTTP is the site.
func (w *vaultWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	status := &statusWriter{ResponseWriter: rw}
	w.site.ServeHTTP(status, r)
	if status.code == http.StatusUnauthorized {
		w.refused.Add(1)
	}
	if strings.HasSuffix(r.URL.Path, telemessagetest.ItemsPath) && w.pages.Add(1) == w.change.Load() {
		w.setPassword(vaultSecret + "-changed-during-a-run")
	}
}

// statusWriter keeps the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (s *statusWriter) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// run lets fetch run as its timer does, and reports whether it succeeded. It then checks how often the site refused the
// password and how often the vault was read since the run before.
func (w *vaultWorld) run(what string, succeeds bool, refused, reads int) {
	w.t.Helper()
	time.Sleep(1100 * time.Millisecond) // a window has at least one second
	refusedBefore, readsBefore := w.refused.Load(), w.vault.Reads()
	if _, err := w.fetch.Run(w.t.Context(), "fetch", ""); (err == nil) != succeeds {
		w.t.Errorf("%s: %v", what, err)
	}
	if r, n := int(w.refused.Load()-refusedBefore), w.vault.Reads()-readsBefore; r != refused || n != reads {
		w.t.Errorf("%s: %d refusals by the site, %d reads of the vault; want %d, %d\n%s", what, r, n, refused, reads,
			lastLines(w.log.String()))
	}
}

// TestPasswordInVault: the built app fetch reads the site's password from a vault, through TLS and with Microsoft's
// client, at the start of each run and once more after a refusal.
func TestPasswordInVault(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: only on Linux do programs take trusted certificates from SSL_CERT_FILE")
	}
	root, err := cloud.Root()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := appbuild.Build(t.Context(), appbuild.Options{Root: root, Out: out, Local: true},
		appbuild.Apps()[0]); err != nil {
		t.Fatal(err)
	}
	// An emulator of its own: the checkpoint that fetch leaves has a fixed name.
	store, err := azurite.Start(t.Context(), azurite.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Stop)
	if _, err := cloud.Prepare(t.Context(), store.ConnectionString()); err != nil {
		t.Fatal(err)
	}
	w := &vaultWorld{t: t, log: &archivetest.Lines{},
		site:  telemessagetest.New(telemessagetest.Options{Username: "archive", PageLimit: 1}),
		vault: vault.New(map[string]int{graphToken: vault.MayRead}, nil),
	}
	w.setPassword(vaultSecret + "-first")
	for i := range 3 {
		at := time.Now().Add(-time.Hour + time.Duration(i)*time.Minute)
		w.site.Add(at, []byte(`{"messageId":"m","textContent":"x"}`))
	}
	var servers cloud.Servers
	t.Cleanup(servers.Close)
	siteAt, err := servers.Serve(w)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := vault.Serve(w.vault, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kv.Close)
	w.fetch, err = host.Start(t.Context(), host.Options{App: filepath.Join(out, "fetch"), Log: w.log,
		Pause: 10 * time.Millisecond, Env: []string{
			"ARCHIVE_STORAGE=" + store.ConnectionString(), "FETCH_SCHEDULE=0 30 5 * * *", "TELEMESSAGE_URL=" + siteAt,
			"TELEMESSAGE_USERNAME=archive", "TELEMESSAGE_PASSWORD=",
			"TELEMESSAGE_PASSWORD_SECRET=" + kv.URL + "/secrets/" + vaultSecret, "SSL_CERT_FILE=" + kv.Certificate,
			"FETCH_FROM=" + time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339),
			"GODEBUG=http2debug=2", "AZURE_SDK_GO_LOGGING=all", // the libraries must not print what they could
		}})
	if err != nil {
		t.Fatalf("%v\n%s", err, lastLines(w.log.String()))
	}
	t.Cleanup(func() { _ = w.fetch.Stop() })

	w.change.Store(1)
	w.run("a password that changes after the first page", true, 1, 2)
	w.await(`"event":"fetch.ended"`, `"received":3`)
	w.setPassword(vaultSecret + "-changed-between-two-runs")
	w.run("a password that changed before the run", true, 0, 1)
	w.site.SetPassword(vaultSecret + "-that-is-not-in-the-vault")
	w.run("a password that is wrong", true, 1, 2) // a success for the host, so that it does not try again
	w.await(`"level":"ERROR"`, `"event":"fetch.credentialsRefused"`)
	w.vault.Allow(graphToken, 0)
	w.run("a vault without the role", false, 0, 0)
	w.await(`"level":"ERROR"`, "assign the app's identity the role Key Vault Secrets User on the vault")
	kv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = w.fetch.Run(ctx, "fetch", "") // it fails, and the host tries again, each time for seconds
	}()
	w.await(`"level":"WARN"`, "the vault that holds the password is not available (connection refused)")
	cancel()
	<-ended
	if text := w.log.String(); strings.Contains(text, vaultSecret) ||
		strings.Contains(text, strings.TrimPrefix(kv.URL, "https://")) {
		t.Errorf("a password, or the vault's address, is in the log:\n%s", text)
	}
}

// await waits until a line of the log holds the texts: the app's output comes through a pipe, later than its answer.
func (w *vaultWorld) await(texts ...string) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); w.log.Count(texts...) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("no line has %q:\n%s", texts, lastLines(w.log.String()))
		}
	}
}
