// Package azure holds what the clients of Azure's storage services have in common: errors without content, the policies
// of their requests, and checks of addresses.
package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"o2archiver/shared/retry"
)

// The kinds of errors that every service has.
var (
	ErrDenied = errors.New("access denied")
	// ErrUnavailable stands for a network failure, a timeout, 408, 429, 5xx, or an answer that is not the service's
	// own.
	ErrUnavailable = retry.NewTransient("service unavailable")
)

// Error is the error of a request that a service refused, or that did not reach it. Its text holds no address, account,
// key or name of a blob.
type Error struct {
	Service string // in plain words, e.g. "blob service"
	Kind    error  // the service package's Err… value; nil if none of them fits
	Status  int    // HTTP status; 0 if there was no answer
	Code    string // the service's error code, e.g. BlobNotFound
	How     string // without an answer: what happened, in plain words
}

func (e *Error) Error() string {
	text := e.How
	if e.Status != 0 {
		text = fmt.Sprintf("answered %d %s", e.Status, e.Code)
	}
	switch e.Kind {
	case nil:
		return e.Service + ": " + text
	case ErrUnavailable:
		return e.Service + " unavailable: " + text
	}
	return fmt.Sprintf("%v: %s: %s", e.Kind, e.Service, text)
}

// Unwrap returns the kind. ErrUnavailable is transient (see retry.IsTransient).
func (e *Error) Unwrap() error { return e.Kind }

// Service translates the errors of one service.
type Service struct {
	Name string // in plain words, e.g. "blob service"

	// Kind returns the kind of a refusal, or nil if there is none for it. code is the service's own error code. Kind is
	// not called for an answer without one, which is ErrUnavailable.
	Kind func(status int, code string) error
}

// Translate returns an SDK error as an *Error. The SDK's text quotes whole requests, so it is dropped. If ctx has
// ended, its cause is returned instead, which is more useful than the error of the aborted request. Nil and an *Error
// are returned as they are.
func (s Service) Translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok {
		code := ownCode(answer)
		kind := ErrUnavailable
		if code != "" {
			kind = s.Kind(answer.StatusCode, code)
		}
		return &Error{Service: s.Name, Kind: kind, Status: answer.StatusCode, Code: code}
	}
	// azcore marks every failure to get a token as final. But an identity endpoint may become available again, and
	// waiting for a misconfigured identity to be corrected is better than giving up.
	var token interface{ NonRetriable() }
	if errors.As(err, &token) {
		return s.Unavailable("no token for the " + s.Name)
	}
	return s.Unavailable(describeTransport(err))
}

// Unavailable returns the error of a request that the service did not answer. how describes what happened in plain
// words.
func (s Service) Unavailable(how string) *Error {
	return &Error{Service: s.Name, Kind: ErrUnavailable, How: how}
}

// ownCode returns the service's error code, or "" if the answer is not the service's own. Azure Storage, status and
// error codes: each answer has x-ms-request-id, and each refusal x-ms-error-code or the code in its body. A proxy's
// page has neither header, so a code in its body is ignored: a proxy's answer must never mean that a blob or row is
// missing, present or changed.
func ownCode(answer *azcore.ResponseError) string {
	if answer.RawResponse == nil {
		return ""
	}
	header := answer.RawResponse.Header
	if header.Get("x-ms-error-code") == "" && header.Get(requestID) == "" {
		return ""
	}
	return answer.ErrorCode
}

// describeTransport describes the failure of a request without an answer. The errors' own texts contain the host.
func describeTransport(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		return "its host's name has no address"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &certificate):
		return "its certificate is not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE):
		return "the connection broke off"
	}
	return "no connection"
}
