package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"o2archiver/shared/archivetest"
)

// signIn answers some requests with a page of a proxy's, as a success.
type signIn struct {
	way   http.RoundTripper // of the others
	wrong func(*http.Request) bool
}

func (s *signIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.wrong(r) {
		return s.way.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusOK,
		Header: http.Header{"Content-Type": {"text/html"}, "Content-Length": {"13"}}, ContentLength: 13,
		Body: io.NopCloser(strings.NewReader("Please sign in")), Request: r}, nil
}

func TestAnswerOfAProxyIsNone(t *testing.T) {
	const large = 9 << 20
	for name, always := range map[string]bool{"once": false, "always": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data := strings.Repeat("proxy "+name, large/10)
				digest := sha256.Sum256([]byte(data))
				sum := hex.EncodeToString(digest[:])
				hit := false
				account := archivetest.Shared(t)
				way := &signIn{account, func(r *http.Request) bool {
					reads := r.Method == http.MethodHead || r.Method == http.MethodGet
					if !strings.Contains(r.URL.Path, "/media/") || !reads || hit && !always {
						return false
					}
					hit = true
					return true
				}}
				s, err := Open(Config{ConnectionString: account.ConnectionString(), HTTP: &http.Client{Transport: way}})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.CreateContainers(t.Context()); err != nil {
					t.Fatal(err)
				}
				_, _, err = s.Media().Put(t.Context(), day, sum, strings.NewReader(data))
				if always {
					if !errors.Is(err, ErrUnavailable) {
						t.Errorf("a blob that only a proxy has: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				hit = false
				body, size, err := s.Media().Open(t.Context(), mediaName(day, sum))
				if err != nil {
					t.Fatal(err)
				}
				defer body.Close()
				got, err := io.ReadAll(body)
				if err != nil || size != int64(len(data)) || string(got) != data {
					t.Errorf("%d bytes of %d, size %d: %v", len(got), len(data), size, err)
				}
			})
		})
	}
}
