// Package archive defines the layout of the archive in Blob storage: batches, media, checkpoints, settings, the logs of
// the journal, and commands with their answers. Days and runs have the names of package layout. No other package
// imports azblob.
//
// Writes are create-if-absent or conditional, and each is safe under the SDK's own retries: if a write was done but its
// answer was lost, the retry recognizes it as its own instead of reporting a conflict with another writer.
package archive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// The containers.
const (
	BatchesContainer     = "batches"     // <yyyy>/<mm>/<dd>/<run>/<nnnnn>.ndjson, and manifest.json beside them
	MediaContainer       = "media"       // <yyyy>/<mm>/<dd>/<sha-256>, and raw/… for items that can't be records
	CheckpointsContainer = "checkpoints" // fetch's state and its deferred items
	SettingsContainer    = "settings"    // mapping.csv and connector.json, which the administrator writes
	JournalContainer     = "journal"     // one append blob per batch
	SweepsContainer      = "sweeps"      // sweep's state: its identity may not write fetch's
	CommandsContainer    = "commands"    // what the administrator asks of the apps
	StatusContainer      = "status"      // fetch's answers to commands, and what it shows of its work
	ReportsContainer     = "reports"     // import's answers to commands
	DeliveriesContainer  = "deliveries"  // copies of delivered ZIPs, as they came
	AuditContainer       = "audit"       // <yyyy>/<mm>/<dd>.jsonl: who did what
)

// Config is the location of the storage: a connection string or, without one, an address with a credential.
type Config struct {
	ConnectionString string
	BlobURL          *url.URL               // e.g. https://<account>.blob.core.windows.net
	Credential       azcore.TokenCredential // for BlobURL
	HTTP             *http.Client           // nil: the SDK's own
}

// Store is the archive's part of one storage account. It is safe for concurrent use.
type Store struct {
	service *service.Client
	home    *url.URL // the blob service's address, without a query
	times   leaseTimes
	block   int // size in bytes of one block of an upload and of one ranged read
}

// defaultRetry returns the SDK's retry options: few tries within seconds. Callers with more time retry themselves.
func defaultRetry() policy.RetryOptions {
	return policy.RetryOptions{MaxRetries: 3, RetryDelay: 250 * time.Millisecond, MaxRetryDelay: 8 * time.Second,
		TryTimeout: 30 * time.Second}
}

// Open returns the Store for a configuration. It makes no request.
func Open(c Config) (*Store, error) { return openWith(c, defaultRetry()) }

func openWith(c Config, retry policy.RetryOptions) (*Store, error) {
	options := &service.ClientOptions{
		ClientOptions: policy.ClientOptions{Retry: retry, PerRetryPolicies: blobService.Policies()}}
	if c.HTTP != nil {
		options.Transport = c.HTTP
	}
	var client *service.Client
	var err error
	switch {
	case c.ConnectionString != "":
		// The SDK's error may repeat parts of the string, which is a secret.
		if client, err = service.NewClientFromConnectionString(c.ConnectionString, options); err != nil {
			return nil, errors.New("read the storage connection string: it is not of the form " +
				"DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net " +
				"(UseDevelopmentStorage=true has to be spelt out)")
		}
	case c.BlobURL != nil && c.Credential != nil && c.BlobURL.Scheme != "https":
		return nil, errors.New("open blob storage: a token is sent to an https address only")
	case c.BlobURL != nil && c.Credential != nil:
		if client, err = service.NewClient(
			strings.TrimRight(c.BlobURL.String(), "/"), c.Credential, options); err != nil {
			return nil, errors.New("make the client of the blob service: its address cannot be used")
		}
	default:
		return nil, errors.New(
			"open blob storage: neither a connection string nor an address with a credential is given")
	}
	home, err := url.Parse(client.URL())
	if err != nil || home.Host == "" {
		return nil, errors.New("open blob storage: its address cannot be read")
	}
	home.RawQuery, home.User = "", nil
	return &Store{service: client, home: home, times: defaultLeaseTimes(), block: blockSize}, nil
}

// CreateContainers creates the missing containers. In Azure the deployment creates them, and the handlers' identities
// may not; this is for a local emulator. It may be called twice.
func (s *Store) CreateContainers(ctx context.Context) error {
	for _, name := range []string{
		BatchesContainer, MediaContainer, CheckpointsContainer, SettingsContainer, JournalContainer, SweepsContainer,
		CommandsContainer, StatusContainer, ReportsContainer, DeliveriesContainer, AuditContainer,
	} {
		_, err := s.service.CreateContainer(ctx, name, nil)
		if err = translateError(ctx, err); err != nil && !errors.Is(err, ErrExists) {
			return fmt.Errorf("create container %s: %w", name, err)
		}
	}
	return nil
}

// A handle is the access to one container, or to one kind of blob in it. What a function app may do is seen from the
// handles that it holds. Handles are safe for concurrent use.

// Batches returns the handle of the batches and manifests.
func (s *Store) Batches() *Batches { return &Batches{s.blobs(BatchesContainer)} }

// Media returns the handle of the attachments and of the raw bytes of items that can't be records.
func (s *Store) Media() *Media { return &Media{s.blobs(MediaContainer)} }

// Deliveries returns the handle of the copies of delivered ZIPs.
func (s *Store) Deliveries() *Deliveries { return &Deliveries{s.blobs(DeliveriesContainer)} }

// Deferred returns the handle of fetch's deferred items.
func (s *Store) Deferred() *Deferred { return &Deferred{s.blobs(CheckpointsContainer)} }

// Checkpoints returns the handle of fetch's state.
func (s *Store) Checkpoints() *Documents { return &Documents{s.blobs(CheckpointsContainer)} }

// Sweeps returns the handle of sweep's state.
func (s *Store) Sweeps() *Documents { return &Documents{s.blobs(SweepsContainer)} }

// Mapping returns the handle of the administrator's mapping.
func (s *Store) Mapping() *Mapping { return &Mapping{s.blobs(SettingsContainer)} }

// Settings returns the handle of the administrator's settings.
func (s *Store) Settings() *Documents { return &Documents{s.blobs(SettingsContainer)} }

// Commands returns the handle of the administrator's commands.
func (s *Store) Commands() *Documents { return &Documents{s.blobs(CommandsContainer)} }

// Status returns the handle of what fetch answers and shows.
func (s *Store) Status() *Documents { return &Documents{s.blobs(StatusContainer)} }

// Reports returns the handle of what import answers.
func (s *Store) Reports() *Documents { return &Documents{s.blobs(ReportsContainer)} }

// Logs returns the handle of the journal's logs.
func (s *Store) Logs() *Logs { return &Logs{s.blobs(JournalContainer)} }

// Audit returns the handle of the logs of who did what.
func (s *Store) Audit() *AuditLogs { return &AuditLogs{Logs{s.blobs(AuditContainer)}} }

// blobs is one container. Every handle is built on it.
type blobs struct {
	store  *Store
	client *container.Client
}

func (s *Store) blobs(name string) blobs { return blobs{s, s.service.NewContainerClient(name)} }

func (b blobs) blob(name string) *blob.Client { return b.client.NewBlobClient(name) }
