package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/handlers/fetch/internal/sources"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
	"o2archiver/shared/status"
)

// config holds everything that fetch reads from its environment.
type config struct {
	source   string           // SOURCE
	paused   bool             // PAUSED
	await    bool             // AWAIT_SETUP
	schedule string           // FETCH_SCHEDULE: the host's; here it tells when the next run is planned
	cloud    string           // AZURE_CLOUD
	storage  settings.Storage // ARCHIVE_STORAGE…
}

// readConfig reads all settings but those of the source, which an administrator may change: these are read for each
// run. If one of the others is wrong, the error names the mistakes in those of the source, too.
func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.Read(lookup)
	c := config{
		source:  r.String("SOURCE"),
		paused:  r.Bool("PAUSED"),
		await:   r.Bool("AWAIT_SETUP"),
		cloud:   r.String("AZURE_CLOUD"),
		storage: settings.StorageConfig(r),

		schedule: r.String("FETCH_SCHEDULE"),
	}
	if r.Err() != nil {
		sources.ReadSettings(c.source, r)
	}
	return c, r.Err()
}

// engines holds what the functions of the app run.
type engines struct {
	source   *sources.Current
	commands *commands.Runner
}

// newEngines reads the settings and builds everything that the functions need. It makes no request.
func newEngines(lookup func(string) (string, bool), transport http.RoundTripper, now func() time.Time,
	log *slog.Logger) (*engines, error) {
	c, err := readConfig(lookup)
	if err != nil {
		return nil, err
	}
	services, connector, err := c.connect(transport, now, log)
	if err != nil {
		return nil, err
	}
	source := sources.NewCurrent(sources.CurrentOptions{
		Name: c.source, Lookup: lookup, Connector: connector, Paused: c.paused, AwaitSetUp: c.await,
		Services: services})
	return &engines{source: source, commands: commands.New(commands.Options{
		Queue: control.NewQueue(control.Options{App: settings.Fetch, Commands: services.Store.Commands(),
			Answers: services.Store.Status(), Now: now}),
		Source: source.Commands,
	})}, nil
}

// connect builds what every source needs. It makes no request.
func (c config) connect(transport http.RoundTripper, now func() time.Time, log *slog.Logger) (
	s sources.Services, connector *control.ConnectorReader, err error) {
	s = sources.Services{HTTP: transport, Now: now}
	if s.Credential, err = signin.Credential(c.cloud, c.storage.ClientID); err != nil {
		return s, nil, fmt.Errorf("sign in: %w", err)
	}
	s.Store, err = archive.Open(archive.Config{
		ConnectionString: c.storage.ConnectionString.Reveal(), BlobURL: c.storage.BlobURL, Credential: s.Credential,
	})
	if err != nil {
		return s, nil, fmt.Errorf("open the archive's storage: %w", err)
	}
	connector = control.NewConnectorReader(control.ReaderOptions{
		Settings: s.Store.Settings(), Now: now, Report: func(err error) {
			log.Error("the administrator's document can't be used: the former one stays in force",
				"event", "fetch.connectorRefused", "error", err.Error())
		}})
	s.Pause = control.NewPause(control.PauseOptions{App: settings.Fetch, Connector: connector, Default: c.paused})
	s.Status = status.NewWriter(status.Options{
		Documents: s.Store.Status(), Batches: s.Store.Batches(), Source: c.source, Now: now,
		Next: func(now time.Time) time.Time { return settings.NextRun(c.schedule, now) }})
	return s, connector, nil
}
