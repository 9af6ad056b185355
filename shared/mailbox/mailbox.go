// Package mailbox writes messages into Exchange Online mailboxes through Microsoft Graph: it asks the
// directory for users, finds or creates the target folder, and imports one message at a time.
//
// It never repeats a request that may have created something: Microsoft Graph has no idempotency key, so
// the SDK's own middleware, which repeats POSTs, is left out. Every error says whether
// the request may have had an effect (Error.Ambiguous).
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

	"o2archiver/shared/azure"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	nethttplibrary "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// maxRenew is the longest time between two renewals of a claim during an import. It is less where requests may take
// less: who counts on requests being over soon, counts on claims being young.
const maxRenew = 10 * time.Second

// Config says which Graph to talk to and how.
type Config struct {
	URL        *url.URL               // https://graph.microsoft.com or another cloud's; plain http on loopback only; with or without /v1.0
	Credential azcore.TokenCredential // asked for the scope https://<host of URL>/.default
	Folder     string                 // display name of the folder that the messages go into
	Class      string                 // message class, e.g. IPM.Note

	// Permits is how many requests may be under way at one mailbox: 1 to 4, 0 means 3.
	// Microsoft Graph: 4 for an application and mailbox, over it 429.
	Permits int

	// AtOnce is how many requests may be under way in all; 0: as many as the mailboxes take.
	AtOnce int

	// UploadSessions is false in clouds that can't take an attachment of 3 MB or more.
	// Microsoft Graph: the published schema of GCC High and DoD has no attachment upload session.
	UploadSessions bool

	HTTP    http.RoundTripper // nil: a transport of its own
	Now     func() time.Time  // nil: time.Now
	Timeout time.Duration     // of one request with its answer; 0: 100 s
}

// Client talks to one Microsoft Graph. It is safe for concurrent use.
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
	plain   *http.Client // for upload URLs: no token, no redirects
	memory  *bodyBudget

	atOnce chan struct{} // a value for each request that is under way; nil: there is no bound
	began  time.Time

	mu        sync.Mutex
	mailboxes map[string]*mailboxState
	forgetAt  int // so many mailboxes
}

// New makes a client; it sends nothing.
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
		memory:    newBodyBudget(),
		began:     c.Now(),
		mailboxes: make(map[string]*mailboxState),
		forgetAt:  manyPlaces,
	}
	if c.AtOnce > 0 {
		client.atOnce = make(chan struct{}, c.AtOnce)
	}
	// The adapter is put together by hand: the SDK's service client would register serializers in
	// global tables and bring its middleware.
	client.adapter, err = nethttplibrary.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
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

// userRequest is the SDK's request builder for one user's resources.
func (c *Client) userRequest(id string) *users.UserItemRequestBuilder {
	return users.NewUserItemRequestBuilderInternal(map[string]string{"baseurl": c.base.String(), "user%2Did": id}, c.adapter)
}

// baseURL checks u and makes it end in /v1.0.
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

// ownTransport keeps to HTTP/1.1: over HTTP/2 all requests share one connection, and its loss
// would leave every one of them in doubt.
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
		MaxIdleConnsPerHost:   1024, // the settings allow as many imports at a time
		DisableCompression:    true,
	}
}

// noRedirect hands a redirect back as the answer: neither the token nor a message goes to another place.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
