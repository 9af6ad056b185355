// Package telemessagetest is a stand-in for the TeleMessage site. It implements the project's pull contract, refuses
// everything that the contract allows a site to refuse, and fails on request in the ways in which sites fail.
//
// It uses the standard library only and nothing of packages telemessage and client, so that the two verify each other.
package telemessagetest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Paths of the contract, below the base at which the Site is mounted.
const (
	ItemsPath = "/api/rest/archive/o2/items"
	CountPath = "/api/rest/archive/o2/count"
)

// Kinds of requests, for Fail and Calls.
const (
	Items   = "items"
	Count   = "count"
	Content = "content"
)

// Options configure a Site. Every zero value, except of the credentials, is a usable default.
type Options struct {
	Username, Password string

	Now func() time.Time // nil means time.Now
	// Delay is the time from an item's archivedTime to its becoming visible. The contract allows up to 5 minutes.
	Delay      time.Duration
	Suspended  bool          // answer the right credentials with 403, code 309
	NoCount    bool          // answer count with 404
	PageLimit  int           // maximum items of a page, whatever the request's limit; 0: the limit alone
	EmptyEvery int           // every n-th page of a window is empty and has a next, n > 1; 0: none
	CursorLife time.Duration // 0 means the contract's 24 hours
}

// Site is an http.Handler that enforces the contract. It is safe for concurrent use.
type Site struct {
	o   Options
	key [sha256.Size]byte // signs cursors; the same after a restart

	mu        sync.Mutex
	added     []entry
	unsorted  bool
	generated []generator
	contents  map[string]content
	calls     map[string]int
	asked     []time.Time // beginnings of windows, see Asked
	plans     map[string][]plan
}

// content is what AddContent was called with.
type content struct {
	size int64
	open func() io.Reader
}

// New returns a site without items.
func New(o Options) *Site {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CursorLife == 0 {
		o.CursorLife = 24 * time.Hour
	}
	return &Site{
		o: o, key: sha256.Sum256([]byte("cursor|" + o.Username + "|" + o.Password)),
		contents: map[string]content{}, calls: map[string]int{}, plans: map[string][]plan{},
	}
}

// Add stores an item, the text of one JSON value, as archived at that time.
func (s *Site) Add(archived time.Time, item []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added = append(s.added, entry{at: archived.UTC(), seq: len(s.added), item: item})
	s.unsorted = true
}

// Generate stores n items that are generated on request, so that a million of them take no memory. archived MUST
// never decrease with i. Both functions MUST return the same on every call and be safe for concurrent use.
func (s *Site) Generate(n int, archived func(i int) time.Time, item func(i int) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generated = append(s.generated, generator{n: n, archived: archived, make: item})
}

// AddContent makes GET path return size bytes of what open returns. path begins with /. With size -1 the answer has
// no length.
func (s *Site) AddContent(path string, size int64, open func() io.Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.contents[path] = content{size, open}
}

// Calls returns the number of requests of each kind so far, refused ones included.
func (s *Site) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := map[string]int{}
	for kind, n := range s.calls {
		calls[kind] = n
	}
	return calls
}

// Asked returns the beginnings of the windows that were requested from their first page, in the order of the
// requests.
func (s *Site) Asked() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Total returns how many items the site holds, visible or not.
func (s *Site) Total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.added)
	for _, g := range s.generated {
		n += g.n
	}
	return n
}

// ask records the window that a request begins with, whatever its outcome.
func (s *Site) ask(query url.Values) {
	from, err := time.Parse(time.RFC3339, query.Get("from"))
	if err != nil || query.Get("cursor") != "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, from)
}

