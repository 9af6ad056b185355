package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"o2archiver/local/appbuild"
	"o2archiver/local/host"
	"o2archiver/local/sftpserver"
	"o2archiver/local/vault"
	"o2archiver/shared/control"
)

// How often the timers fire while everything keeps running: a person is waiting. The real host fires them on their own
// schedules, too.
const (
	commandEvery = 3 * time.Second
	sweepEvery   = 5 * time.Second // a sweep carries out the commands of import
	fetchEvery   = time.Hour
)

// The names of the secrets in the vault's stand-in.
const (
	passwordSecret = "telemessage-password"
	keySecret      = "delivery-sftp-key"
)

// hasPortal reports whether the app portal runs, too.
func (o options) hasPortal() bool { return o.keep || o.portal }

// apps returns the apps that this start runs.
func (o options) apps() []appbuild.App {
	if o.hasPortal() {
		return append(appbuild.Apps(), appbuild.Portal())
	}
	return appbuild.Apps()
}

// startVault starts the stand-in for Key Vault. The apps trust its certificate by the setting SSL_CERT_FILE.
func (w *world) startVault(set func(name, value string)) error {
	dir, err := os.MkdirTemp("", "o2archiver-vault-")
	if err != nil {
		return fmt.Errorf("start the vault: %w", err)
	}
	w.closers = append(w.closers, func() { _ = os.RemoveAll(dir) })
	w.vault = vault.New(map[string]int{graphToken: vault.MayRead | vault.MayStore}, nil)
	server, err := vault.Serve(w.vault, dir)
	if err != nil {
		return fmt.Errorf("start the vault: %w", err)
	}
	w.closers = append(w.closers, server.Close)
	w.vaultAt = server.URL
	set("SSL_CERT_FILE", server.Certificate)
	return nil
}

// siteCredentials sets the user name and the password of the site's stand-in: with -portal nothing but where the
// password is kept, because the set-up asks for both.
func (w *world) siteCredentials(given func(string) (string, bool), add func(name, value string)) {
	if !w.options.portal {
		add("TELEMESSAGE_USERNAME", siteUser)
	}
	_, password := given("TELEMESSAGE_PASSWORD")
	_, address := given("TELEMESSAGE_PASSWORD_SECRET")
	switch {
	case address || password:
	case w.vault == nil:
		add("TELEMESSAGE_PASSWORD", sitePassword)
	default:
		add("TELEMESSAGE_PASSWORD_SECRET", w.vaultAt+"/secrets/"+passwordSecret)
	}
	if !w.options.portal && w.vault != nil {
		w.vault.Put(passwordSecret, sitePassword, vault.Attributes{})
	}
	w.hints = append(w.hints, "the site's user name is "+siteUser+", its password "+sitePassword)
}

// nameServer sets what fetch needs for an SFTP server of this start. With -portal that is nothing but where its key is
// kept, because the set-up asks for the rest.
func (w *world) nameServer(account sftpserver.Account, add func(name, value string)) error {
	if !w.options.portal {
		for name, value := range map[string]string{"DELIVERY_SFTP_HOST": account.Address,
			"DELIVERY_SFTP_USERNAME": account.Username, "DELIVERY_SFTP_KEY": account.Key,
			"DELIVERY_SFTP_HOST_KEYS": account.HostKeys, "DELIVERY_FOLDER": account.Folder} {
			if value != "" {
				add(name, value)
			}
		}
		return nil
	}
	add("DELIVERY_STABLE_AFTER", uploaded)
	add("DELIVERY_SFTP_KEY_SECRET", w.vaultAt+"/secrets/"+keySecret)
	file := filepath.Join(filepath.Dir(w.log.path), "sftp-key.pem")
	if err := os.WriteFile(file, []byte(account.Key), 0o600); err != nil {
		return fmt.Errorf("write the key of the SFTP server: %w", err)
	}
	w.closers = append(w.closers, func() { _ = os.Remove(file) }) // the server accepts it until then
	w.hints = append(w.hints, "the SFTP server is "+account.Address+", its user name "+account.Username,
		"its private key is in "+file, "its host key is "+account.HostKeys)
	if account.Folder != "" {
		w.hints = append(w.hints, "the folder is "+account.Folder)
	}
	return nil
}

// beginSetUp writes the document of an archive that is not set up, unless there is one from an earlier start.
func (w *world) beginSetUp(ctx context.Context) error {
	c, err := control.LoadConnector(ctx, w.store.Settings())
	if err != nil || c.Version != 0 {
		return err
	}
	_, err = control.UpdateConnector(ctx, w.store.Settings(), func(c *control.Connector) error {
		c.Unfinished = true
		return nil
	})
	return err
}

