package tally

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"o2archiver/shared/archivetest"
)

type answerFunc func(*http.Request) (*http.Response, error)

func (f answerFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAnswerThatCannotBeRead: a query whose answer is not what the service sends is an error that passes, and never a
// run without rows.
func TestAnswerThatCannotBeRead(t *testing.T) {
	s := archivetest.ForTest(t, nil)
	for _, body := range []string{"", "[", `{"value":[`, `{}`, `{"value":{}}`, `<html>`} {
		table := openTable(t, s.ConnectionString(), answerFunc(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Ms-Request-Id": {"1"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(body))}, nil
		}))
		if rows, err := table.Rows(t.Context(), testRun); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: %d rows, %v", body, len(rows), err)
		}
	}
}