// ServeHTTP answers one request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := Content
	switch {
	case strings.HasSuffix(r.URL.Path, ItemsPath):
		kind = Items
		s.ask(r.URL.Query())
	case strings.HasSuffix(r.URL.Path, CountPath):
		kind = Count
	}
	w, answered := s.fail(kind, w, r)
	switch {
	case answered:
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		refuseWith(w, http.StatusMethodNotAllowed, 0, "only GET")
	case !s.authorized(w, r):
	case kind == Items:
		s.items(w, r)
	case kind == Count:
		s.count(w, r)
	default:
		s.content(w, r)
	}
}

// SetPassword changes the password. Cursors stay valid.
func (s *Site) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Password = password
}

// authorized checks HTTP Basic authentication, and if it fails, answers with one of the contract's codes.
func (s *Site) authorized(w http.ResponseWriter, r *http.Request) bool {
	username, password, ok := r.BasicAuth()
	s.mu.Lock()
	right := s.o.Password
	s.mu.Unlock()
	switch {
	case !ok || !equalSecret(username, s.o.Username):
		w.Header().Set("WWW-Authenticate", `Basic realm="archive"`)
		refuseWith(w, http.StatusUnauthorized, 300, "no such user")
	case !equalSecret(password, right):
		w.Header().Set("WWW-Authenticate", `Basic realm="archive"`)
		refuseWith(w, http.StatusUnauthorized, 301, "bad password")
	case s.o.Suspended:
		refuseWith(w, http.StatusForbidden, 309, "suspended")
	default:
		return true
	}
	return false
}

// equalSecret compares two secrets in constant time.
func equalSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// refuseWith answers with a status and the contract's code for it.
func refuseWith(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "message": message})
}

// window is the range [from, to) of a request.
type window struct{ from, to time.Time }

// readWindow parses the window of a request, as strictly as the contract allows.
func readWindow(q url.Values) (window, error) {
	var w window
	for name, t := range map[string]*time.Time{"from": &w.from, "to": &w.to} {
		if len(q[name]) != 1 || t.UnmarshalText([]byte(q.Get(name))) != nil {
			return w, fmt.Errorf("%s must be given once, in RFC 3339", name)
		}
		if _, offset := t.Zone(); offset != 0 {
			return w, fmt.Errorf("%s must be in UTC", name)
		}
	}
	if !w.from.Before(w.to) {
		return w, fmt.Errorf("from must lie before to")
	}
	return w, nil
}

// items answers a request for a page of items.
func (s *Site) items(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	win, err := readWindow(q)
	if err != nil {
		refuseWith(w, http.StatusBadRequest, 0, err.Error())
		return
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		refuseWith(w, http.StatusBadRequest, 0, "limit must be 1 to 1000")
		return
	}
	if s.o.PageLimit > 0 {
		limit = min(limit, s.o.PageLimit)
	}
	var at cursor
	if q.Has("cursor") {
		var status int
		if at, status = s.readCursor(q.Get("cursor"), win); status != 0 {
			refuseWith(w, status, 0, "the cursor is of no use")
			return
		}
	}
	at.Page++
	var page []func() []byte
	more := true
	if s.o.EmptyEvery == 0 || at.Page%s.o.EmptyEvery != 0 {
		page, at.After, more = s.page(win, at.After, limit)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"items":[`)
	for i, item := range page {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = w.Write(item())
	}
	_, _ = io.WriteString(w, "]")
	if more {
		_, _ = fmt.Fprintf(w, `,"next":%q`, s.writeCursor(at, win))
	}
	_, _ = io.WriteString(w, "}")
}

// count answers a request for the count.
func (s *Site) count(w http.ResponseWriter, r *http.Request) {
	if s.o.NoCount {
		http.NotFound(w, r)
		return
	}
	win, err := readWindow(r.URL.Query())
	if err != nil {
		refuseWith(w, http.StatusBadRequest, 0, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"total": s.countIn(win)})
}

// content answers a request for an attachment.
func (s *Site) content(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c, ok := s.contents[r.URL.Path]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if c.size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(c.size, 10))
	}
	_, _ = io.Copy(w, c.open())
}
