// Package archivetest is a strict in-memory stand-in of Azure Storage for tests: the operations of the Blob service and
// of the Table service that the archive uses, with their conditions, leases, ETags, status codes and error codes.
//
// It must refuse what the service refuses, and each rule cites where that is documented. "Put Blob" and other names of
// operations stand for their pages in the Azure Storage REST API reference; "Azurite" is the emulator, against which
// the conformance tests of this package also run. Where the service's answer is not known, and for an operation, a
// parameter or a header that is not implemented, the answer is 501 and the test fails (see ForTest).
//
// A Storage has no socket, no process and no goroutine that outlives a call, and its only clock is one function. It
// therefore works in a bubble of testing/synctest.
package archivetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The name and key of a Storage's only account.
const (
	Account = "o2archivetest"
	Key     = "YXJjaGl2ZXRlc3Q=" // valid here only

	blobHost  = Account + ".blob.core.windows.net"
	tableHost = Account + ".table.core.windows.net"
)

// Storage is one storage account. It is an http.RoundTripper for the addresses of its two services, and safe for
// concurrent use.
type Storage struct {
	now func() time.Time

	mu         sync.Mutex
	containers map[string]*container
	tables     map[string]*table
	etags      uint64    // number of ETags issued to blobs and containers
	written    time.Time // the Timestamp of the last write to a table
	requests   uint64    // number of requests
	missing    []string  // requests for what is not implemented
	omitMD5    bool
}

// New returns an empty account. now is the service's clock, by which leases expire; nil: time.Now.
func New(now func() time.Time) *Storage {
	if now == nil {
		now = time.Now
	}
	return &Storage{now: now, containers: map[string]*container{}, tables: map[string]*table{}}
}

// OmitMD5 makes the answer to Put Blob lack Content-MD5, unlike the service's. It is for measurements with a client
// that does not read it: computing it takes longer than all the rest of the operation.
func (s *Storage) OmitMD5() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.omitMD5 = true
}

// Forget removes a blob without a request, as if it had never been written. There may be none.
func (s *Storage) Forget(container, blob string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.containers[container]; c != nil && c.there(blob) != nil {
		c.remove(blob)
	}
}

// ForTest returns an empty account for a test, which fails at its end if something that is not implemented was
// requested.
func ForTest(t testing.TB, now func() time.Time) *Storage {
	t.Helper()
	s := New(now)
	s.CheckAtEnd(t)
	return s
}

var shared sync.Map // name of a top-level test -> *Storage

// Shared returns the account that a test shares with its subtests. The test, or the subtest, fails at its end if
// something that is not implemented was requested.
func Shared(t testing.TB) *Storage {
	t.Helper()
	name, _, inner := strings.Cut(t.Name(), "/")
	made, _ := shared.LoadOrStore(name, New(nil))
	s := made.(*Storage)
	s.CheckAtEnd(t)
	if !inner {
		t.Cleanup(func() { shared.Delete(name) })
	}
	return s
}

// CheckAtEnd makes the test fail at its end if something that is not implemented was requested.
func (s *Storage) CheckAtEnd(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		for _, what := range s.Unimplemented() {
			t.Errorf("archivetest: not implemented: %s", what)
		}
	})
}

// Unimplemented returns the requests that were answered with 501, each with the reason.
func (s *Storage) Unimplemented() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.missing)
}

// ConnectionString returns the account's connection string, for a client whose transport is the Storage.
func (s *Storage) ConnectionString() string {
	return "DefaultEndpointsProtocol=https;AccountName=" + Account + ";AccountKey=" + Key +
		";EndpointSuffix=core.windows.net"
}

// BlobURL returns the address of the Blob service, for a client with a credential. Any bearer token is accepted.
func (s *Storage) BlobURL() *url.URL { return &url.URL{Scheme: "https", Host: blobHost} }

// TableURL returns the address of the Table service.
func (s *Storage) TableURL() *url.URL { return &url.URL{Scheme: "https", Host: tableHost} }

// Client returns an HTTP client that sends every request to the Storage.
func (s *Storage) Client() *http.Client { return &http.Client{Transport: s} }

// request is an HTTP request as the services read it.
type request struct {
	method   string
	url      *url.URL
	query    url.Values
	header   http.Header       // by canonical name
	metadata map[string]string // without x-ms-meta-, by the name as it was sent
	body     []byte            // the whole body
	length   int64             // Content-Length; negative if there is none
	at       time.Time         // when the service received it
}

