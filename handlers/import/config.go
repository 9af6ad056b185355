package main

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"golang.org/x/sync/semaphore"

	"o2archiver/shared/archive"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/message"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
	"o2archiver/shared/usermap"
)

// config is everything that import and sweep read from their environment.
type config struct {
	graph       *url.URL         // GRAPH_URL
	cloud       string           // AZURE_CLOUD
	storage     settings.Storage // ARCHIVE_STORAGE…
	concurrency int              // IMPORT_CONCURRENCY: requests to Graph under way at once in this process
	permits     int              // MAILBOX_PERMITS: requests under way at once in one mailbox
	maxItem     int64            // MAX_ITEM_SIZE, bytes
	class       string           // MESSAGE_CLASS
	folder      string           // FOLDER_NAME
	form        form             // MESSAGE_BODY, OUTLOOK_CONVERSATIONS
	mapOptions  usermap.Options  // AUTOMATIC_MAPPING, CUSTOM_MAPPING, ACCEPTED_DOMAINS, DEFAULT_REGION
	inDoubt     time.Duration    // IN_DOUBT_AFTER
	sweepAfter  time.Duration    // SWEEP_AFTER
}

func readConfig(lookup func(string) (string, bool)) (config, error) {
	r := settings.Read(lookup)
	c := config{
		graph:       r.URL("GRAPH_URL"),
		cloud:       r.String("AZURE_CLOUD"),
		storage:     settings.StorageConfig(r),
		concurrency: r.Int("IMPORT_CONCURRENCY"),
		permits:     r.Int("MAILBOX_PERMITS"),
		maxItem:     r.Bytes("MAX_ITEM_SIZE"),
		class:       r.String("MESSAGE_CLASS"),
		folder:      r.String("FOLDER_NAME"),
		form:        form{html: r.String("MESSAGE_BODY") == "html", conversations: r.Bool("OUTLOOK_CONVERSATIONS")},
		mapOptions: usermap.Options{
			Automatic: r.Bool("AUTOMATIC_MAPPING"), Custom: r.Bool("CUSTOM_MAPPING"),
			AcceptedDomains: r.List("ACCEPTED_DOMAINS"), Region: r.String("DEFAULT_REGION"),
		},
		inDoubt:    r.Duration("IN_DOUBT_AFTER"),
		sweepAfter: r.Duration("SWEEP_AFTER"),
	}
	return c, r.Err()
}

// maxWorkers is how many copies may be worked on at once: those whose request is under way, and so many more that one is there whenever a
// request ends. These have their claim, and wait for a permit no longer than half a request takes: a claim is to be
// young when its request begins.
func (c config) maxWorkers() int { return c.concurrency + c.concurrency/2 + 4 }

// localToken is what the Graph stand-in on this machine accepts.
const localToken = "local"

// newImporter builds the clients. It makes no request. transport is that of Graph; nil is mailbox's own.
func newImporter(lookup func(string) (string, bool), transport http.RoundTripper, now func() time.Time) (*importer, error) {
	c, err := readConfig(lookup)
	if err != nil {
		return nil, err
	}
	azure, err := signin.Credential(c.cloud, c.storage.ClientID)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	graphCredential := azure
	if c.graph.Scheme == "http" { // the settings accept that on loopback only, and FixedFor too
		if graphCredential, err = signin.FixedFor(c.graph, localToken); err != nil {
			return nil, fmt.Errorf("GRAPH_URL: %w", err)
		}
	}
	var storageCredential azcore.TokenCredential
	if !c.storage.ConnectionString.Set() {
		storageCredential = azure
	}
	store, err := archive.Open(archive.Config{
		ConnectionString: c.storage.ConnectionString.Reveal(), BlobURL: c.storage.BlobURL, Credential: storageCredential,
	})
	if err != nil {
		return nil, fmt.Errorf("open the archive's storage: %w", err)
	}
	table, err := ledger.Open(ledger.Config{
		ConnectionString: c.storage.ConnectionString.Reveal(), TableURL: c.storage.TableURL, Credential: storageCredential,
	})
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	boxes, err := mailbox.New(mailbox.Config{
		URL: c.graph, Credential: graphCredential, Folder: c.folder, Class: c.class, Permits: c.permits, AtOnce: c.concurrency,
		HTTP: transport, Now: now, Timeout: requestTimeout(c.inDoubt), UploadSessions: settings.UploadSessions(c.cloud),
	})
	if err != nil {
		return nil, fmt.Errorf("GRAPH_URL: %w", err)
	}
	workshop := message.NewNumberCache()
	c.mapOptions.E164 = workshop.E164
	return &importer{
		config: c, store: store, ledger: table, boxes: boxes, now: now,
		workers:      make(chan struct{}, c.maxWorkers()),
		renderBudget: semaphore.NewWeighted(maxHeld),
		numbers:      workshop,
		users:        newDirectory(boxes, c.concurrency, now),
		mapping:      newMapping(),

		sweepTimes: defaultSweepTimes(),
	}, nil
}
