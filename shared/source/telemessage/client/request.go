package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"o2archiver/shared/retry"
)

const (
	maxRedirects  = 3
	maxURL        = 8 << 10         // bytes of an address that the site may send
	maxCursor     = 2 << 10         // bytes of a cursor; the caller stores one for each window that it reads
	maxRetryAfter = 2 * time.Minute // a longer pause is left to the next run
	maxPause      = 30 * time.Second
)

// refusalTime is the maximum time spent waiting for the beginning of a refusal's body.
const refusalTime = 30 * time.Second

// purpose is what a GET is for. The same status has different meanings for different purposes.
type purpose int

const (
	forItems purpose = iota
	forMore          // items after a cursor
	forCount
	forContent
	forRest // the rest of content of which the beginning was read
)

// content reports whether the GET is for an attachment.
func (p purpose) content() bool { return p == forContent || p == forRest }

// failure is the error of one try.
type failure struct {
	kind  error
	text  string
	again bool          // the same request may succeed soon
	after time.Duration // the pause that the site requested; 0 if none
	cause error         // nil if kind and text are complete
}

func (f *failure) Error() string { return f.kind.Error() + ": " + f.text }

// Unwrap returns the kind, and the cause, which only this package distinguishes.
func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// unavailableError returns a failure that may be retried.
func unavailableError(text string) *failure {
	return &failure{kind: ErrUnavailable, text: text, again: true}
}

// get sends a GET for u until it receives an answer that judge and accept both accept. A failure of either is retried
// if it is transient, and a refusal of the credentials if there are others since. The caller closes the answer's body.
// A GET changes nothing at the site, so it is safe to repeat.
func (c *Client) get(
	ctx context.Context, u *url.URL, p purpose, accept func(*reply) error, header ...string,
) (*reply, error) {
	answer, err := c.getWithRetries(ctx, u, p, accept, header)
	if c.renew == nil || !errors.Is(err, ErrCredentials) {
		return answer, err
	}
	changed, renewErr := c.renew(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case renewErr != nil:
		// It is added as text: the refusal is what the caller acts on.
		return nil, fmt.Errorf("%w; whether the password has changed is not known: %v", err, renewErr)
	case !changed:
		return nil, err
	}
	return c.getWithRetries(ctx, u, p, accept, header)
}

// getWithRetries is get with the credentials that there are.
func (c *Client) getWithRetries(
	ctx context.Context, u *url.URL, p purpose, accept func(*reply) error, header []string,
) (*reply, error) {
	// A failure that is left after these tries is not transient for retry.Do: the caller decides what to do.
	pauses := retry.Policy{
		First: time.Second, Max: maxPause, Tries: c.tries,
		Judge: func(err error) (bool, time.Duration) {
			if f, ok := errors.AsType[*failure](err); ok {
				return f.again, f.after
			}
			return false, 0
		},
	}
	var answer *reply
	err := pauses.Do(ctx, func(ctx context.Context) (err error) {
		answer, err = c.try(ctx, u, p, accept, header)
		return err
	})
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, err
}

// try sends the request once and follows redirects within the origin.
func (c *Client) try(
	ctx context.Context, u *url.URL, p purpose, accept func(*reply) error, header []string,
) (*reply, error) {
	for hop := 0; ; hop++ {
		answer, err := c.send(ctx, u, header)
		if err != nil {
			return nil, err
		}
		if isRedirect(answer.status) {
			location := answer.header.Get("Location")
			answer.Close()
			if hop == maxRedirects {
				return nil, unavailableError("more than 3 redirects")
			}
			to, ok := c.resolve(u, location)
			if !ok && p.content() {
				return nil, &failure{kind: ErrGone, text: "redirected outside the site's origin"}
			}
			if !ok {
				return nil, unavailableError("redirected outside the site's origin")
			}
			u = to
			continue
		}
		if err := c.judge(answer, p); err != nil {
			answer.Close()
			return nil, err
		}
		if err := accept(answer); err != nil {
			answer.Close()
			return nil, err
		}
		return answer, nil
	}
}

