// Package mailbox writes messages into Exchange Online mailboxes through Microsoft Graph: it looks users up in the
// directory, finds or creates the target folder, and imports one message at a time.
//
// It MUST NOT repeat a request that may have created something. Microsoft Graph has no idempotency key, so the SDK's
// middleware, which repeats POSTs, is left out. Every error reports whether the request may have had an effect
// (Error.Ambiguous).
//
// A request to a mailbox needs three things: a Session, which is one of the mailbox's few slots; memory for its body;
// and one of the client's permits. The type admission states in which order they are acquired.
package mailbox

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	nethttplibrary "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"o2archiver/shared/azure"
)

// maxRenew is the longest interval between two renewals of a claim during an import. It is shorter if the requests
// have a shorter timeout: a caller that relies on requests ending soon relies on claims being young.
const maxRenew = 10 * time.Second

// Config is the configuration of a Client.
type Config struct {
	// URL is https://graph.microsoft.com or another cloud's, with or without /v1.0. Plain http is allowed on loopback
	// only.
	URL        *url.URL
	Credential azcore.TokenCredential // returns tokens for the scope https://<host of URL>/.default
	Folder     string                 // display name of the target folder
	Class      string                 // message class, e.g. IPM.Note

	// Permits is the number of slots of each mailbox, and so of requests that may be under way at it: 1 to 4, 0 means
	// 3. Microsoft Graph: 4 for an application and mailbox; a request above that is answered 429.
	Permits int

	// AtOnce is the number of requests that may be under way in all, each with a permit of the type admission; 0: no
	// limit but those of the mailboxes.
	AtOnce int

	// UploadSessions is false in clouds that accept no attachment larger than MaxSinglePost. Microsoft Graph: the
	// published schema of GCC High and DoD has no upload session for attachments.
	UploadSessions bool

	HTTP    http.RoundTripper // nil: a transport of the client's own
	Now     func() time.Time  // nil: time.Now
	Timeout time.Duration     // for one request with its answer; 0: 100 s
}

// Client is a client of one Microsoft Graph. It is safe for concurrent use.
type Client struct {
	folder, class  string
	permits        int
	uploadSessions bool
	now            func() time.Time
	timeout        time.Duration
	renewEvery     time.Duration

	base    *url.URL // ends in /v1.0
	adapter *nethttplibrary.NetHttpRequestAdapter
	tokens  *tokens
	plain   *http.Client // for upload URLs: without a token and without redirects

	admission *admission
	began     time.Time

	mu        sync.Mutex
	mailboxes map[string]*mailboxState // by directory object id
	forgetAt  int                      // number of mailboxes at which the idle ones are forgotten
}

// New returns a client. It sends no request.
func New(c Config) (*Client, error) {
	base, err := baseURL(c.URL)
	switch {
	case err != nil:
		return nil, err
	case c.Credential == nil:
		return nil, errors.New("no credential for Microsoft Graph")
	case c.Folder == "":
		return nil, errors.New("no name for the target folder")
	case c.Class == "":
		return nil, errors.New("no message class")
	case c.Permits < 0 || c.Permits > 4:
		return nil, fmt.Errorf("%d permits for a mailbox, want 1 to 4", c.Permits)
	case c.AtOnce < 0:
		return nil, errors.New("number of requests at once is negative")
	case c.Timeout < 0:
		return nil, errors.New("time-out of a Graph request is negative")
	}
	if c.Permits == 0 {
		c.Permits = 3
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout == 0 {
		c.Timeout = 100 * time.Second
	}
	if c.HTTP == nil {
		c.HTTP = ownTransport()
	}
	client := &Client{
		folder: c.Folder, class: c.Class, permits: c.Permits, uploadSessions: c.UploadSessions,
		now: c.Now, timeout: c.Timeout, renewEvery: min(maxRenew, c.Timeout/6),
		base: base, tokens: newTokens(c.Credential, base, c.Now),
		plain:     &http.Client{Transport: claimed{c.HTTP}, CheckRedirect: noRedirect},
		admission: newAdmission(c.AtOnce),
		began:     c.Now(),
		mailboxes: make(map[string]*mailboxState),
		forgetAt:  manyMailboxes,
	}
	// The adapter is built by hand: the SDK's service client would register serializers in global tables and add its
	// middleware.
	client.adapter, err = nethttplibrary.
		NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
			&authenticator{client.tokens},
			jsonserialization.NewJsonParseNodeFactory(),
			jsonserialization.NewJsonSerializationWriterFactory(),
			&http.Client{Transport: &recorder{next: claimed{c.HTTP}}, CheckRedirect: noRedirect})
	if err != nil {
		return nil, fmt.Errorf("make Graph request adapter: %w", err)
	}
	client.adapter.SetBaseUrl(base.String())
	return client, nil
}

// userRequest returns the SDK's request builder for one user's resources.
func (c *Client) userRequest(id string) *users.UserItemRequestBuilder {
	return users.NewUserItemRequestBuilderInternal(
		map[string]string{"baseurl": c.base.String(), "user%2Did": id}, c.adapter)
}

// baseURL validates u and returns it with /v1.0 at its end.
func baseURL(u *url.URL) (*url.URL, error) {
	switch {
	case u == nil || u.Host == "":
		return nil, errors.New("no URL of Microsoft Graph")
	case u.Scheme != "https" && (u.Scheme != "http" || !azure.IsLoopback(u.Hostname())):
		return nil, errors.New("the URL of Microsoft Graph is neither https nor on loopback")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL of Microsoft Graph has a user, a query or a fragment")
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	if !strings.HasSuffix(base.Path, "/v1.0") {
		base.Path += "/v1.0"
	}
	return base, nil
}

// ownTransport returns a transport for HTTP/1.1 only. Over HTTP/2 all requests share one connection, and its loss
// would make the outcome of every one of them uncertain.
func ownTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		Protocols:             protocols,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       60 * time.Second,
		MaxIdleConns:          1024,
		MaxIdleConnsPerHost:   1024, // the settings allow that many concurrent imports
		DisableCompression:    true,
	}
}

// noRedirect makes the client return a redirect as the answer: neither the token nor a message is sent to another
// address.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
