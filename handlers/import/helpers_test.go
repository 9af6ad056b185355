package main

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// together runs the cases several at a time, whatever the number of processors: most of their time they wait.
func together[C any](t *testing.T, atOnce int, cases map[string]C, run func(t *testing.T, c C)) {
	t.Helper()
	places := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for name, c := range maps.All(cases) {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(name, func(t *testing.T) { run(t, c) })
		})
	}
	group.Wait()
}

// hides makes the importer's blob service answer 404 for what has the text in its path.
func hides(text, code string) func(*start) { return answers(text, http.StatusNotFound, code) }

// denies makes it answer 403.
func denies(text string) func(*start) {
	return answers(text, http.StatusForbidden, "AuthorizationPermissionMismatch")
}

func answers(text string, status int, code string) func(*start) {
	return func(s *start) {
		s.around = func(way http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if !strings.Contains(r.URL.Path, text) {
					return way.RoundTrip(r)
				}
				return storageError(r, status, code), nil
			})
		}
	}
}

// storageError is an answer of the blob service.
func storageError(r *http.Request, status int, code string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"X-Ms-Error-Code": {code}}, Body: http.NoBody, Request: r}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// within waits until something is so. The limit only ends a test that hangs: on a busy machine half a minute was too
// short.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 4*time.Minute {
			t.Errorf("not within four minutes: %s", what)
			return
		}
	}
}

// inDoubtTest is long enough for a busy machine's answers, and short enough to wait for.
const inDoubtTest = 1500 * time.Millisecond
