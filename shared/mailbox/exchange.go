package mailbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"

	kiota "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

// maxAnswer is the largest body of an answer in bytes. Graph repeats a created message's text in it, up to 3.5 MB.
const maxAnswer = 16 << 20

// exchange is what is known of one request and its answer. It is passed through the SDK in the context, because the
// SDK's errors do not tell whether anything was sent.
type exchange struct {
	id          string // client-request-id
	content     []byte // the body
	size        int64  // of the body in bytes
	token       string // with which the request was sent
	tokenFailed error  // why there was no token

	// Set by the transport's goroutines too: the request was passed to the transport, a connection was asked for, the
	// request's head was written.
	tried, got, wrote atomic.Bool
	stopped           atomic.Bool // the request was stopped before its end, because the claim was too old

	status     int // 0: no answer
	retryAfter string
	challenge  string // WWW-Authenticate of a 401
	broken     error  // what ended the round trip without an answer
}

func (x *exchange) answered() bool { return x.status != 0 }

// mayHaveArrived reports whether Graph may have received the request. It is false only if that is certainly not the
// case: there was no connection, nothing but a TLS handshake was written to it, or the request was not written to its
// end.
func (x *exchange) mayHaveArrived() bool {
	return !x.stopped.Load() && x.tried.Load() && (x.wrote.Load() || !x.got.Load())
}

// exchangeKey is the context key of the exchange.
type exchangeKey struct{}

// graphErrors makes the SDK decode the body of every refusal as Graph's error object. It is never changed.
var graphErrors = kiota.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue}

// send calls f, which has to make exactly one request, and returns its exchange. If the SDK panics on an unexpected
// answer, that is an error like another.
func (c *Client) send(ctx context.Context, f func(context.Context) error) (x *exchange, err error) {
	x = &exchange{id: requestID()}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, exchangeKey{}, x), c.timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the SDK panicked on the answer")
		}
	}()
	if err = f(ctx); err == nil && (x.status < 200 || x.status > 299) {
		err = errors.New("not a success")
	}
	return x, err
}

// call sends a request that belongs to no mailbox; once more with a fresh token if the token was refused. The error is
// an *Error or nil.
func (c *Client) call(ctx context.Context, what operation, f func(context.Context) error) (*exchange, error) {
	if err := c.admission.acquirePermit(ctx); err != nil {
		return &exchange{}, &Error{Kind: Unavailable, Code: "NotSent", cause: err}
	}
	defer c.admission.releasePermit()
	x, err := c.sendOnce(ctx, what, f)
	if c.tokenRefused(x, err) {
		x, err = c.sendOnce(ctx, what, f)
	}
	return x, err
}

// sendOnce makes the one request of f. The error is an *Error or nil.
func (c *Client) sendOnce(ctx context.Context, what operation, f func(context.Context) error) (*exchange, error) {
	x, err := c.send(ctx, f)
	if err == nil {
		return x, nil
	}
	return x, errorFrom(ctx, x, err, what, c.now())
}

// authenticator adds the token, headers and length to every request of the SDK. The SDK's own providers refuse plain
// http and unknown hosts, and so a Graph on loopback.
type authenticator struct{ tokens *tokens }

// AuthenticateRequest implements the SDK's AuthenticationProvider.
func (a *authenticator) AuthenticateRequest(ctx context.Context, r *kiota.RequestInformation, _ map[string]any) error {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return errors.New("a Graph request outside of call")
	}
	token, err := a.tokens.get(ctx)
	if err != nil {
		x.tokenFailed = err
		return errors.New("no token")
	}
	x.token, x.content, x.size = token, r.Content, int64(len(r.Content))
	r.Headers.TryAdd("Authorization", "Bearer "+token)
	r.Headers.TryAdd("client-request-id", x.id)
	r.Headers.TryAdd("Prefer", `IdType="ImmutableId"`) // Microsoft Graph: ids then do not change on a move
	if len(r.Content) > 0 {
		r.Headers.TryAdd("Content-Length", strconv.Itoa(len(r.Content))) // otherwise the body is sent chunked
	}
	return nil
}

// recorder is the RoundTripper under the SDK. It records in the exchange how far the request got.
type recorder struct{ next http.RoundTripper }

func (t *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("a Graph request outside of call")
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet && !mayWrite(r.Context()) {
		x.stopped.Store(true)
		return nil, errClaimTooOld
	}
	r = r.WithContext(withTrace(r.Context(), x))
	if len(x.content) > 0 {
		// With GetBody, net/http may repeat a POST on a fresh connection. It does so only if not a single byte was
		// written to the stale one.
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.content)), nil }
		r.Body, _ = r.GetBody()
	}
	x.tried.Store(true)
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		x.broken = err
		return nil, err
	}
	x.status, x.retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	x.challenge = resp.Header.Get("WWW-Authenticate")
	resp.Header.Del("WWW-Authenticate") // the SDK would repeat the request on its own, and panics on unusual challenges
	resp.Body = &bounded{resp.Body, maxAnswer}
	return resp, nil
}

// withTrace makes net/http record whether a connection was asked for and whether the head of the request was written.
// An incomplete head cannot have an effect, so a failure before that certainly had none.
func withTrace(ctx context.Context, x *exchange) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { x.got.Store(true) },
		WroteHeaders: func() { x.wrote.Store(true) },
	})
}

// bounded is an answer's body that fails if it is longer than left bytes.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the answer is too long")
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// requestID returns a random UUID, RFC 9562 version 4.
func requestID() string {
	var u [16]byte
	rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
