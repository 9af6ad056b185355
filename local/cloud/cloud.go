// Package cloud starts on this machine what the function apps talk to: storage, the TeleMessage site, Microsoft Graph.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/tally"
)

// prepareTime is the time limit for creating the containers and the table.
const prepareTime = time.Minute

// Servers is the set of HTTP servers of a run. The zero value is ready for use. It is safe for concurrent use.
type Servers struct {
	mu  sync.Mutex
	all []*http.Server
}

// Serve serves h on a free port of this machine and returns its address.
func (s *Servers) Serve(h http.Handler) (at string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, server)
	return "http://" + l.Addr().String(), nil
}

// ServeGraph serves Graph, and its upload URLs on a host of their own, as Microsoft does. wrap, if not nil, wraps both
// handlers.
func (s *Servers) ServeGraph(g *mailboxtest.Graph, wrap func(http.Handler) http.Handler) (at string, err error) {
	if wrap == nil {
		wrap = func(h http.Handler) http.Handler { return h }
	}
	uploads, err := s.Serve(wrap(g.UploadHandler()))
	if err != nil {
		return "", err
	}
	g.SetUploadURL(uploads)
	return s.Serve(wrap(g))
}

// Close closes the servers and aborts the requests in progress. It may be called twice.
func (s *Servers) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.all {
		_ = server.Close() // a connection that it could not close ends with this process
	}
	s.all = nil
}

// Prepare creates in the storage what the deployment creates in Azure: the containers and the tables. It may be
// called twice.
func Prepare(ctx context.Context, connectionString string) (*archive.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	store, err := archive.Open(archive.Config{ConnectionString: connectionString})
	if err != nil {
		return nil, fmt.Errorf("ARCHIVE_STORAGE: %w", err)
	}
	table, err := ledger.Open(ledger.Config{ConnectionString: connectionString})
	if err != nil {
		return nil, fmt.Errorf("ARCHIVE_STORAGE: %w", err)
	}
	if err := store.CreateContainers(ctx); err != nil {
		return nil, fmt.Errorf("prepare the archive's storage: %w (is it running, and is ARCHIVE_STORAGE right?)", err)
	}
	totals, err := tally.Open(tally.Config{ConnectionString: connectionString})
	if err != nil {
		return nil, fmt.Errorf("ARCHIVE_STORAGE: %w", err)
	}
	if err := errors.Join(table.CreateTable(ctx), totals.CreateTable(ctx)); err != nil {
		return nil, fmt.Errorf("prepare the tables: %w", err)
	}
	return store, nil
}

// Root returns the repository's root: the current folder, or the nearest folder above it with a host.json.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "host.json")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("this is run in the repository: no host.json here or in a folder above")
		}
		dir = up
	}
}
