// Package client is the HTTP client of the TeleMessage site: pages of items, the count, and attachments. The format of
// an item is package telemessage's.
//
// TeleMessage publishes no interface for pulling archived items. This package uses this project's own contract, in
// the vocabulary of the vendor's item shapes, and no other package knows it. The site is not trusted: requests go to
// the origin of its base URL only, and nothing that it sends can exhaust the memory.
//
// Only fetch links this package, and portal, which asks for a count to test a password. What can write mail holds no
// client of the site.
package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"o2archiver/shared/azure"
)

// The errors that a caller distinguishes. Errors that match them contain status codes and plain words only, never an
// address or anything that the site wrote.
var (
	// ErrCredentials means that the site refuses the user name or password. The request is not retried with the same
	// ones, because further tries may lock the account.
	ErrCredentials = errors.New("the TeleMessage site refuses the credentials")
	// Why the credentials are refused, if the site says so. They also match ErrCredentials.
	ErrUnknownUser = errors.New("code 300: no such user")
	ErrPassword    = errors.New("code 301: bad password")
	ErrSuspended   = errors.New("code 309: the user is suspended")
	// ErrCursorExpired means that the cursor is too old. The window has to be read again from its beginning.
	ErrCursorExpired = errors.New("the cursor has expired")
	// ErrGone means that the attachment can never be fetched.
	ErrGone = errors.New("the attachment cannot be had from the TeleMessage site")
	// ErrUnavailable means that the site is unavailable or that its answer is not one of the contract. A later try
	// may succeed. The client has made the tries that help; it is not transient for retry.Do, because a caller that
	// streams an answer on into storage can't repeat that without the answer.
	ErrUnavailable = errors.New("the TeleMessage site is not available")
	// ErrOther means that the attachment is not the one of which the beginning was read, so it has to be read from
	// its beginning. It also matches ErrUnavailable.
	ErrOther = errors.New("the attachment is not the one that was begun")
	// ErrTooLong means that the answer exceeds the limit in time or bytes for one answer. It also matches
	// ErrUnavailable. The same request would fail in the same way, so a caller should ask for less.
	ErrTooLong = errors.New("the answer takes longer, or is larger, than one answer may be")
)

// errRefused means that the site refuses the request itself. The same request would be refused again.
var errRefused = errors.New("the TeleMessage site refuses the request")

const (
	itemsPath = "api/rest/archive/o2/items"
	countPath = "api/rest/archive/o2/count"

	defaultTries = 5

	// Limits for one page and for the count, so that a site that sends slowly, or never ends its answer, cannot block
	// the caller forever. pageTime counts only the time spent waiting for the site, not the time that the caller
	// needs for the items.
	pageTime  = 10 * time.Minute
	pageBytes = 8 << 30
	countTime = 2 * time.Minute
)

// Options are the parts of a Client that have defaults.
type Options struct {
	// HTTP provides the transport; nil means one like http.DefaultTransport. Its Timeout, Jar and CheckRedirect are
	// not used: the Client has its own time-outs, which do not interrupt a long download, and its own rule for
	// redirects.
	HTTP *http.Client
	Now  func() time.Time // used for a Retry-After that is a date; nil means time.Now
	// Tries is the maximum number of times that one GET is sent before its failure is returned; 0 means 5.
	Tries uint
	// Renew is called when the site has refused the credentials. It reports whether authorize adds others from now on;
	// the request is then sent once more. It MUST NOT report a change more often than the site's rule for locking an
	// account allows. nil means that the credentials never change.
	Renew func(context.Context) (changed bool, err error)
	// PageTime is the maximum total time spent waiting for one page; 0 means 10 minutes.
	PageTime time.Duration
}

// Client sends requests to one site on behalf of one customer. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	authorize func(*http.Request)
	renew     func(context.Context) (bool, error) // nil: the credentials never change
	http      *http.Client
	now       func() time.Time
	tries     uint
	pageTime  time.Duration
	siteTime  atomic.Pointer[time.Time] // Date of the last answer
}

// New returns a client of the site at base. It sends no request. authorize adds the credentials to each request; it
// is called for requests to the origin of base only. base MUST be an https URL, or an http URL of this machine,
// without user name, query and fragment. The errors do not repeat it.
func New(base *url.URL, authorize func(*http.Request), o Options) (*Client, error) {
	if err := checkBase(base); err != nil {
		return nil, err
	}
	c := &Client{
		base: base.JoinPath("/"), authorize: authorize, renew: o.Renew, now: o.Now, tries: o.Tries,
		pageTime: cmp.Or(o.PageTime, pageTime),
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.tries == 0 {
		c.tries = defaultTries
	}
	c.http = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if o.HTTP != nil {
		c.http.Transport = o.HTTP.Transport
	}
	return c, nil
}

// SiteTime returns the time in the Date header of the site's last answer, or the zero time if there was none.
func (c *Client) SiteTime() time.Time {
	if t := c.siteTime.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// noteTime stores the site's time. An answer from a cache is older by its Age (RFC 9111 section 5.1).
func (c *Client) noteTime(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		c.siteTime.Store(nil)
		return
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		date = date.Add(time.Duration(age) * time.Second)
	}
	c.siteTime.Store(&date)
}

// checkBase returns an error if base cannot be the URL of a site, without repeating it.
func checkBase(base *url.URL) error {
	switch {
	case base == nil || base.Hostname() == "" || base.Opaque != "":
		return errors.New("the site's URL has no host")
	case base.User != nil:
		return errors.New("the site's URL must not hold a user name or password")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return errors.New("the site's URL must not have a query or fragment")
	case base.Scheme == "https":
		return nil
	case base.Scheme == "http" && azure.IsLoopback(base.Hostname()):
		return nil
	}
	return errors.New("the site's URL must begin with https (http is accepted for this machine alone)")
}

// resolve returns the URL for the reference ref, relative to u. It returns false if ref is not a valid reference or
// lies outside the origin of the base URL: its scheme, host and port (RFC 6454 section 4). The check is made on the
// very URL that is then requested.
func (c *Client) resolve(u *url.URL, ref string) (*url.URL, bool) {
	ref = strings.TrimFunc(ref, func(c rune) bool { return unicode.IsSpace(c) || c == 0xFEFF || c == 0x200B })
	if ref == "" || len(ref) > maxURL {
		return nil, false
	}
	ref = escapeReference(ref)
	parsed, err := url.Parse(ref)
	if err != nil && !strings.HasPrefix(ref, "/") {
		// RFC 3986 section 4.2: a colon in the first segment, as in 09:30.jpg, is taken for the end of a scheme.
		parsed, err = url.Parse("./" + ref)
	}
	if err != nil || parsed.Opaque != "" || parsed.User != nil {
		return nil, false
	}
	to := u.ResolveReference(parsed)
	if !azure.SameOrigin(to, c.base) {
		return nil, false
	}
	to.Host = c.base.Host
	to.Fragment, to.RawFragment = "", ""
	return to, true
}

// escapeReference escapes characters that a URL must not contain but that occur in practice: blanks, a % that begins
// no escape sequence, backslashes, quotes, brackets. Existing escape sequences are kept. So are control characters,
// which no URL has: url.Parse refuses them. Characters outside ASCII are escaped by url.URL.
func escapeReference(ref string) string {
	var b strings.Builder
	for i := 0; i < len(ref); i++ {
		switch c := ref[i]; {
		case c == '%' && (i+2 >= len(ref) || !isHexDigit(ref[i+1]) || !isHexDigit(ref[i+2])),
			strings.IndexByte(" \"<>\\^`{|}", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
