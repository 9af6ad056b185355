package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"o2archiver/shared/source/telemessage/telemessagetest"
)

// direct is a transport without a network: the handler runs in the same process, so that time can
// be synctest's. It records the hosts that were called.
type direct struct {
	handler http.Handler
	mu      sync.Mutex
	hosts   map[string]int
	times   []time.Time
}

func (d *direct) RoundTrip(req *http.Request) (*http.Response, error) {
	d.mu.Lock()
	if d.hosts == nil {
		d.hosts = map[string]int{}
	}
	d.hosts[req.URL.Host]++
	d.times = append(d.times, time.Now())
	d.mu.Unlock()

	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, pipe: pw, ready: make(chan struct{})}
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(req.Context(), func() { pw.CloseWithError(req.Context().Err()) })
	go func() {
		defer cancel()
		defer stop()
		defer func() {
			if v := recover(); v != nil {
				pw.CloseWithError(io.ErrUnexpectedEOF)
			} else {
				w.WriteHeader(http.StatusOK)
				pw.Close()
			}
			w.once.Do(func() { close(w.ready) })
		}()
		d.handler.ServeHTTP(w, req.WithContext(ctx))
	}()
	select {
	case <-w.ready:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if w.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	res := &http.Response{StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Body: pr,
		ContentLength:    -1,
		TransferEncoding: []string{"chunked"}, Request: req}
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		res.ContentLength, res.TransferEncoding = n, nil
	}
	if w.header.Get("X-Endless") != "" {
		res.TransferEncoding = nil
	}
	return res, nil
}

type pipeWriter struct {
	header http.Header
	status int
	pipe   *io.PipeWriter
	once   sync.Once
	ready  chan struct{}
}

func (w *pipeWriter) Header() http.Header { return w.header }
func (w *pipeWriter) Flush()              {}
func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() { w.status = status; close(w.ready) })
}
func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(p)
}

const (
	testUser     = "acme"
	testPassword = "s3cret-passphrase"
)

// credentials is what the handler of a customer would put on a request.
func credentials(r *http.Request) { r.SetBasicAuth(testUser, testPassword) }

// dial returns a client of a handler that is reached without a network.
func dial(t *testing.T, h http.Handler, tries uint) (*Client, *direct) {
	t.Helper()
	d := &direct{handler: h}
	c, err := New(mustURL(t, "https://site.example/o2"), credentials,
		Options{HTTP: &http.Client{Transport: d}, Tries: tries})
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newSite(o telemessagetest.Options) *telemessagetest.Site {
	o.Username, o.Password = testUser, testPassword
	if o.Now == nil {
		o.Now = func() time.Time { return day1.Add(time.Hour) } // synctest begins in the year 2000
	}
	return telemessagetest.New(o)
}

// serve returns a client of a handler that is reached through a real connection.
func serve(t *testing.T, h http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := New(mustURL(t, server.URL), credentials, Options{HTTP: server.Client(), Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
