package mailbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"o2archiver/shared/retry"
)

// Kind is the class of an error, as far as callers have to distinguish.
type Kind int

// The kinds of failure.
const (
	Unavailable  Kind = iota // 5xx, network error, timeout, an unreadable answer: retry later
	NoMailbox                // the user has no mailbox in Exchange Online; that may change within days
	TooLarge                 // the tenant or the cloud refuses a message or attachment of this size
	Denied                   // the app has no access to the mailbox, or to the directory
	Refused                  // this request is refused on every attempt, by a row of finalAnswers
	Throttled                // 429: nothing was done; the mailbox is paused for RetryAfter
	Unauthorized             // 401, also with a fresh token, or no token available: no fault of the message
	FolderGone               // the target folder was deleted; the next call resolves it again
	Lost                     // renew failed: the caller no longer holds the claim on the message
	Content                  // an attachment's bytes could not be read, or are not as many as its Size
	Unclear                  // a refusal that is not in finalAnswers: it may pass, or needs a person
	MessageGone              // the message that the request names does not exist
)

func (k Kind) String() string {
	names := [...]string{"unavailable", "no mailbox", "too large", "denied", "refused", "throttled",
		"unauthorized", "folder gone", "lost", "content", "unclear refusal", "message gone"}
	if k < 0 || int(k) >= len(names) {
		return "kind " + strconv.Itoa(int(k))
	}
	return names[k]
}

// Error is the failure of one call. It never holds a message's content, a user or a URL.
type Error struct {
	Kind       Kind
	Status     int           // HTTP status; 0 if there was no answer
	Code       string        // Graph's error code, or one of this package's, e.g. Timeout; may be empty
	RetryAfter time.Duration // the pause that the service asked for; 0 if none
	RequestID  string        // the client-request-id sent with the request; empty if none was sent

	// Ambiguous is true if the call may have had an effect: the caller MUST look for the message before it writes
	// again. After a failed Import whose error is not Ambiguous, nothing of the message is in the mailbox.
	Ambiguous bool

	cause error // the caller's error or a context's; never one of net/http or the SDK, whose texts have URLs
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("Microsoft Graph: " + e.Kind.String())
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(", " + e.Code)
	}
	if e.Ambiguous {
		b.WriteString(", may have had an effect")
	}
	if e.RequestID != "" {
		b.WriteString(", client-request-id " + e.RequestID)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the caller's own error (from renew, or from reading an attachment) or the context's, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Transient reports whether a retry may succeed without a change by a person, and returns the pause that Graph asked
// for. Unauthorized is transient because tokens expire, and because a permission takes some time after it is granted.
// A Content error is transient if the error of the attachment's reader is.
func (e *Error) Transient() (bool, time.Duration) {
	switch e.Kind {
	case Throttled, Unavailable, Unauthorized, FolderGone, MessageGone, Lost, Unclear:
		return true, e.RetryAfter
	case Content:
		return retry.IsTransient(e.cause)
	}
	return false, 0
}

// errorFrom returns the *Error for an exchange that failed. err is the error of the SDK. It is only inspected and
// never wrapped, because its text may have content and URLs.
func errorFrom(ctx context.Context, x *exchange, err error, what operation, now time.Time) *Error {
	e := &Error{Status: x.status, RequestID: x.id}
	ended := ctx.Err() // of the caller's context, not the timeout of this request
	if ended != nil {
		e.cause = context.Cause(ctx)
	}
	if data, ok := errors.AsType[*odataerrors.ODataError](err); ok {
		// ODataError.Error is not called: it panics if the answer had no error object, and it returns Graph's message,
		// which quotes content.
		if main := data.GetErrorEscaped(); main != nil && main.GetCode() != nil {
			e.Code = plainCode(*main.GetCode())
		}
	}
	switch {
	case x.tokenFailed != nil && !x.answered():
		e.Kind, e.Code = Unauthorized, "NoToken"
		if ended != nil || errors.Is(x.tokenFailed, context.DeadlineExceeded) {
			e.Kind = Unavailable
		}
	case !x.answered() && x.stopped.Load():
		e.Kind, e.Code = Unavailable, "ClaimTooOld"
	case !x.answered():
		e.Kind, e.Code = Unavailable, cmp.Or(networkCode(cmp.Or(ended, x.broken)), "NotSent")
		e.Ambiguous = what.writes() && x.mayHaveArrived()
	case x.status >= 400:
		e.Kind, e.RetryAfter = ofAnswer(what, x.status, e.Code), retryAfter(x.retryAfter, now)
		e.Ambiguous = mayHaveHadEffect(what, e.Kind, e.Code)
	default: // an unreadable success, or a redirect
		e.Kind, e.Code, e.Ambiguous = Unavailable, "UnreadableAnswer", what.writes()
	}
	return e
}

// plainCode returns code if it has the form of one of Graph's codes, otherwise unusualCode. An error text must not
// repeat arbitrary text of a server.
func plainCode(code string) string {
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			r == '_' || r == '.' || r == '-')
	}) {
		return unusualCode
	}
	return code
}

// networkCode returns a code for a network error, without the addresses and URLs that the errors of package net hold.
func networkCode(err error) string {
	var netErr net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "Canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return "Timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "ConnectionRefused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "ConnectionReset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "ConnectionClosed"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "NameNotResolved"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "CertificateRefused"
	}
	return "Network"
}

// retryAfter parses a Retry-After header, in seconds or as a date. The result is at most ten minutes, the longest
// window of Graph's limits; 0 if there is none.
func retryAfter(header string, now time.Time) time.Duration {
	const longest = 10 * time.Minute
	if header == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(header, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, min(at.Sub(now), longest))
	}
	return 0
}
