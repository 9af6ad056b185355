package archive

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// refusal is what something between us and the service answers.
type refusal struct {
	status int
	header http.Header
	body   string
}

func (f refusal) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	body := f.body
	if r.Method == http.MethodHead {
		body = ""
	}
	return &http.Response{StatusCode: f.status, Header: f.header.Clone(), Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: r}, nil
}

// A refusal without the service's own error code is an outage, whatever its status and whatever was asked.
func TestAForeignRefusalIsAnOutage(t *testing.T) {
	t.Parallel()
	pages := map[string]refusal{
		"nothing": {header: http.Header{}},
		"a page": {header: http.Header{"Content-Type": {"text/html"}},
			body: "<html><body>Not here</body></html>"},
		"a code in HTML": {header: http.Header{"Content-Type": {"text/html"}},
			body: "<html><code>BlobNotFound</code></html>"},
		"JSON": {header: http.Header{"Content-Type": {"application/json"}},
			body: `{"error":{"code":"BlobNotFound"}}`},
	}
	calls := map[string]func(*testing.T, *Store) error{
		"read a batch": func(t *testing.T, s *Store) error {
			_, _, err := s.Batches().Read(t.Context(), "2026/11/23/run/00001.ndjson")
			return err
		},
		"write a batch": func(t *testing.T, s *Store) error {
			_, err := s.Batches().Write(t.Context(), "2026/11/23/run", 1, []byte("{}\n"), 1)
			return err
		},
		"open a medium": func(t *testing.T, s *Store) error {
			_, _, err := s.Media().Open(t.Context(), mediaName(day, strings.Repeat("a", 64)))
			return err
		},
		"read a manifest": func(t *testing.T, s *Store) error {
			_, err := s.Batches().ReadManifest(t.Context(), "2026/11/23/run", nil)
			return err
		},
		"read JSON": func(t *testing.T, s *Store) error {
			_, err := s.Checkpoints().Get(t.Context(), "x.json", &struct{}{})
			return err
		},
		"write JSON": func(t *testing.T, s *Store) error {
			_, err := s.Checkpoints().Put(t.Context(), "x.json", struct{}{}, "", nil)
			return err
		},
		"take a lease": func(t *testing.T, s *Store) error {
			_, err := s.Checkpoints().Lease(t.Context(), "x.json")
			return err
		},
		"list": func(t *testing.T, s *Store) error { _, err := s.Batches().Days(t.Context()); return err },
	}
	for name, call := range calls {
		for kind, page := range pages {
			for _, status := range []int{400, 401, 403, 404, 407, 409, 410, 412, 413, 416, 451} {
				t.Run(fmt.Sprintf("%s, %d with %s", name, status, kind), func(t *testing.T) {
					page.status = status
					err := call(t, openThrough(t, page, policy.RetryOptions{MaxRetries: -1}))
					facts := []error{ErrNotFound, ErrExists, ErrChanged, ErrLeased, ErrNotModified, ErrTooLarge,
						ErrDigest, ErrDenied}
					if !errors.Is(err, ErrUnavailable) ||
						slices.ContainsFunc(facts, func(fact error) bool { return errors.Is(err, fact) }) {
						t.Errorf("got %v", err)
					}
				})
			}
		}
	}
}

// Every request asks for an answer that is not compressed: net/http would decompress any other to any size.
func TestAnswersAreNotDecompressed(t *testing.T) {
	t.Parallel()
	asked := map[string]int{}
	s := faultyStore(t, func(r *http.Request) bool { asked[r.Header.Get("Accept-Encoding")]++; return false }, nil)
	if err := s.Deferred().Put(t.Context(), "a", 1, "{}"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deferred().Keys(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := s.Deferred().Get(t.Context(), "a", &n); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if asked["identity"] < 3 || len(asked) != 1 {
		t.Errorf("Accept-Encoding, and the number of requests: %v", asked)
	}
}
