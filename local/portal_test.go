package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/vault"
	"o2archiver/shared/control"
	"o2archiver/shared/report"
)

// startPortalWorld is `go run ./local -portal`, until the test ends.
func startPortalWorld(t *testing.T, o options) *world {
	t.Helper()
	if !canServeVault() {
		t.Skip("LEFT OUT: only on Linux do programs take trusted certificates from SSL_CERT_FILE")
	}
	o.portal, o.storage = true, t.TempDir()
	w, err := startWorld(t.Context(), o, nil, func(string) (string, bool) { return "", false }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.keepRunning(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return w
}

// checkNotSetUp checks an archive that is not set up: the portal answers, and nothing is fetched, not even if a person
// asks for it.
func checkNotSetUp(t *testing.T, w *world) {
	t.Helper()
	resp, err := http.Get(w.portalAt + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the portal answers %d", resp.StatusCode)
	}
	var said bytes.Buffer
	w.tellPortal(&said, io.Discard)
	if want := "portal " + w.portalAt + "/\n"; said.String() != want {
		t.Errorf("printed %q, want %q", said.String(), want)
	}
	if _, err := w.fetch.Run(t.Context(), "fetch", ""); err != nil {
		t.Fatal(err)
	}
	if s, err := report.ReadSummary(t.Context(), w.store); err != nil || s.Runs.All != 0 {
		t.Fatalf("before the set-up: %+v, %v", s.Runs, err)
	}
}

// setUpByDocument sets the archive up as the portal does, and returns when the timers have fetched and imported the
// first message, without a start of this program anew.
func setUpByDocument(t *testing.T, w *world) {
	t.Helper()
	w.vault.Put(passwordSecret, sitePassword, vault.Attributes{})
	me := control.Person{By: "00000000-0000-0000-0000-000000000001", Name: "admin@contoso.example", At: time.Now()}
	if _, err := control.UpdateConnector(t.Context(), w.store.Settings(), func(c *control.Connector) error {
		c.Unfinished, c.Terms, c.Finished = false, &control.Terms{Version: "2026-11", Person: me}, &me
		c.Settings = map[string]string{"TELEMESSAGE_USERNAME": siteUser}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		s, err := report.ReadSummary(ctx, w.store)
		if err == nil && s.Records.Archived > 0 {
			return
		}
		waitFor(ctx, lookEvery)
	}
	raw, _ := os.ReadFile(w.log.path)
	t.Errorf("the day was not archived: %s\n%s", strings.Join(w.log.errors(), "\n"), lastLines(string(raw)))
}
