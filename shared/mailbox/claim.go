package mailbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// errClaimTooOld keeps a request from being sent: another process may have taken the message over.
var errClaimTooOld = errors.New("the claim is too old to write with")

type claimContextKey struct{}

// WithClaim returns a context for Import and Delete in which no request that changes anything is sent unless valid reports that the
// claim on the message is still good. It MUST be fast and safe for concurrent use.
//
// A process can stand still at any instruction, for as long as it likes, and go on as if nothing had been: SIGSTOP, a paused container,
// a virtual machine that is moved. What was checked before is worth nothing then. So valid is asked as the last thing before
// bytes go out: once a connection is there, and again before each piece of the body. Until the last piece has been
// sent a request has no effect, so a process that was stopped for long sends none. What remains is the time from that
// question to the system call that follows it.
func WithClaim(ctx context.Context, valid func() bool) context.Context {
	return context.WithValue(ctx, claimContextKey{}, valid)
}

// claimed is the transport that asks for the claim.
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
		// net/http reads a byte of a body whose length it does not know before it writes the head of the request, and then finds that there is none.
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

// mayWrite reports whether the context's claim, if it has one, is good.
func mayWrite(ctx context.Context) bool {
	valid, ok := ctx.Value(claimContextKey{}).(func() bool)
	return !ok || valid()
}

// guardedBody breaks a request off before its end when the claim is no longer good.
type guardedBody struct {
	body    io.ReadCloser
	valid   func() bool
	stopped *atomic.Bool
	begun   bool
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	// At the end of a body that has been sent there is nothing more to keep back.
	if (n > 0 || !b.begun) && !b.valid() {
		b.stopped.Store(true)
		return 0, errClaimTooOld
	}
	b.begun = true
	return n, err
}

func (b *guardedBody) Close() error { return b.body.Close() }
