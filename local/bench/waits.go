package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
)

// waits measures what a process asks of Azurite: how many requests, and how long at least one of them was under way.
// It is a proxy, whose own time counts as Azurite's.
type waits struct {
	now func() time.Time

	mu     sync.Mutex
	open   int       // requests under way
	since  time.Time // when open was last zero
	waited time.Duration
	count  int
}

// serve serves the proxy, and returns the connection string with its addresses.
func (w *waits) serve(a *azurite.Azurite, servers *cloud.Servers) (connection string, err error) {
	var at [2]string
	for i, to := range []string{a.BlobURL, a.TableURL} {
		u, err := url.Parse(strings.TrimSuffix(to, "/"+azurite.Account))
		if err != nil {
			return "", err
		}
		forward := &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(u) }, // a signature does not cover the host
			Transport: &http.Transport{MaxIdleConnsPerHost: 64},
			ErrorLog:  log.New(io.Discard, "", 0), // a client that gave up
		}
		if at[i], err = servers.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.begin()
			defer w.end()
			forward.ServeHTTP(rw, r)
		})); err != nil {
			return "", err
		}
	}
	return a.Through(at[0]+"/"+azurite.Account, at[1]+"/"+azurite.Account), nil
}

func (w *waits) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == 0 {
		w.since = w.now()
	}
	w.open++
	w.count++
}

func (w *waits) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open--; w.open == 0 {
		w.waited += w.now().Sub(w.since)
	}
}

// reset begins anew, and returns what was measured since the last time.
func (w *waits) reset() (waited time.Duration, count int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	waited, count = w.waited, w.count
	w.waited, w.count = 0, 0
	return waited, count
}
