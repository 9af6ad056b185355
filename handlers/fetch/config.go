package main

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
	"o2archiver/shared/source/telemessage/client"
)

// config holds everything that fetch reads from its environment.
type config struct {
	site     *url.URL         // TELEMESSAGE_URL
	username string           // TELEMESSAGE_USERNAME
	password settings.Secret  // TELEMESSAGE_PASSWORD
	from     time.Time        // FETCH_FROM: start of the first run ever; zero: 24 hours before it
	paused   bool             // PAUSED
	cloud    string           // AZURE_CLOUD
	storage  settings.Storage // ARCHIVE_STORAGE…
}

func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.Read(lookup)
	c := config{
		site:     r.URL("TELEMESSAGE_URL"),
		username: r.String("TELEMESSAGE_USERNAME"),
		password: r.Secret("TELEMESSAGE_PASSWORD"),
		from:     r.Time("FETCH_FROM"),
		paused:   r.Bool("PAUSED"),
		cloud:    r.String("AZURE_CLOUD"),
		storage:  settings.StorageConfig(r),
	}
	_ = r.String("FETCH_SCHEDULE") // used by the host only; validated here for a clear error
	return c, r.Err()
}

// engines holds what the functions of the app run.
type engines struct {
	collector *collector.Collector
	commands  *commands.Runner
}

// newEngines reads the settings and builds everything that the functions need. It makes no request.
func newEngines(lookup func(string) (string, bool), transport http.RoundTripper, now func() time.Time) (
	*engines, error) {
	c, err := readConfig(lookup)
	if err != nil {
		return nil, err
	}
	site, store, err := c.connect(transport, now)
	if err != nil {
		return nil, err
	}
	work := collector.New(c.collectorOptions(site, store, now))
	return &engines{collector: work, commands: commands.New(commands.Options{
		Queue: control.NewQueue(control.Options{
			App: settings.Fetch, Commands: store.Commands(), Answers: store.Status(), Now: now}),
		Collector: work, Links: commands.Links(site, store, now),
	})}, nil
}

// connect builds the clients. It makes no request.
func (c config) connect(transport http.RoundTripper, now func() time.Time) (*client.Client, *archive.Store, error) {
	var credential azcore.TokenCredential
	var err error
	if !c.storage.ConnectionString.Set() {
		if credential, err = signin.Credential(c.cloud, c.storage.ClientID); err != nil {
			return nil, nil, fmt.Errorf("sign in: %w", err)
		}
	}
	store, err := archive.Open(archive.Config{
		ConnectionString: c.storage.ConnectionString.Reveal(), BlobURL: c.storage.BlobURL, Credential: credential,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open the archive's storage: %w", err)
	}
	site, err := client.New(c.site, func(r *http.Request) { r.SetBasicAuth(c.username, c.password.Reveal()) },
		client.Options{HTTP: &http.Client{Transport: transport}, Now: now})
	if err != nil {
		return nil, nil, fmt.Errorf("TELEMESSAGE_URL: %w", err)
	}
	return site, store, nil
}

// collectorOptions returns the collector's options according to the settings.
func (c config) collectorOptions(site *client.Client, store *archive.Store, now func() time.Time) collector.Options {
	return collector.Options{
		Site: site, Batches: store.Batches(), Media: store.Media(), Deferred: store.Deferred(),
		Checkpoints: store.Checkpoints(), From: c.from, Now: now,
		Pause: control.NewPause(control.PauseOptions{
			App: settings.Fetch, Settings: store.Settings(), Default: c.paused, Now: now}),
	}
}
