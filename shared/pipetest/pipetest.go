// Package pipetest serves HTTP within the process, for tests: a client and a server of net/http are connected by pipes
// instead of sockets. So they work in a bubble of testing/synctest, whose time stands still while a goroutine waits for
// a socket.
package pipetest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// Serve starts an HTTP server that is reached through the returned transport alone, whatever the host of a request.
// stop closes all connections and waits for the handler's calls to return; it MUST be called.
func Serve(handler http.Handler) (way *http.Transport, stop func()) {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	var conns sync.WaitGroup
	count := func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed, http.StateHijacked: // the last step of a connection, after the handler has returned
			conns.Done()
		}
	}
	// The log would hold what handlers do on purpose: they abort answers.
	server := &http.Server{Handler: handler, ConnState: count, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // until it is closed
	}()
	// What is dialled for https is a pipe as well: nothing reads the traffic.
	way = &http.Transport{
		DialContext: l.dial, DialTLSContext: l.dial, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
		MaxIdleConnsPerHost: 64, // a client has no more requests under way
	}
	return way, func() {
		way.CloseIdleConnections()
		_ = server.Close()
		<-ended
		conns.Wait()
	}
}

// pipeListener is a net.Listener whose connections are pipes.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// dial opens a connection; the network and the address are not used.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
