package pipetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/pipetest"
)

func request(t *testing.T, ctx context.Context, way http.RoundTripper, body []byte) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://service.example/x", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return way.RoundTrip(r)
}

// Time is virtual during a request, bodies arrive whole in both directions, and stop leaves no goroutine behind, which
// would end the bubble with an error.
func TestServeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way, stop := pipetest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			_, _ = io.Copy(w, r.Body)
		}))
		defer stop()
		began, body := time.Now(), bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
		resp, err := request(t, t.Context(), way, body)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(got, body) || time.Since(began) != time.Hour {
			t.Errorf("%d bytes of %d after %v, %v", len(got), len(body), time.Since(began), err)
		}
	})
}

// A client that gives up is noticed by the handler, and a handler that aborts breaks the connection.
func TestConnectionBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way, stop := pipetest.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}))
		if resp, err := request(t, t.Context(), way, []byte("x")); err == nil {
			t.Errorf("status %d of a handler that aborts", resp.StatusCode)
		}
		stop()
		if resp, err := request(t, t.Context(), way, nil); err == nil {
			t.Errorf("status %d after stop", resp.StatusCode)
		}

		gaveUp := make(chan struct{})
		way, stop = pipetest.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			close(gaveUp)
		}))
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := request(t, ctx, way, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error of a request that is given up: %v", err)
		}
		<-gaveUp
	})
}
