package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// virtual runs a test in a bubble of testing/synctest, whose time goes on only while everything in it waits: pauses and
// time-outs take no time, and how busy the machine is changes nothing.
func virtual(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	inBubble(t, test)
}

// virtually returns a subtest that virtual runs.
func virtually(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { virtual(t, test) }
}

// inBubble is virtual for a part of a test.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(moment.AddDate(0, 0, 7))) // a bubble begins in the year 2000
		test(t)
	})
}

// together runs the cases in parallel, each in a bubble. They run when the test itself has ended, but for its Cleanup.
func together[C any](t *testing.T, cases map[string]C, run func(t *testing.T, c C)) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, virtually(func(t *testing.T) { run(t, c) }))
	}
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
	return &http.Response{StatusCode: status, Header: http.Header{"X-Ms-Error-Code": {code}}, Body: http.NoBody,
		Request: r}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// within waits until something is so. The limit only ends a test that hangs.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	began := time.Now()
	for pause := 10 * time.Millisecond; !so(); pause = min(2*pause, time.Second) {
		if time.Since(began) > 4*time.Minute {
			t.Errorf("not within four minutes: %s", what)
			return
		}
		time.Sleep(pause)
	}
}

// inDoubtTest is IN_DOUBT_AFTER where it matters only that a claim gets old within the time of an invocation.
const inDoubtTest = 1500 * time.Millisecond
