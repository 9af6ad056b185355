package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"o2archiver/handlers/portal/internal/auditlog"
	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/setup"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/audit"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
	"o2archiver/shared/tally"
)

// config holds everything that the portal reads from its environment.
type config struct {
	cloud    string           // AZURE_CLOUD
	storage  settings.Storage // ARCHIVE_STORAGE…
	setUp    settings.SetUp   // what the deployment gives to the set-up
	setUpErr error            // what is wrong with it: the page of the step shows it, and all others work
	lookup   func(string) (string, bool)

	onMachine bool // there is no sign-in: the portal is tried on one machine
}

func readConfig(lookup func(string) (string, bool)) (config, error) {
	r, forSetUp := settings.Read(lookup), settings.Read(lookup)
	c := config{cloud: r.String("AZURE_CLOUD"), storage: settings.StorageConfig(r),
		setUp: settings.SetUpConfig(forSetUp), lookup: lookup}
	c.setUpErr = forSetUp.Err()
	return c, r.Err()
}

// connect builds the clients. It makes no request.
func (c config) connect(now func() time.Time) (*services, error) {
	credential, err := signin.Credential(c.cloud, c.storage.ClientID)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	connection := c.storage.ConnectionString.Reveal()
	store, err := archive.Open(archive.Config{
		ConnectionString: connection, BlobURL: c.storage.BlobURL, Credential: credential})
	if err != nil {
		return nil, fmt.Errorf("open the archive's storage: %w", err)
	}
	totals, err := tally.Open(tally.Config{
		ConnectionString: connection, TableURL: c.storage.TableURL, Credential: credential})
	if err != nil {
		return nil, fmt.Errorf("open the table of totals: %w", err)
	}
	log := auditlog.New(audit.New(audit.Options{Logs: store.Audit(), Now: now}), now)
	setUp, err := c.openSetup(store, credential, now)
	if err != nil {
		return nil, err
	}
	return newServices(store, totals, log, setUp, now), nil
}

// openSetup builds the pages for setting up, with the places of the secrets that the deployment has.
func (c config) openSetup(store *archive.Store, credential azcore.TokenCredential, now func() time.Time) (
	*setup.Setup, error) {
	o := setup.Options{Settings: store.Settings(), Mapping: store.Mapping(), Reports: store.Reports(),
		Status: store.Status(), Deployed: c.setUp, Broken: c.setUpErr,
		Lookup: c.lookup, OnMachine: c.onMachine, Now: now,
		Audit: audit.New(audit.Options{Logs: store.Audit(), Now: now})}
	if err := o.OpenVault(credential); err != nil {
		return nil, err
	}
	return setup.New(o), nil
}

// newApplication builds the application. Its error is a mistake in this program; faulty settings are logged, and shown
// on each page.
func newApplication(environment []string, lookup func(string) (string, bool), _ http.RoundTripper, log *slog.Logger,
	now func() time.Time) (http.Handler, error) {
	templates, err := pages.Load()
	if err != nil {
		return nil, err
	}
	r := settings.Read(lookup)
	way, tenant := r.String("PORTAL_SIGN_IN"), r.String("PORTAL_TENANT")
	who, refused := identity.Choose(way, tenant, environment)
	if refused == nil {
		refused = r.Err()
	}
	c, err := readConfig(lookup)
	c.onMachine = way == identity.OnMachine && refused == nil
	var s *services
	if err == nil {
		s, err = c.connect(now)
	}
	if refused == nil {
		refused = err
	}
	if refused != nil {
		log.Error("settings", "event", "portal.settingsRefused", "error", refused.Error())
	}
	return web.New(web.Options{Who: who, Routes: routes(s, err), Pages: templates, Log: log, Now: now}), nil
}
