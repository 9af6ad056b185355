package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
)

// What an error of this package can be asked for with errors.Is. None of their texts holds an address, an
// account or a blob's name.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("there is one already")
	ErrChanged     = errors.New("somebody else has changed it") // or the lease on it is lost
	ErrLeased      = errors.New("somebody else holds its lease")
	ErrNotModified = errors.New("not modified")
	ErrForeign     = errors.New("not an address of a batch of this archive")
	ErrTooLarge    = errors.New("larger than it may be")
	ErrDigest      = errors.New("the bytes do not have the digest that they should")
	ErrNeedDigest  = errors.New("large content has to come with its digest")
	ErrDenied      = errors.New("access denied")
	ErrUnavailable = errors.New("blob storage is away") // network, time-out, 408, 429, 5xx, an answer of another: it may be asked again
	// ErrArchived: the blob is there and cannot be read before a person has rehydrated it, which takes hours.
	ErrArchived = errors.New("the blob lies in the archive tier and has to be rehydrated (\"Bring originals back\" in infra/README.md)")
)

// Error is what the blob service, or the way to it, said.
type Error struct {
	Kind   error  // one of the Err… values; nil for an answer that none of them covers
	Status int    // HTTP status; 0 if there was no answer
	Code   string // the service's error code, e.g. BlobNotFound
	How    string // without an answer: what happened, in plain words
}

func (e *Error) Error() string {
	text := e.How
	if e.Status != 0 {
		text = fmt.Sprintf("the blob service answered %d %s", e.Status, e.Code)
	}
	if e.Kind != nil {
		return e.Kind.Error() + ": " + text
	}
	return text
}

// Unwrap gives the kind.
func (e *Error) Unwrap() error { return e.Kind }

// translateError makes an SDK error one of ours. The SDK's text shows whole requests, so nothing of it is kept. If ctx
// has ended, that is the error: it says more than the request that it broke off.
func translateError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var ours *Error
	if errors.As(err, &ours) {
		return err
	}
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		code := ownCode(answer)
		return &Error{Kind: errorKind(answer.StatusCode, bloberror.Code(code)), Status: answer.StatusCode, Code: code}
	}
	// azcore marks every failure to get a token as one that asking again can't help. But an identity endpoint that is away
	// comes back, and an identity that is set up wrongly is better waited for than given up.
	var token interface{ NonRetriable() }
	if errors.As(err, &token) {
		return &Error{Kind: ErrUnavailable, How: "no token for the blob service"}
	}
	return &Error{Kind: ErrUnavailable, How: describeTransport(err)}
}

// translateCreateError is fault for a write that is made only if there is no such blob. Under an immutability policy the service may refuse it
// for the policy's sake before it comes to that condition. The policy lets every new blob through, so there is one already;
// and one that lies in the archive tier is there too.
func translateCreateError(ctx context.Context, err error) error {
	err = translateError(ctx, err)
	var answer *Error
	if errors.As(err, &answer) && (answer.Code == string(bloberror.BlobImmutableDueToPolicy) || errors.Is(err, ErrArchived)) {
		return &Error{Kind: ErrExists, Status: answer.Status, Code: answer.Code}
	}
	return err
}

// ownCode returns the blob service's error code of an answer, "" if the answer is not the service's own. Azure Storage, status and error codes:
// each answer has x-ms-request-id, and each refusal x-ms-error-code or the code in its body. A proxy's page has neither, and what
// looks like a code in it is none.
func ownCode(answer *azcore.ResponseError) string {
	if answer.RawResponse == nil {
		return ""
	}
	header := answer.RawResponse.Header
	if header.Get("x-ms-error-code") == "" && header.Get("x-ms-request-id") == "" {
		return ""
	}
	return answer.ErrorCode
}

func errorKind(status int, code bloberror.Code) error {
	switch code {
	case "": // whatever the status: no blob is missing, there or changed because something in between says so
		return ErrUnavailable
	// 409 for who wants the lease, 412 for who writes without it.
	case bloberror.LeaseAlreadyPresent, bloberror.LeaseIDMissing:
		return ErrLeased
	case bloberror.BlobImmutableDueToPolicy:
		return ErrDenied
	case bloberror.ContainerBeingDeleted, bloberror.MD5Mismatch, bloberror.CRC64Mismatch:
		return ErrUnavailable // for the moment, or garbled on the way
	case bloberror.BlobArchived, bloberror.BlobBeingRehydrated:
		return ErrArchived
	case bloberror.BlobAlreadyExists, bloberror.ContainerAlreadyExists:
		return ErrExists
	}
	switch {
	case status == http.StatusNotModified:
		return ErrNotModified
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusNotFound:
		return ErrNotFound
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return ErrUnavailable
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return ErrChanged
	case status == http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	}
	return nil
}

// describeTransport says what happened to a request without an answer; the errors' own texts name the host.
func describeTransport(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "its host's name has no address"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke off"
	}
	return "no connection"
}
