// Package ledger records which copy of a message is in which mailbox: one row of Table Storage for each copy, created
// by insert-if-absent. Besides tally, no other package imports aztables.
//
// A row starts as pending, before the message is written, and ends as done. Every write stores a mark of its own in
// the row. A writer whose answer was lost can therefore tell its own write from another holder's.
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
	Pending = "pending" // claimed: its holder is about to write the message, or died before it was done
	Done    = "done"    // the message is in the mailbox
)

// Config names the table service: by a connection string or, without one, by its address with a credential.
type Config struct {
	ConnectionString string
	TableURL         *url.URL               // e.g. https://<account>.table.core.windows.net
	Credential       azcore.TokenCredential // with TableURL
	HTTP             *http.Client           // nil: the SDK's own
	Now              func() time.Time       // nil: time.Now
}

// Ledger is a client of the table. It is safe for concurrent use.
type Ledger struct {
	table *aztables.Client
	now   func() time.Time

	mu     sync.Mutex
	unsure map[claimant]string // mark of an insert of this process whose answer was lost
}

// claimant is a holder and the key of the copy that it claims.
type claimant struct {
	key string
	Holder
}

// Holder identifies the holder of a claim.
type Holder struct {
	Batch      string // the batch's name
	Line       int    // in the batch
	Invocation string // a name of this delivery of the batch; each delivery has another
}

// Row is a copy's row as it was read.
type Row struct {
	State      string // Pending or Done
	Batch      string
	Line       int
	Invocation string
	At         time.Time // when the last write (claim, renewal or Done) was sent, by the writer's clock

	// Age is how long ago the row was written when it was read, by the table service's clock; the clocks of two
	// instances may differ. Whether a holder can still be alive is decided by Age.
	Age time.Duration

	GraphID     string // with Done
	Outcome     string // with Done; before that, what Intend stored
	Fingerprint string // of the message

	mark string // identifies the write that made the row what it is
	etag azcore.ETag
}

// defaultRetry returns the retry options of the SDK's client.
func defaultRetry() policy.RetryOptions {
	return policy.RetryOptions{MaxRetries: 3, RetryDelay: 250 * time.Millisecond, MaxRetryDelay: 8 * time.Second,
		TryTimeout: 15 * time.Second}
}

// Open returns a client of the table. It makes no request. Its errors never repeat the connection string.
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
		// The SDK's error may repeat parts of the string, which is a secret, so it is not passed on.
		if service, err = aztables.NewServiceClientFromConnectionString(c.ConnectionString, options); err != nil {
			return nil, errors.New("read the storage connection string: it is not of the form " +
				"DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net")
		}
	case c.TableURL != nil && c.Credential != nil && c.TableURL.Scheme != "https":
		return nil, errors.New("open the ledger: a token is sent to an https address only")
	case c.TableURL != nil && c.Credential != nil:
		if service, err = aztables.NewServiceClient(
			strings.TrimRight(c.TableURL.String(), "/"), c.Credential, options); err != nil {
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

// CreateTable creates the table if it is missing. It is used on one machine; in Azure the deployment creates the
// table. It is safe to call again.
func (l *Ledger) CreateTable(ctx context.Context) error {
	_, err := l.table.CreateTable(ctx, nil)
	if err = translateError(ctx, err); err != nil && !errors.Is(err, errExists) {
		return fmt.Errorf("create the ledger: %w", err)
	}
	return nil
}
