package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"o2archiver/local/azurite"
)

// counted is a way to a service of Azurite on which every request is counted.
func (w *world) counted(to string, n *atomic.Int64) (at string, err error) {
	u, err := url.Parse(strings.TrimSuffix(to, "/"+azurite.Account))
	if err != nil {
		return "", fmt.Errorf("read Azurite's address: %w", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport:  &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: &buffers{sync.Pool{New: func() any { return make([]byte, 64<<10) }}},
		ErrorLog:   log.New(io.Discard, "", 0), // a client that has gone is no news
	}
	at, err = w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n.Add(1)
		proxy.ServeHTTP(rw, r)
	}))
	return at + "/" + azurite.Account, err
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte { return b.pool.Get().([]byte) }

//lint:ignore SA6002 a slice's header is nothing beside a request
func (b *buffers) Put(p []byte) { b.pool.Put(p) }

// creates stands before Graph: it notes when each message was created, and keeps the first requests for the script.
type creates struct {
	next http.Handler

	mu    sync.Mutex
	done  []time.Time
	first []created
}

type created struct {
	path string
	body []byte
}

const keptCreates = 2000

func (c *creates) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/messages") {
		c.next.ServeHTTP(rw, r)
		return
	}
	c.mu.Lock()
	keep := len(c.first) < keptCreates
	c.mu.Unlock()
	if keep {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		c.mu.Lock()
		c.first = append(c.first, created{r.URL.EscapedPath(), body})
		c.mu.Unlock()
	}
	c.next.ServeHTTP(rw, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, time.Now())
}

// begin forgets what was created before.
func (c *creates) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = nil
}

// middle is the rate from the tenth part of the creates to the last tenth.
func (c *creates) middle() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to := len(c.done)/10, len(c.done)*9/10
	if to <= from {
		return math.NaN()
	}
	return float64(to-from) / c.done[to].Sub(c.done[from]).Seconds()
}
