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

// maxAnswer bounds an answer's body. Graph repeats a created message's text in it, which is up to 3.5 MB.
const maxAnswer = 16 << 20

// exchange is what is known of one request and its answer. It travels through the SDK in the
// context, because the SDK's errors don't say whether anything was sent.
type exchange struct {
	id          string // client-request-id
	content     []byte
	size        int64  // of the body
	token       string // that the request was sent with
	tokenFailed error

	tried, got, wrote atomic.Bool // set by the transport's goroutines too
	stopped           atomic.Bool // it was broken off before its end, because the claim was too old

	status     int // 0: no answer
	retryAfter string
	challenge  string // WWW-Authenticate of a 401
	broken     error  // what ended the round trip without an answer
}

func (x *exchange) answered() bool { return x.status != 0 }

// mayHaveArrived is false only if it is certain that Graph never saw the request: no connection
// was had, nothing but a TLS handshake was written to it, or the request was not written to its end.
func (x *exchange) mayHaveArrived() bool {
	return !x.stopped.Load() && x.tried.Load() && (x.wrote.Load() || !x.got.Load())
}

type exchangeKey struct{}

// graphErrors has the SDK read the body of every refusal as Graph's error object. It is never changed.
var graphErrors = kiota.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue}

// send has f make exactly one request, and says what became of it. A panic of the SDK on an
// answer that it didn't expect is such an answer.
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

// call makes a request that is none of a mailbox's, once more if the token was refused. The error is an *Error or nil.
func (c *Client) call(ctx context.Context, what operation, f func(context.Context) error) (*exchange, error) {
	if err := c.acquirePermit(ctx); err != nil {
		return &exchange{}, &Error{Kind: Unavailable, Code: "NotSent", cause: err}
	}
	defer c.releasePermit()
	x, err := c.sendOnce(ctx, what, f)
	if c.tokenRefused(x, err) {
		x, err = c.sendOnce(ctx, what, f)
	}
	return x, err
}

// sendOnce makes the request that f stands for. The error is an *Error or nil.
func (c *Client) sendOnce(ctx context.Context, what operation, f func(context.Context) error) (*exchange, error) {
	x, err := c.send(ctx, f)
	if err == nil {
		return x, nil
	}
	return x, errorFrom(ctx, x, err, what, c.now())
}

// acquirePermit takes one of the permits for all requests. It is the last thing to be waited for, and held by nobody who waits for
// anything but Graph's answer.
func (c *Client) acquirePermit(ctx context.Context) error {
	if c.atOnce == nil {
		return nil
	}
	select {
	case c.atOnce <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Client) releasePermit() {
	if c.atOnce != nil {
		<-c.atOnce
	}
}

// authenticator completes every request of the SDK: token, headers, length. The SDK's own
// providers refuse plain http and unknown hosts, and with them a Graph on loopback.
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
	r.Headers.TryAdd("Prefer", `IdType="ImmutableId"`) // Microsoft Graph: ids then survive a move
	if len(r.Content) > 0 {
		r.Headers.TryAdd("Content-Length", strconv.Itoa(len(r.Content))) // else it is sent in chunks
	}
	return nil
}

// recorder is the transport under the SDK: it notes in the exchange how far a request got.
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
		// With GetBody, net/http may repeat a POST on a fresh connection, and does so only if not one byte
		// was written to the stale one.
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
	resp.Header.Del("WWW-Authenticate") // the SDK would repeat the request by itself, and panics on odd challenges
	resp.Body = &bounded{resp.Body, maxAnswer}
	return resp, nil
}

// withTrace has net/http note whether a connection was had and whether a request's head was written.
// Half a head can't have an effect, so a failure before is certain to have had none.
func withTrace(ctx context.Context, x *exchange) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { x.got.Store(true) },
		WroteHeaders: func() { x.wrote.Store(true) },
	})
}

// bounded refuses an answer that is longer than left.
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

// requestID is a random UUID, RFC 9562 version 4.
func requestID() string {
	var u [16]byte
	rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
