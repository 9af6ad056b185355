package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/archive"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
	"o2archiver/shared/tally"
)

// config holds everything that the app reads from its environment.
type config struct {
	graph       *url.URL         // GRAPH_URL
	cloud       string           // AZURE_CLOUD
	storage     settings.Storage // ARCHIVE_STORAGE…
	concurrency int              // IMPORT_CONCURRENCY: concurrent requests to Graph in this process
	permits     int              // MAILBOX_PERMITS: concurrent requests to one mailbox
	class       string           // MESSAGE_CLASS
	folder      string           // FOLDER_NAME
	form        importer.Form    // MESSAGE_BODY, OUTLOOK_CONVERSATIONS
	region      string           // DEFAULT_REGION
	inDoubt     time.Duration    // IN_DOUBT_AFTER
	sweepAfter  time.Duration    // SWEEP_AFTER
	paused      bool             // PAUSED

	lookup func(string) (string, bool) // the environment, which settings/connector.json may overlay
	log    *slog.Logger
}

func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.Read(lookup)
	c := config{
		graph:       r.URL("GRAPH_URL"),
		cloud:       r.String("AZURE_CLOUD"),
		storage:     settings.StorageConfig(r),
		concurrency: r.Int("IMPORT_CONCURRENCY"),
		permits:     r.Int("MAILBOX_PERMITS"),
		class:       r.String("MESSAGE_CLASS"),
		folder:      r.String("FOLDER_NAME"),
		form: importer.Form{
			HTML: r.String("MESSAGE_BODY") == "html", Conversations: r.Bool("OUTLOOK_CONVERSATIONS")},
		region:     r.String("DEFAULT_REGION"),
		inDoubt:    r.Duration("IN_DOUBT_AFTER"),
		sweepAfter: r.Duration("SWEEP_AFTER"),
		paused:     r.Bool("PAUSED"),
		lookup:     lookup,
		log:        slog.New(slog.DiscardHandler),
	}
	importer.ReadRules(r) // validated here for a clear error
	return c, r.Err()
}

// clients holds the clients of the services that the app uses.
type clients struct {
	batches *archive.Batches // are read
	media   *archive.Media   // are read
	mapping *archive.Mapping // is read
	logs    *archive.Logs
	sweeps  *archive.Documents
	store   *archive.Store // for settings, commands and the checks
	ledger  *ledger.Ledger
	totals  *tally.Table
	boxes   *mailbox.Client
}

// use sets the handles on the archive's storage.
func (cl *clients) use(s *archive.Store) {
	cl.batches, cl.media, cl.mapping = s.Batches(), s.Media(), s.Mapping()
	cl.logs, cl.sweeps, cl.store = s.Logs(), s.Sweeps(), s
}

// connect builds the clients. It makes no request. transport sends the requests to Graph; nil is mailbox's default.
func (c config) connect(transport http.RoundTripper, now func() time.Time) (cl clients, err error) {
	credential, err := signin.Credential(c.cloud, c.storage.ClientID)
	if err != nil {
		return cl, fmt.Errorf("sign in: %w", err)
	}
	graphCredential := credential
	if c.graph.Scheme == "http" { // the settings, and FixedFor too, accept that on loopback only
		if graphCredential, err = signin.FixedFor(c.graph, "local"); err != nil {
			return cl, fmt.Errorf("GRAPH_URL: %w", err)
		}
	}
	connection, tables := c.storage.ConnectionString.Reveal(), c.storage.TableURL
	store, err := archive.Open(archive.Config{
		ConnectionString: connection, BlobURL: c.storage.BlobURL, Credential: credential})
	if err != nil {
		return cl, fmt.Errorf("open the archive's storage: %w", err)
	}
	cl.use(store)
	cl.ledger, err = ledger.Open(ledger.Config{
		ConnectionString: connection, TableURL: tables, Credential: credential})
	if err != nil {
		return cl, fmt.Errorf("open the ledger: %w", err)
	}
	cl.totals, err = tally.Open(tally.Config{
		ConnectionString: connection, TableURL: tables, Credential: credential})
	if err != nil {
		return cl, fmt.Errorf("open the table of totals: %w", err)
	}
	cl.boxes, err = mailbox.New(mailbox.Config{
		URL: c.graph, Credential: graphCredential, Folder: c.folder, Class: c.class, Permits: c.permits,
		AtOnce: c.concurrency, HTTP: transport, Now: now, Timeout: importer.RequestTimeout(c.inDoubt),
		UploadSessions: settings.UploadSessions(c.cloud),
	})
	if err != nil {
		return cl, fmt.Errorf("GRAPH_URL: %w", err)
	}
	return cl, nil
}
