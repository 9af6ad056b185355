package telemessagetest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// Serve starts an HTTP server that is reached through the returned transport alone, whatever the host of a request.
// Its connections are pipes within the process instead of sockets, so it works in a bubble of testing/synctest. stop
// closes all connections and waits for the handler's calls to return; it MUST be called.
func Serve(handler http.Handler) (way *http.Transport, stop func()) {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	var calls sync.WaitGroup
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		defer calls.Done()
		handler.ServeHTTP(w, r)
	})
	// The log would hold what handlers do on purpose: they abort answers.
	server := &http.Server{Handler: counted, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // until it is closed
	}()
	// What is dialled for https is a pipe as well: nothing reads the traffic.
	way = &http.Transport{DialContext: l.dial, DialTLSContext: l.dial, ReadBufferSize: 64 << 10}
	return way, func() {
		way.CloseIdleConnections()
		_ = server.Close()
		<-ended
		calls.Wait()
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
