package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// What an error of this package can be asked for with errors.Is. None of their texts holds an address or a key.
var (
	ErrLost        = errors.New("the claim is somebody else's")
	ErrNoTable     = errors.New("there is no table for the ledger")
	ErrDenied      = errors.New("access denied")
	ErrUnavailable = errors.New("table storage is away") // network, time-out, 408, 429, 5xx, an answer of another: it may be asked again
)

// For this package only: callers get a Row, or ErrLost.
var (
	errExists   = errors.New("there is one already")
	errNotFound = errors.New("not found")
	errChanged  = errors.New("somebody else has changed it")
)

// Error is what the table service, or the way to it, said.
type Error struct {
	Kind   error  // one of the Err… values; nil for an answer that none of them covers
	Status int    // HTTP status; 0 if there was no answer
	Code   string // the service's error code, e.g. TableNotFound
	How    string // without an answer: what happened, in plain words
}

func (e *Error) Error() string {
	text := e.How
	if e.Status != 0 {
		text = fmt.Sprintf("the table service answered %d %s", e.Status, e.Code)
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
		return &Error{Kind: errorKind(answer.StatusCode, aztables.TableErrorCode(code)), Status: answer.StatusCode, Code: code}
	}
	// azcore marks every failure to get a token as one that asking again can't help. But an identity endpoint that is away
	// comes back, and an identity that is set up wrongly is better waited for than given up.
	var token interface{ NonRetriable() }
	if errors.As(err, &token) {
		return &Error{Kind: ErrUnavailable, How: "no token for the table service"}
	}
	return &Error{Kind: ErrUnavailable, How: describeTransport(err)}
}

// ownCode returns the table service's error code of an answer, "" if the answer is not the service's own. Azure Storage, status and error codes:
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

func errorKind(status int, code aztables.TableErrorCode) error {
	switch code {
	case "": // whatever the status: no row is missing, there or changed because something in between says so
		return ErrUnavailable
	case aztables.TableNotFound:
		return ErrNoTable
	case aztables.TableBeingDeleted:
		return ErrUnavailable
	case aztables.ResourceNotFound, aztables.EntityNotFound:
		return errNotFound
	case aztables.EntityAlreadyExists, aztables.TableAlreadyExists:
		return errExists
	case aztables.UpdateConditionNotSatisfied, "ConditionNotMet":
		return errChanged
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusNotFound, status == http.StatusConflict, status == http.StatusPreconditionFailed: // by no code that is known
		return ErrUnavailable
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return ErrUnavailable
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

// ownAnswer takes a success that is not the table service's, as a proxy's page, for no answer at all: a row would count as written.
// Table service, every operation: an answer carries x-ms-request-id.
type ownAnswer struct{}

func (ownAnswer) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices || resp.Header.Get("x-ms-request-id") != "" {
		return resp, err
	}
	resp.Body.Close()
	return nil, &Error{Kind: ErrUnavailable, How: "the answer is not the table service's"}
}

// bodyPerAttempt gives every try of a request a body of its own.
//
// QUIRK: azcore 1.23 rewinds one reader for all tries. Where the answer comes before the body is all sent, as a 503 of a
// busy service does, net/http still reads that reader for the old try while the new one is being sent from it.
type bodyPerAttempt struct{}

func (bodyPerAttempt) Do(req *policy.Request) (*http.Response, error) {
	req.Raw().Header.Set("Accept-Encoding", "identity") // net/http would unpack an answer to any size
	raw := req.Raw()
	if raw.Body == nil || raw.Body == http.NoBody {
		return req.Next()
	}
	data, err := io.ReadAll(raw.Body)
	if err != nil {
		return nil, fmt.Errorf("read a request's body: %w", err)
	}
	raw.Body = io.NopCloser(bytes.NewReader(data))
	return req.Next()
}
