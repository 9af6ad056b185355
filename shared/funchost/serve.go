package funchost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	stopTime   = 10 * time.Second // for the invocations that are running when the server stops
	headerTime = 10 * time.Second // to read a request's header
)

// Serve listens on 127.0.0.1 at port (FUNCTIONS_CUSTOMHANDLER_PORT) until ctx ends. Then it accepts no more requests,
// cancels the contexts of the running invocations, waits up to 10 s for them and returns an error that is ErrStopped.
// It never returns nil. ExitCode returns the exit code for its error.
func (s *Server) Serve(ctx context.Context, port string) error { return ServeHandler(ctx, port, s) }

// ServeHandler is Serve for a handler of HTTP requests that the host forwards as they are.
func ServeHandler(ctx context.Context, port string, h http.Handler) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("listen for the host: the port is not a number from 1 to 65535")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return fmt.Errorf("listen for the host: %w", err)
	}
	return serveListener(ctx, listener, h)
}

type processKey struct{}

// WithProcess returns a context that ends with process, and from which ProcessOf returns process. The contexts of all
// requests are derived from one.
func WithProcess(process context.Context) context.Context {
	return context.WithValue(process, processKey{}, process)
}

// ProcessOf returns the context that ends when the process is asked to stop, with ErrStopped as its cause. ctx is that
// of a request, which may have ended before because its client is gone. For a context that is not derived from one of
// WithProcess it returns one that never ends.
func ProcessOf(ctx context.Context) context.Context {
	if process, ok := ctx.Value(processKey{}).(context.Context); ok {
		return process
	}
	return context.Background()
}

func serveListener(ctx context.Context, listener net.Listener, h http.Handler) error {
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(ErrStopped)
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ErrorLog:          log.New(io.Discard, "", 0), // http.Server's errors quote received bytes
		BaseContext:       func(net.Listener) context.Context { return WithProcess(work) },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the host: %w", err)
	case <-ctx.Done():
	}
	stop(ErrStopped)
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := server.Shutdown(wait); err != nil {
		return fmt.Errorf("%w; some invocations did not end in time", ErrStopped)
	}
	return ErrStopped
}
