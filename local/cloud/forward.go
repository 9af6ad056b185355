package cloud

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Forward returns a handler that forwards requests to a service of Azurite, to be wrapped by a test. path is to be
// appended to the address of the server that serves it. A request's signature does not cover the host, so requests pass
// unchanged.
func Forward(service string) (h http.Handler, path string, err error) {
	u, err := url.Parse(service)
	if err != nil {
		return nil, "", fmt.Errorf("read Azurite's address: %w", err)
	}
	path, u.Path = u.Path, ""
	return &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport:  &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: &buffers{sync.Pool{New: func() any { return make([]byte, 64<<10) }}},
		ErrorLog:   log.New(io.Discard, "", 0), // an aborted request is not an error here
	}, path, nil
}

// buffers is a pool of the proxy's copy buffers.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte { return b.pool.Get().([]byte) }

//lint:ignore SA6002 a slice's header is nothing beside a request
func (b *buffers) Put(p []byte) { b.pool.Put(p) }
