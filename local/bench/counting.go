package main

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"o2archiver/local/cloud"
)

// counted is a way to a service of Azurite on which every request is counted.
func (w *world) counted(to string, n *atomic.Int64) (at string, err error) {
	forward, path, err := cloud.Forward(to)
	if err != nil {
		return "", err
	}
	at, err = w.servers.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n.Add(1)
		forward.ServeHTTP(rw, r)
	}))
	return at + path, err
}

// creates stands before Graph: it notes when each message was created, and keeps the first requests for the script.
type creates struct {
	mu    sync.Mutex
	done  []time.Time
	first []created
}

type created struct {
	path string
	body []byte
}

const keptCreates = 2000

// wrap puts it before a handler; requests that create messages come to one of them only.
func (c *creates) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { c.serve(next, rw, r) })
}

func (c *creates) serve(next http.Handler, rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/messages") {
		next.ServeHTTP(rw, r)
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
	next.ServeHTTP(rw, r)
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
