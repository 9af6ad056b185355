package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	headerTimeout = 2 * time.Minute  // until the answer begins: a count over a day may take the site a while
	idleTimeout   = 60 * time.Second // of waiting for the next minProgress bytes; the reader's own time does not count
	minProgress   = 4 << 10          // a site that sends single bytes counts as stalled
)

// errStalled is the cause with which a request is cancelled when the site sends nothing.
var errStalled = errors.New("no progress within the time-out")

// reply is an answer of the site. Its body is read through it, with a time-out.
type reply struct {
	status  int
	header  http.Header
	size    int64 // of the body in bytes; -1 if unknown
	endless bool  // only the end of the connection ends the body, so it does not show whether the body is complete

	body   io.ReadCloser
	outer  context.Context // of the caller
	own    context.Context // of the request
	cancel context.CancelCauseFunc
	got    int           // bytes since waited was last reset
	waited time.Duration // time waited since the last minProgress bytes

	bounded   bool // timeLeft and bytesLeft apply
	timeLeft  time.Duration
	bytesLeft int64
}

// bound limits the whole body: the time spent waiting for it, and its bytes.
func (r *reply) bound(wait time.Duration, bytes int64) {
	r.bounded, r.timeLeft, r.bytesLeft = true, wait, bytes
}

// Read reads from the body. Its errors are io.EOF, the cause of the caller's context, or match ErrUnavailable.
func (r *reply) Read(p []byte) (int, error) {
	began := time.Now()
	wait, cause := idleTimeout-r.waited, errStalled
	if r.bounded && r.timeLeft < wait {
		wait, cause = r.timeLeft, ErrTooLong
	}
	watch := time.AfterFunc(wait, func() { r.cancel(cause) })
	n, err := r.body.Read(p)
	watch.Stop()
	took := time.Since(began)
	r.waited, r.timeLeft, r.bytesLeft = r.waited+took, r.timeLeft-took, r.bytesLeft-int64(n)
	if r.bounded && r.bytesLeft < 0 {
		return 0, tooLong()
	}
	if r.got += n; r.got >= minProgress {
		r.got, r.waited = 0, 0
	}
	// An interrupted request may end with io.EOF, like a complete one.
	if err != nil && (err != io.EOF || r.own.Err() != nil) {
		err = translateError(r.outer, r.own, err)
	}
	return n, err
}

// Close ends the answer, whether or not it was read to its end. It is safe to call twice.
func (r *reply) Close() error {
	err := r.body.Close()
	r.cancel(nil)
	if err != nil {
		return unavailableError("the answer could not be closed")
	}
	return nil
}

// tooLong returns the error for an answer that exceeds its limits.
func tooLong() *failure {
	return &failure{kind: ErrUnavailable, text: ErrTooLong.Error(), cause: ErrTooLong}
}

// translateError replaces an error of the transport by one that contains no address. *url.Error has the URL,
// *net.OpError the host's address, *net.DNSError its name.
func translateError(outer, own context.Context, err error) error {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
	)
	switch {
	case outer.Err() != nil:
		return context.Cause(outer)
	case errors.Is(context.Cause(own), errStalled):
		return unavailableError(errStalled.Error())
	case errors.Is(context.Cause(own), ErrTooLong):
		return tooLong()
	case errors.As(err, &dns):
		return unavailableError("its host name was not resolved")
	case errors.As(err, &cert):
		return unavailableError("its certificate is not trusted")
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailableError("the connection was refused")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return unavailableError("the answer was cut off")
	}
	return unavailableError("the network failed")
}
