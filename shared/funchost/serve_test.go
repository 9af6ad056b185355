package funchost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// The inner deadline is 80 % of what the host allows.
func TestDeadlineFitsHost(t *testing.T) {
	raw, err := os.ReadFile("../../host.json")
	if err != nil {
		t.Fatal(err)
	}
	var host struct{ FunctionTimeout string }
	if err := json.Unmarshal(raw, &host); err != nil {
		t.Fatal(err)
	}
	var h, m, s time.Duration
	if _, err := fmt.Sscanf(host.FunctionTimeout, "%d:%d:%d", &h, &m, &s); err != nil {
		t.Fatal(err)
	}
	if limit := h*time.Hour + m*time.Minute + s*time.Second; Deadline*10 != limit*8 {
		t.Errorf("Deadline is %v, functionTimeout %v: want 80 %% of it", Deadline, limit)
	}
}

func TestDeadline(t *testing.T) {
	s := New(slog.New(slog.DiscardHandler), 10*time.Millisecond, map[string]Func{
		"late": func(ctx context.Context, _ *Invocation) (any, error) {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), ErrDeadline) {
				t.Errorf("the cause is %v", context.Cause(ctx))
			}
			return nil, context.Cause(ctx)
		},
	})
	if got, _ := post(t, s, http.MethodPost, "/late",
		strings.NewReader(`{"Data":{}}`)); got != http.StatusGatewayTimeout {
		t.Errorf("status %d", got)
	}
}

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 200},
		{ErrStopped, 200},
		{fmt.Errorf("%w; late", ErrStopped), 200},
		{errors.New("listen"), 1},
	} {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("ExitCode(%v) is %d, want %d", test.err, got, test.want)
		}
	}
}

func TestPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	s := New(slog.New(slog.DiscardHandler), time.Minute, nil)
	for _, port := range []string{"", "0", "-1", "65536", "http", "80:80", port} {
		if err := s.Serve(t.Context(), port); err == nil || ExitCode(err) != 1 {
			t.Errorf("Serve at port %q: %v", port, err)
		}
	}
}

// When the process is asked to stop, an invocation at work learns it and its answer still reaches the host.
func TestStop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := New(slog.New(slog.DiscardHandler), time.Minute, map[string]Func{
		"f": func(ctx context.Context, _ *Invocation) (any, error) {
			close(started)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- serveListener(ctx, listener, s) }()

	status := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+listener.Addr().String()+"/f", "application/json",
			bytes.NewReader(capture(t, "timer-5s.json")))
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-started
	cancel()
	if got := <-status; got != http.StatusServiceUnavailable {
		t.Errorf("status %d", got)
	}
	if err := <-served; !errors.Is(err, ErrStopped) {
		t.Errorf("serve returns %v", err)
	}
}

// A host that hangs up takes the invocation with it; one that stays on the line keeps it however long the body's
// time-out is past. What goes on without its host still learns that the process is asked to stop.
func TestHangUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, ended, stopped := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s := New(slog.New(slog.DiscardHandler), time.Minute, map[string]Func{
		"f": func(ctx context.Context, _ *Invocation) (any, error) {
			close(started)
			<-ctx.Done()
			close(ended)
			<-ProcessOf(ctx).Done()
			stopped <- context.Cause(ProcessOf(ctx))
			return nil, ctx.Err()
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = serveListener(ctx, listener, s) }()
	call, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	req, err := http.NewRequestWithContext(call, http.MethodPost, "http://"+listener.Addr().String()+"/f",
		strings.NewReader(`{"Data":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-started
	hangUp()
	<-ended
	cancel()
	if err := <-stopped; !errors.Is(err, ErrStopped) {
		t.Errorf("the process ends by %v", err)
	}
}
