package mailbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// errClaimTooOld stops a request before it is sent, because another process may have taken the claim on the message
// over.
var errClaimTooOld = errors.New("the claim is too old to write with")

// claimContextKey is the context key of the valid function of WithClaim.
type claimContextKey struct{}

// WithClaim returns a context for Import and Delete. With it a request that changes anything is sent only while valid
// reports that the claim on the message is young enough. valid MUST be fast and safe for concurrent use.
//
// A process can be suspended at any instruction for any length of time and then continue: by SIGSTOP, in a paused
// container, in a virtual machine that is being moved. Any earlier check is worthless then. Therefore valid is called
// last, immediately before bytes are written to the connection: once the connection is established, and again before
// each piece of the body. A request has no effect until the last piece of its body has been sent, so a process that
// was suspended for long has sent no complete request. What remains is the time between the call of valid and the
// system call that follows it.
func WithClaim(ctx context.Context, valid func() bool) context.Context {
	return context.WithValue(ctx, claimContextKey{}, valid)
}

// claimed is the RoundTripper that calls the context's valid function.
type claimed struct{ next http.RoundTripper }

func (t claimed) RoundTrip(r *http.Request) (*http.Response, error) {
	valid, ok := r.Context().Value(claimContextKey{}).(func() bool)
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok || x == nil || r.Method == http.MethodGet {
		return t.next.RoundTrip(r)
	}
	guarded := func(body io.ReadCloser) io.ReadCloser {
		return &guardedBody{body: body, valid: valid, stopped: &x.stopped}
	}
	r = r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		// net/http reads one byte of a body of unknown length before it writes the head of the request, and then finds
		// that the body is empty. So the Read of this body, and with it valid, is called immediately before the head
		// is written.
		r.Body = guarded(http.NoBody)
		r.GetBody = func() (io.ReadCloser, error) { return guarded(http.NoBody), nil }
	} else {
		r.Body = guarded(r.Body)
		if again := r.GetBody; again != nil {
			r.GetBody = func() (io.ReadCloser, error) {
				body, err := again()
				if err != nil {
					return nil, err
				}
				return guarded(body), nil
			}
		}
	}
	return t.next.RoundTrip(r)
}

// mayWrite reports whether the context has no claim, or one that is young enough to write with.
func mayWrite(ctx context.Context) bool {
	valid, ok := ctx.Value(claimContextKey{}).(func() bool)
	return !ok || valid()
}

// guardedBody is a request's body that fails before its end when the claim is no longer valid.
type guardedBody struct {
	body    io.ReadCloser
	valid   func() bool
	stopped *atomic.Bool
	begun   bool
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	// At the end of the body all of it has been sent: stopping now would not undo that.
	if (n > 0 || !b.begun) && !b.valid() {
		b.stopped.Store(true)
		return 0, errClaimTooOld
	}
	b.begun = true
	return n, err
}

func (b *guardedBody) Close() error { return b.body.Close() }
