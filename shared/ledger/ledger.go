// Package ledger knows which copy of a message is in which mailbox: one row of Table Storage for each, inserted only if there is
// none. No other package imports aztables.
//
// A row begins as pending, before the message is written, and ends as done. Every write says which call
// made it, so that a write whose answer was lost is told from somebody else's.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Table is the table's name.
const Table = "ledger"

// The states of a row.
const (
	Pending = "pending" // its holder is about to write the message, or has died in between
	Done    = "done"    // the message is in the mailbox
)

// Config says where the table is: either by a connection string or by the service's address with a credential.
type Config struct {
	ConnectionString string
	TableURL         *url.URL               // e.g. https://<account>.table.core.windows.net
	Credential       azcore.TokenCredential // with TableURL
	HTTP             *http.Client           // nil: the SDK's own
	Now              func() time.Time       // nil: time.Now
}

// Ledger is the table. It is safe for concurrent use.
type Ledger struct {
	table *aztables.Client
	now   func() time.Time

	mu     sync.Mutex
	unsure map[claimant]string // mark of an insert of ours that may have been done
}

// claimant is who claims what.
type claimant struct {
	key string
	Holder
}

// Holder says who claims a copy.
type Holder struct {
	Batch      string // the batch's name
	Line       int    // in the batch
	Invocation string // one delivery of the batch: each has another
}

// Row is what the ledger knows of a copy.
type Row struct {
	State      string // Pending or Done
	Batch      string
	Line       int
	Invocation string
	At         time.Time // of the claim, its last renewal, or of Done, by the writer's clock

	// Age is how long ago the row was written when it was read, by the table service's own clock: those of two
	// instances may differ. Whether a holder can still be alive is judged by it.
	Age time.Duration

	GraphID     string // with Done
	Outcome     string // with Done; before, what Intend noted
	Fingerprint string // of the message

	mark string // which write made it
	etag azcore.ETag
}

func defaultRetry() policy.RetryOptions {
	return policy.RetryOptions{MaxRetries: 3, RetryDelay: 250 * time.Millisecond, MaxRetryDelay: 8 * time.Second, TryTimeout: 15 * time.Second}
}

// Open makes the client. It makes no request.
func Open(c Config) (*Ledger, error) { return openWith(c, defaultRetry()) }

func openWith(c Config, retry policy.RetryOptions) (*Ledger, error) {
	options := &aztables.ClientOptions{ClientOptions: policy.ClientOptions{
		Retry: retry, PerRetryPolicies: tableService.Policies(),
	}}
	if c.HTTP != nil {
		options.Transport = c.HTTP
	}
	var service *aztables.ServiceClient
	var err error
	switch {
	case c.ConnectionString != "":
		// The SDK's error may repeat parts of the string, which is a secret.
		if service, err = aztables.NewServiceClientFromConnectionString(c.ConnectionString, options); err != nil {
			return nil, errors.New("read the storage connection string: it is not of the form " +
				"DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net")
		}
	case c.TableURL != nil && c.Credential != nil && c.TableURL.Scheme != "https":
		return nil, errors.New("open the ledger: a token is sent to an https address only")
	case c.TableURL != nil && c.Credential != nil:
		if service, err = aztables.NewServiceClient(strings.TrimRight(c.TableURL.String(), "/"), c.Credential, options); err != nil {
			return nil, errors.New("make the client of the table service: its address cannot be used")
		}
	default:
		return nil, errors.New("open the ledger: neither a connection string nor an address with a credential is given")
	}
	l := &Ledger{table: service.NewClient(Table), now: c.Now, unsure: map[claimant]string{}}
	if l.now == nil {
		l.now = time.Now
	}
	return l, nil
}

// CreateTable creates the table if it is missing. In Azure it comes with the deployment; this is for one
// machine. It may be called twice.
func (l *Ledger) CreateTable(ctx context.Context) error {
	_, err := l.table.CreateTable(ctx, nil)
	if err = translateError(ctx, err); err != nil && !errors.Is(err, errExists) {
		return fmt.Errorf("create the ledger: %w", err)
	}
	return nil
}
