package ledger

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// page is what something between us and the service answers.
type page struct {
	status int
	body   string
}

func (p page) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	return &http.Response{StatusCode: p.status, Header: http.Header{"Content-Type": {"text/html"}},
		Body:          io.NopCloser(strings.NewReader(p.body)),
		ContentLength: int64(len(p.body)), Request: r}, nil
}

// Whatever is answered in the table service's place: no row is written, there, missing or changed.
func TestAForeignAnswerIsAnOutage(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "<html><code>EntityAlreadyExists</code></html>",
		`{"odata.error":{"code":"ResourceNotFound"}}`} {
		for _, status := range []int{200, 201, 204, 400, 401, 403, 404, 407, 409, 410, 412, 451} {
			l := openThrough(t, page{status, body}, policy.RetryOptions{MaxRetries: -1})
			claim, row, err := l.Claim(t.Context(), key(), holder(1), "f")
			if claim != nil || row != nil || !errors.Is(err, ErrUnavailable) {
				t.Errorf("claim, %d %q: %v, %v, %v", status, body, claim, row, err)
			}
			if err := l.Settle(t.Context(), key(), holder(1), "f", "id", "imported"); !errors.Is(err, ErrUnavailable) {
				t.Errorf("settle, %d %q: %v", status, body, err)
			}
			ours := &Claim{ledger: l, key: key(), row: Row{State: Pending, Batch: "b", Line: 1, etag: "x"}}
			for name, err := range map[string]error{
				"renew": ours.Renew(t.Context()), "release": ours.Release(t.Context()), "done": ours.Done(t.Context(),
					"id", "imported"),
			} {
				if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrLost) {
					t.Errorf("%s, %d %q: %v", name, status, body, err)
				}
			}
		}
	}
}
