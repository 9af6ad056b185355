package main

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"o2archiver/local/cloud"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
)

// memoryStorage is package archivetest's account, over HTTP on loopback. It is for what Azurite would be the limit of:
// in this process an operation takes a tenth of what it takes there.
//
// What is put into the container media is forgotten after it was checked, because this process has the memory of the
// machine that is measured. Nothing here reads it again.
type memoryStorage struct {
	*archivetest.Storage
	at string // the address of its blob service

	mu     sync.Mutex
	count  map[string]int // requests by container
	copied [2]time.Time   // the first and the last request for a copy of a ZIP
}

// serveStorage starts an empty account with the archive's containers.
func serveStorage(ctx context.Context, servers *cloud.Servers) (*memoryStorage, *archive.Store, error) {
	m := &memoryStorage{Storage: archivetest.New(nil), count: map[string]int{}}
	m.OmitMD5() // package archive has its own digests and reads no other
	var err error
	if m.at, err = servers.Serve(m); err != nil {
		return nil, nil, err
	}
	store, err := archive.Open(archive.Config{ConnectionString: m.connection()})
	if err != nil {
		return nil, nil, err
	}
	return m, store, store.CreateContainers(ctx)
}

// connection returns the account's connection string.
func (m *memoryStorage) connection() string {
	return "DefaultEndpointsProtocol=http;AccountName=" + archivetest.Account + ";AccountKey=" + archivetest.Key +
		";BlobEndpoint=" + m.at + ";TableEndpoint=" + m.at + ";"
}

// ServeHTTP implements http.Handler. The account itself is reached by https only, and by its name.
func (m *memoryStorage) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	name, blob, isBlob := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	m.note(name, r.Method)
	r.URL.Scheme, r.URL.Host = "https", m.BlobURL().Host
	resp, err := m.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the request was cut
	}
	defer resp.Body.Close()
	if isBlob && name == archive.MediaContainer && resp.StatusCode == http.StatusCreated {
		m.Forget(name, blob)
	}
	maps.Copy(rw.Header(), resp.Header)
	rw.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(rw, resp.Body) // a client that has gone away
}

// note counts a request.
func (m *memoryStorage) note(name, method string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[name]++
	if name == archive.DeliveriesContainer && method == http.MethodPut {
		if m.copied[0].IsZero() {
			m.copied[0] = time.Now()
		}
		m.copied[1] = time.Now()
	}
}

// requests returns the number of requests so far, all of them and those of some containers.
func (m *memoryStorage) requests(names ...string) (all, some int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.count {
		all += n
	}
	for _, name := range names {
		some += m.count[name]
	}
	return all, some
}

// landing returns the landing container of this account.
func (m *memoryStorage) landing(ctx context.Context) (*archive.Landing, error) {
	l, err := archive.OpenLanding(archive.Config{ConnectionString: m.connection()}, "", nil)
	if err != nil {
		return nil, err
	}
	return l, l.CreateContainer(ctx)
}

// copyRate returns at how many MB/s ZIPs of size bytes were copied: all are before the first is read.
func (m *memoryStorage) copyRate(size int64) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(size) / 1e6 / m.copied[1].Sub(m.copied[0]).Seconds()
}
