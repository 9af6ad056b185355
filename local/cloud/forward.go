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

// Forward is a way to a service of Azurite, to be put before it with something in between. path is what its address has to be followed
// by. A request's signature does not cover the host, so it passes as it is.
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
		ErrorLog:   log.New(io.Discard, "", 0), // a client that has gone is no news
	}, path, nil
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte { return b.pool.Get().([]byte) }

//lint:ignore SA6002 a slice's header is nothing beside a request
func (b *buffers) Put(p []byte) { b.pool.Put(p) }