// isRedirect reports whether a status is a redirect that is followed.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// send sends one request and waits for the header of the answer.
func (c *Client) send(ctx context.Context, u *url.URL, header []string) (*reply, error) {
	own, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(own, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("%w: it has no valid form", errRefused)
	}
	// If net/http itself requested compression, it would decompress the answer to any size, and its length would be
	// unknown.
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i+1 < len(header); i += 2 { // pairs of name and value
		req.Header.Set(header[i], header[i+1])
	}
	c.authorize(req)
	watch := time.AfterFunc(headerTimeout, func() { cancel(errStalled) })
	res, err := c.http.Do(req)
	watch.Stop()
	if err != nil {
		err = translateError(ctx, own, err)
		cancel(nil)
		return nil, err
	}
	r := &reply{
		status: res.StatusCode, header: res.Header, size: res.ContentLength,
		outer: ctx, own: own, cancel: cancel, body: res.Body,
	}
	// RFC 9112 section 6.3: without a length and without chunks, only the end of the connection ends the body.
	c.noteTime(res.Header)
	r.endless = res.ProtoMajor == 1 && res.ContentLength < 0 && len(res.TransferEncoding) == 0 && !res.Uncompressed
	return r, nil
}

// judge decides what a status means. It is the only place that does.
func (c *Client) judge(r *reply, p purpose) error {
	text := "status " + strconv.Itoa(r.status)
	if p == forRest && r.status == http.StatusRequestedRangeNotSatisfiable {
		return &failure{kind: ErrUnavailable, text: ErrOther.Error(), cause: ErrOther}
	}
	if r.status == http.StatusOK || p == forRest && r.status == http.StatusPartialContent {
		if isEncoded(r.header) {
			return unavailableError("its answer is compressed, which was not asked for")
		}
		return nil
	}
	var body []byte
	if r.status >= 400 && r.status < 500 { // the beginning of the body shows whether the answer is the site's
		r.bound(refusalTime, 64<<10)
		body, _ = io.ReadAll(io.LimitReader(r, 4<<10))
	}
	switch s := r.status; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		cause := credentialsCause(body)
		if cause == nil && s == http.StatusForbidden {
			// A 403 without one of the contract's codes may come from a proxy, or concern a single file. It does not
			// mean that the credentials are refused, so the run continues. But it is not retried, in case it counts
			// towards locking the account. A 401 is always about the credentials (RFC 9110 section 15.5.2).
			return &failure{kind: ErrUnavailable, text: text}
		}
		if cause != nil {
			text += ", " + cause.Error()
		}
		return &failure{kind: ErrCredentials, text: text, cause: cause}
	case s >= 400 && s < 500 && isPage(r.header.Get("Content-Type"), body):
		// The site's answers are JSON. An HTML page in their place states nothing about an item, a cursor, a count or
		// a file.
		return &failure{
			kind: ErrUnavailable, text: text + ", a page of HTML", again: true,
			after: c.retryAfter(r.header.Get("Retry-After")),
		}
	case p.content() && (s == http.StatusNotFound || s == http.StatusGone):
		return &failure{kind: ErrGone, text: text}
	case p == forCount && s == http.StatusNotFound:
		return errNoCount
	case p == forMore && (s == http.StatusGone || s == http.StatusBadRequest || s == http.StatusNotFound),
		p == forItems && s == http.StatusGone:
		// The contract requires 410. But a site may answer 400 or 404 for a cursor that it has forgotten, and would
		// do so forever.
		return &failure{kind: ErrCursorExpired, text: text}
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s < 400, s >= 500:
		return &failure{kind: ErrUnavailable, text: text, again: true, after: c.retryAfter(r.header.Get("Retry-After"))}
	case p.content():
		return &failure{kind: ErrUnavailable, text: text}
	}
	return &failure{kind: errRefused, text: text}
}

// isEncoded reports whether the body is encoded. Stored as received, it would not be the site's attachment.
func isEncoded(h http.Header) bool {
	for _, v := range h.Values("Content-Encoding") {
		if v = strings.TrimSpace(v); v != "" && !strings.EqualFold(v, "identity") {
			return true
		}
	}
	return false
}

// isPage reports whether an answer is a page for people, as proxies and gateways send them.
func isPage(contentType string, body []byte) bool {
	return isHTML(contentType) || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// credentialsCause returns why the credentials are refused, or nil if there is none of the contract's codes.
func credentialsCause(data []byte) error {
	var body struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(data, &body) != nil {
		return nil
	}
	switch body.Code {
	case 300:
		return ErrUnknownUser
	case 301:
		return ErrPassword
	case 309:
		return ErrSuspended
	}
	return nil
}

// retryAfter parses a Retry-After (RFC 9110 section 10.2.3), which is a number of seconds or a date. It returns 0 if
// it is neither, or in the past.
func (c *Client) retryAfter(value string) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(c.now()), 0), maxRetryAfter)
}
