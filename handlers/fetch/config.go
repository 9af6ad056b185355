package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/handlers/fetch/internal/credentials"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/vault"
)

// config holds everything that fetch reads from its environment.
type config struct {
	site     *url.URL              // TELEMESSAGE_URL
	username string                // TELEMESSAGE_USERNAME
	password settings.SitePassword // TELEMESSAGE_PASSWORD…
	from     time.Time             // FETCH_FROM: start of the first run ever; zero: 24 hours before it
	paused   bool                  // PAUSED
	cloud    string                // AZURE_CLOUD
	storage  settings.Storage      // ARCHIVE_STORAGE…
}

func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.Read(lookup)
	c := config{
		site:     r.URL("TELEMESSAGE_URL"),
		username: r.String("TELEMESSAGE_USERNAME"),
		password: settings.PasswordConfig(r),
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
	cl, err := c.connect(transport, now)
	if err != nil {
		return nil, err
	}
	work := collector.New(c.collectorOptions(cl, now))
	return &engines{collector: work, commands: commands.New(commands.Options{
		Queue: control.NewQueue(control.Options{
			App: settings.Fetch, Commands: cl.store.Commands(), Answers: cl.store.Status(), Now: now}),
		Collector: work, Links: commands.Links(cl.signIn, cl.site, cl.store, now),
	})}, nil
}

// clients holds the clients of the services that the app uses.
type clients struct {
	site   *client.Client
	signIn func(context.Context) error // reads the password; nil: it is a setting
	store  *archive.Store
}

// connect builds the clients. It makes no request.
func (c config) connect(transport http.RoundTripper, now func() time.Time) (cl clients, err error) {
	credential, err := signin.Credential(c.cloud, c.storage.ClientID)
	if err != nil {
		return cl, fmt.Errorf("sign in: %w", err)
	}
	cl.store, err = archive.Open(archive.Config{
		ConnectionString: c.storage.ConnectionString.Reveal(), BlobURL: c.storage.BlobURL, Credential: credential,
	})
	if err != nil {
		return cl, fmt.Errorf("open the archive's storage: %w", err)
	}
	who := credentials.Fixed(c.username, c.password.Value)
	if at := c.password.Address; at != nil {
		secret, err := vault.Open(vault.Config{Address: at, Credential: credential, HTTP: transport, Now: now})
		if err != nil {
			return cl, fmt.Errorf("TELEMESSAGE_PASSWORD_SECRET: %w", err)
		}
		who = credentials.InVault(c.username, secret)
		cl.signIn = who.Refresh
	}
	cl.site, err = client.New(c.site, who.Authorize,
		client.Options{HTTP: &http.Client{Transport: transport}, Now: now, Renew: who.Renew})
	if err != nil {
		return cl, fmt.Errorf("TELEMESSAGE_URL: %w", err)
	}
	return cl, nil
}

// collectorOptions returns the collector's options according to the settings.
func (c config) collectorOptions(cl clients, now func() time.Time) collector.Options {
	return collector.Options{
		Site: cl.site, SignIn: cl.signIn, Batches: cl.store.Batches(), Media: cl.store.Media(),
		Deferred: cl.store.Deferred(), Checkpoints: cl.store.Checkpoints(), From: c.from, Now: now,
		Pause: control.NewPause(control.PauseOptions{
			App: settings.Fetch, Settings: cl.store.Settings(), Default: c.paused, Now: now}),
	}
}
