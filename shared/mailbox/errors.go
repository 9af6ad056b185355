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

	"o2archiver/shared/retry"

	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

// Kind is what a caller has to tell apart.
type Kind int

// The kinds of failure.
const (
	Unavailable  Kind = iota // 5xx, network, time-out, an answer that makes no sense: try again later
	NoMailbox                // the user has no mailbox in Exchange Online: ask again another day
	TooLarge                 // the tenant or the cloud doesn't take a message or attachment of this size
	Denied                   // the app has no access to the mailbox, or to the directory
	Refused                  // this message will be refused every time: finalAnswers says so
	Throttled                // 429: nothing was done; the mailbox's gate is closed for RetryAfter
	Unauthorized             // 401, also with a fresh token, or no token to be had: no message's fault
	FolderGone               // the target folder was deleted: the next call resolves it again
	Lost                     // renew failed: the caller doesn't own this message any more
	Content                  // an attachment's bytes could not be read, or were not as many as promised
	Unclear                  // a refusal of Graph's that is no final answer: it passes, or is looked into by people
	MessageGone              // the message that the request names is not there
)

func (k Kind) String() string {
	names := [...]string{"unavailable", "no mailbox", "too large", "denied", "refused", "throttled", "unauthorized", "folder gone", "lost", "content",
		"unclear refusal", "message gone"}
	if k < 0 || int(k) >= len(names) {
		return "kind " + strconv.Itoa(int(k))
	}
	return names[k]
}

// Error is the failure of one call. It holds nothing of a message, a user or a URL.
type Error struct {
	Kind       Kind
	Status     int           // HTTP; 0 if there was no answer
	Code       string        // Graph's error code, or a word of this package's, e.g. Timeout; may be empty
	RetryAfter time.Duration // what the service asked for; 0: nothing
	RequestID  string        // the client-request-id sent with the request; empty if none was sent

	// Ambiguous is true if the call may have had an effect: look before trying again. After a failed
	// Import that is not Ambiguous, nothing of the message is in the mailbox.
	Ambiguous bool

	cause error // a caller's own error, or a context's: never one of net/http or the SDK, which name URLs
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

// Unwrap gives the caller's own error (from renew, or from reading an attachment) or the context's.
func (e *Error) Unwrap() error { return e.cause }

// Transient reports whether the call may succeed later without anyone's doing, and the pause that Graph asked for. 401 is among these: a
// token expires, and a permission that was only just granted takes its time. An attachment that could not be read is as transient
// as the error of its reader.
func (e *Error) Transient() (bool, time.Duration) {
	switch e.Kind {
	case Throttled, Unavailable, Unauthorized, FolderGone, MessageGone, Lost, Unclear:
		return true, e.RetryAfter
	case Content:
		return retry.IsTransient(e.cause)
	}
	return false, 0
}

// errorFrom turns what became of an exchange into an *Error. err is what the SDK made of it and is only looked at, never kept.
func errorFrom(ctx context.Context, x *exchange, err error, what operation, now time.Time) *Error {
	e := &Error{Status: x.status, RequestID: x.id}
	ended := ctx.Err() // the caller's, not the time-out of the one request
	if ended != nil {
		e.cause = context.Cause(ctx)
	}
	if data, ok := errors.AsType[*odataerrors.ODataError](err); ok {
		// ODataError.Error panics if the answer had no error object, and shows Graph's message, which quotes content.
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
	default: // a success that can't be read, or a redirect
		e.Kind, e.Code, e.Ambiguous = Unavailable, "UnreadableAnswer", what.writes()
	}
	return e
}

// plainCode is code if it looks like one of Graph's codes: an error string must not repeat whatever
// a server chooses to send.
func plainCode(code string) string {
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-')
	}) {
		return unusualCode
	}
	return code
}

// networkCode names what broke without the addresses and URLs that net's own errors hold.
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

// retryAfter reads the header's seconds or date, at most ten minutes: that is the longest window of Graph's limits.
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