// startPortal starts the app portal, and keeps its address.
func (w *world) startPortal(ctx context.Context, o host.Options) error {
	o.Env = append(append([]string(nil), o.Env...), "PORTAL_SIGN_IN=local")
	if w.landing != "" { // fetch has the connection string in its place; the portal shows where the account is
		o.Env = append(o.Env, "DELIVERY_LANDING__blobServiceUri="+w.landing)
	}
	w.portalApp = o
	if cmp.Or(w.options.portalHost, w.options.host) == "func" {
		h, err := host.StartFunc(ctx, o)
		if err != nil {
			return fmt.Errorf("start the app portal: %w", err)
		}
		w.portalAt = h.URL()
		w.closers = append(w.closers, func() { _ = h.Stop() })
		return nil
	}
	h, err := host.Start(ctx, o)
	if err != nil {
		return fmt.Errorf("start the app portal: %w", err)
	}
	w.portalAt = h.URL()
	w.closers = append(w.closers, func() { _ = h.Stop() })
	return nil
}

// tellPortal prints the line with the portal's address, and what its set-up asks for.
func (w *world) tellPortal(stdout, progress io.Writer) {
	if w.portalAt == "" {
		return
	}
	fmt.Fprintf(stdout, "portal %s/\n", w.portalAt)
	if !w.options.portal {
		return
	}
	for _, hint := range append(w.hints, "a mapping file is "+filepath.Join("local", "sample", "mapping.csv")) {
		fmt.Fprintln(progress, "For the set-up:", hint)
	}
}

// keepRunning fires the timers of the apps, and delivers the events of new batches, until ctx ends. Nothing is fetched
// before the archive is set up.
func (w *world) keepRunning(ctx context.Context) {
	d := &driver{w: w, batches: map[string]*batchState{}}
	d.events.Go(func() { w.runFetch(ctx) })
	for _, timer := range []struct {
		h               host.Host
		function, input string
		every           time.Duration
	}{{w.fetch, "command", "", commandEvery}, {w.imports, "sweep", `{"after":"10s"}`, sweepEvery}} {
		d.events.Go(func() {
			for ctx.Err() == nil {
				_, _ = timer.h.Run(ctx, timer.function, timer.input) // it is tried again
				waitFor(ctx, timer.every)
			}
		})
	}
	for ctx.Err() == nil {
		_ = d.list(ctx) // storage that can't be listed now is listed by the next look
		waitFor(ctx, lookEvery)
	}
	d.events.Wait()
}

// runFetch fires fetch until ctx ends. With -portal it fetches first when the archive is set up, with -keep some time
// after the day.
func (w *world) runFetch(ctx context.Context) {
	if w.options.portal {
		w.awaitSetUp(ctx)
	} else {
		waitFor(ctx, fetchEvery)
	}
	for ctx.Err() == nil {
		_, _ = w.fetch.Run(ctx, "fetch", "") // what fails is in the log and in the pages
		if w.hasFetched(ctx) {
			waitFor(ctx, fetchEvery)
		} else {
			waitFor(ctx, commandEvery)
		}
	}
}

// hasFetched reports whether fetch has kept how far it is.
func (w *world) hasFetched(ctx context.Context) bool {
	name := "fetch.json"
	if isDelivery(w.options.source) {
		name = "delivery.json"
	}
	var any json.RawMessage
	_, err := w.store.Checkpoints().Get(ctx, name, &any)
	return err == nil
}

// awaitSetUp returns when the archive is set up, or when ctx ends. The apps read the administrator's document once a
// minute. The stand-in of the host starts them again when the set-up ends, so that it counts at once: nothing runs
// then.
func (w *world) awaitSetUp(ctx context.Context) {
	began := false
	for ctx.Err() == nil {
		c, err := control.LoadConnector(ctx, w.store.Settings())
		if err == nil && c.IsSetUp() {
			break
		}
		began = began || err == nil
		waitFor(ctx, lookEvery)
	}
	for _, h := range []host.Host{w.fetch, w.imports} {
		if standIn, ok := h.(*host.StandIn); ok && began {
			standIn.Kill()
			_ = standIn.Ready(ctx) // what the handler says about itself is in the log
		}
	}
}

// waitFor returns after d, or when ctx ends.
func waitFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// canServeVault reports whether programs on this system take a trusted certificate from SSL_CERT_FILE.
func canServeVault() bool { return runtime.GOOS == "linux" }