// readRequest reads a request with its whole body. Names of headers are made canonical: the SDKs set them in lower
// case.
func readRequest(r *http.Request) (*request, error) {
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		var b bytes.Buffer
		b.Grow(int(max(0, r.ContentLength)) + bytes.MinRead)
		_, err := b.ReadFrom(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		body = b.Bytes()
	}
	// net/http refuses to send such a request.
	if r.Body != nil && r.ContentLength > 0 && r.ContentLength != int64(len(body)) {
		return nil, fmt.Errorf("http: ContentLength=%d with Body length %d", r.ContentLength, len(body))
	}
	q := &request{
		method: r.Method, url: r.URL, query: r.URL.Query(),
		header: http.Header{}, metadata: map[string]string{}, body: body, length: r.ContentLength,
	}
	const prefix = "x-ms-meta-"
	for name, values := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), prefix) {
			q.metadata[name[len(prefix):]] = strings.Join(values, ",") // HTTP: a header that occurs twice
		}
		q.header[http.CanonicalHeaderKey(name)] = values
	}
	return q, nil
}

// answer is a service's response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func newAnswer(status int) *answer { return &answer{status: status, header: http.Header{}} }

// set sets a header, unless the value is empty.
func (a *answer) set(name, value string) *answer {
	if value != "" {
		a.header.Set(name, value)
	}
	return a
}

// RoundTrip implements http.RoundTripper. For a host that is not one of the account's it returns a DNS error.
func (s *Storage) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if host := r.URL.Hostname(); host != blobHost && host != tableHost {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host,
			IsNotFound: true}}
	}
	q, err := readRequest(r)
	if err != nil {
		return nil, err
	}
	return s.serve(q).response(r), nil
}

// serve answers one request at a time: the service's operations are atomic.
func (s *Storage) serve(q *request) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	q.at = s.now().UTC()
	inTable := q.url.Hostname() == tableHost
	a, err := s.dispatch(q, inTable)
	if err != nil {
		a = s.refuse(q, err, inTable)
	}
	// Status and error codes: each answer has x-ms-request-id; x-ms-version is the request's, or the default.
	a.set("X-Ms-Request-Id", s.requestID()).set("X-Ms-Version", cmp.Or(q.header.Get("X-Ms-Version"), "2009-09-19")).
		set("X-Ms-Client-Request-Id", q.header.Get("X-Ms-Client-Request-Id")).
		set("Date", q.at.Format(http.TimeFormat)).set("Server", "archivetest")
	return a
}

func (s *Storage) requestID() string {
	return fmt.Sprintf("%08x-001e-0000-0000-%012x", s.requests, s.requests)
}

// dispatch passes an authorized request to its service.
func (s *Storage) dispatch(q *request, inTable bool) (*answer, error) {
	if err := authorize(q, inTable); err != nil {
		return nil, err
	}
	if err := checkVersion(q); err != nil {
		return nil, err
	}
	if inTable {
		return s.serveTable(q)
	}
	return s.serveBlob(q)
}

// response returns the answer as an HTTP response to r.
func (a *answer) response(r *http.Request) *http.Response {
	body, length := a.body, int64(len(a.body))
	if r.Method == http.MethodHead {
		body = nil // the length of a HEAD answer is that of the blob
	} else if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		a.header.Set("Content-Length", fmt.Sprint(length))
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.header, ContentLength: length, Request: r,
		Body: &answerBody{ctx: r.Context(), r: bytes.NewReader(body)},
	}
}

// answerBody is a body whose reading fails once its request has ended, as that of a connection does.
type answerBody struct {
	ctx    context.Context
	r      io.Reader
	closed bool
}

func (b *answerBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}

func (b *answerBody) Close() error {
	b.closed = true
	return nil
}

// checkNames returns a 501 for a parameter or header that the operation does not read, so that none is accepted without
// having its effect.
func checkNames(q *request, parameters, headers []string) error {
	for name := range q.query {
		if !slices.Contains(parameters, name) {
			return unimplemented("the parameter %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(q.header)) {
		switch {
		case slices.Contains(commonHeaders, name), slices.Contains(headers, name), strings.HasPrefix(name,
			"X-Ms-Meta-"):
		default:
			return unimplemented("the header %s", name)
		}
	}
	return nil
}

// commonHeaders lists the headers that every operation accepts; the first ones do not affect any operation.
var commonHeaders = []string{
	"User-Agent", "Accept-Encoding", "Connection", "Traceparent", "Tracestate",
	"X-Ms-Client-Request-Id", "X-Ms-Return-Client-Request-Id",
	"Authorization", "X-Ms-Date", "X-Ms-Version", "Accept", "Content-Length",
	// 100-continue: azblob sends it for a while after a 429, 500 or 503; it concerns the connection only.
	"Expect",
}
