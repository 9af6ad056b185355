// Package telemessage is the source: it asks the TeleMessage site for archived items and reads their JSON.
//
// TeleMessage publishes no interface for pulling archived items. What is spoken here is this
// project's own contract, in the vocabulary of the vendor's item shapes, and no other package knows it: another
// intake is a sibling of this package. The site is not trusted: only the origin of its base
// URL is ever called, and nothing that it sends can fill the memory.
package telemessage

import (
	"cmp"
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

// What a caller tells apart. The errors that match them hold status codes and plain words, never
// an address or anything that the site wrote.
var (
	// ErrCredentials: the site refuses the user name or password. It is never tried twice: more
	// tries may lock the account.
	ErrCredentials = errors.New("the TeleMessage site refuses the credentials")
	// ErrCursorExpired: the cursor is too old; the window has to be read from its beginning.
	ErrCursorExpired = errors.New("the cursor has expired")
	// ErrGone: the attachment can never be had.
	ErrGone = errors.New("the attachment cannot be had from the TeleMessage site")
	// ErrUnavailable: the site is away or answers with something that is no answer. Later tries may succeed.
	ErrUnavailable = errors.New("the TeleMessage site is not available")
	// ErrOther: the attachment is not the one that was begun, so that it has to be read from its beginning. It matches
	// ErrUnavailable too.
	ErrOther = errors.New("the attachment is not the one that was begun")
	// ErrTooLong: the answer takes more time or has more bytes than one answer may. It matches ErrUnavailable too. The same
	// request would end alike: ask for less.
	ErrTooLong = errors.New("the answer takes longer, or is larger, than one answer may be")
)

// errRefused: the site calls the request itself wrong; the same request would be refused again.
var errRefused = errors.New("the TeleMessage site refuses the request")

const (
	itemsPath = "api/rest/archive/o2/items"
	countPath = "api/rest/archive/o2/count"

	defaultTries = 5

	// The bounds of one page: a site that trickles, or never ends its answer, must not hold the caller for ever. pageTime
	// counts only the time spent waiting for the site, not what the caller does with the items.
	pageTime  = 10 * time.Minute
	pageBytes = 8 << 30
	countTime = 2 * time.Minute
)

// Options are the parts of a Client that have defaults.
type Options struct {
	// HTTP gives the transport; nil stands for one like http.DefaultTransport. Its Timeout, Jar and CheckRedirect are not
	// used: the Client has time-outs of its own that do not cut a long download, and its own rule for redirects.
	HTTP *http.Client
	Now  func() time.Time // for a Retry-After that is a date; nil stands for time.Now
	// Tries is how often one GET is sent in all before its failure is reported; 0 stands for 5.
	Tries uint
	// PageTime is how long one page may be waited for in all; 0 stands for 10 minutes.
	PageTime time.Duration
}

// Client asks one site on behalf of one customer. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	authorize func(*http.Request)
	http      *http.Client
	now       func() time.Time
	tries     uint
	pageTime  time.Duration
	siteTime  atomic.Pointer[time.Time] // of the last answer
}

// New gives a client of the site at base. It makes no request. authorize puts the credentials on each request; it
// is only ever given requests to the origin of base. base is an https URL, or an http one
// of this very machine, without user name, query and fragment; the errors do not repeat it.
func New(base *url.URL, authorize func(*http.Request), o Options) (*Client, error) {
	if err := checkBase(base); err != nil {
		return nil, err
	}
	c := &Client{base: base.JoinPath("/"), authorize: authorize, now: o.Now, tries: o.Tries, pageTime: cmp.Or(o.PageTime, pageTime)}
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

// SiteTime returns the time that the site's last answer carried in its header Date; zero if there was none.
func (c *Client) SiteTime() time.Time {
	if t := c.siteTime.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// noteTime remembers the site's time. RFC 9111 section 5.1: an answer out of a cache is older by its Age.
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

// resolve returns the URL that ref stands for, seen from u, or false if it is none or lies outside the origin of the
// base URL: RFC 6454 section 4, the scheme, the host and the port. That is judged by the URL that is then called.
func (c *Client) resolve(u *url.URL, ref string) (*url.URL, bool) {
	ref = strings.TrimFunc(ref, func(c rune) bool { return unicode.IsSpace(c) || c == 0xFEFF || c == 0x200B })
	if ref == "" || len(ref) > maxURL {
		return nil, false
	}
	ref = escapeReference(ref)
	parsed, err := url.Parse(ref)
	if err != nil && !strings.HasPrefix(ref, "/") {
		parsed, err = url.Parse("./" + ref) // RFC 3986 section 4.2: a first segment with a colon, 09:30.jpg, is taken for a scheme
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

// escapeReference escapes what a URL may not contain and people write all the same: blanks, a % that begins no escape,
// backslashes, quotes, brackets. What is escaped stays as it is, and so do control characters, which no URL has: url.Parse
// refuses them. What is outside of ASCII is escaped by url.URL.
func escapeReference(ref string) string {
	var b strings.Builder
	for i := 0; i < len(ref); i++ {
		switch c := ref[i]; {
		case c == '%' && (i+2 >= len(ref) || !isHexDigit(ref[i+1]) || !isHexDigit(ref[i+2])), strings.IndexByte(" \"<>\\^`{|}", c) >= 0:
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
