package main

import (
	"fmt"
	"net/http"
	"time"

	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/handlers/fetch/internal/sources"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
)

// config holds everything that fetch reads from its environment.
type config struct {
	source   string            // SOURCE
	site     sources.Site      // with SOURCE=telemessage
	delivery settings.Delivery // with SOURCE=delivery
	paused   bool              // PAUSED
	cloud    string            // AZURE_CLOUD
	storage  settings.Storage  // ARCHIVE_STORAGE…
}

func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.Read(lookup)
	c := config{
		source:  r.String("SOURCE"),
		paused:  r.Bool("PAUSED"),
		cloud:   r.String("AZURE_CLOUD"),
		storage: settings.StorageConfig(r),
	}
	switch c.source {
	case settings.Telemessage:
		c.site = sources.Site{
			Address:  r.URL("TELEMESSAGE_URL"),
			Username: r.String("TELEMESSAGE_USERNAME"),
			Password: settings.PasswordConfig(r),
			From:     r.Time("FETCH_FROM"),
		}
	case settings.Deliveries:
		c.delivery = settings.DeliveryConfig(r)
	}
	_ = r.String("FETCH_SCHEDULE") // used by the host only; validated here for a clear error
	return c, r.Err()
}

// engines holds what the functions of the app run.
type engines struct {
	source   *sources.Source
	commands *commands.Runner
}

// newEngines reads the settings and builds everything that the functions need. It makes no request.
func newEngines(lookup func(string) (string, bool), transport http.RoundTripper, now func() time.Time) (
	*engines, error) {
	c, err := readConfig(lookup)
	if err != nil {
		return nil, err
	}
	services, err := c.connect(transport, now)
	if err != nil {
		return nil, err
	}
	build := func() (*sources.Source, error) { return sources.FromSite(c.site, services) }
	if c.source == settings.Deliveries {
		build = func() (*sources.Source, error) { return sources.FromDeliveries(c.delivery, services) }
	}
	source, err := build()
	if err != nil {
		return nil, err
	}
	return &engines{source: source, commands: commands.New(commands.Options{
		Queue: control.NewQueue(control.Options{App: settings.Fetch, Commands: services.Store.Commands(),
			Answers: services.Store.Status(), Now: now}),
		Intake: source.Intake, Links: source.Links,
	})}, nil
}

// connect builds what every source needs. It makes no request.
func (c config) connect(transport http.RoundTripper, now func() time.Time) (s sources.Services, err error) {
	s = sources.Services{HTTP: transport, Now: now}
	if s.Credential, err = signin.Credential(c.cloud, c.storage.ClientID); err != nil {
		return s, fmt.Errorf("sign in: %w", err)
	}
	s.Store, err = archive.Open(archive.Config{
		ConnectionString: c.storage.ConnectionString.Reveal(), BlobURL: c.storage.BlobURL, Credential: s.Credential,
	})
	if err != nil {
		return s, fmt.Errorf("open the archive's storage: %w", err)
	}
	s.Pause = control.NewPause(control.PauseOptions{
		App: settings.Fetch, Settings: s.Store.Settings(), Default: c.paused, Now: now})
	return s, nil
}
