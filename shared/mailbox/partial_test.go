package mailbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

// inner is a way to Graph on which the look-ups of some addresses in a $batch have another answer, or none.
type inner func(url string) (status int, body any, changed bool)

func (change inner) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/$batch") {
		return http.DefaultTransport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var question struct{ Requests []struct{ ID, URL string } }
	if err := json.Unmarshal(body, &question); err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Responses []map[string]any `json:"responses"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	for _, q := range question.Requests {
		status, body, changed := change(q.URL)
		if !changed {
			continue
		}
		answer.Responses = slices.DeleteFunc(answer.Responses, func(a map[string]any) bool { return a["id"] == q.ID })
		if status != 0 {
			answer.Responses = append(answer.Responses, map[string]any{"id": q.ID, "status": status, "body": body})
		}
	}
	text, err := json.Marshal(answer)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, err
}

func refusal(code string) any {
	return map[string]any{"error": map[string]any{"code": code, "message": "x"}}
}

// One address that the directory refuses, or never answers, keeps none of the others from its answer.
func TestLookUpOfOddAddresses(t *testing.T) {
	t.Parallel()
	bad := refusal("Request_BadRequest")
	for name, test := range map[string]struct {
		ask           []string
		change        inner
		open, refused []string
		whole         bool
	}{
		"one is refused": {
			ask:     []string{"alice@contoso.example", "odd@contoso.example", "nobody@contoso.example"},
			change:  func(url string) (int, any, bool) { return 400, bad, strings.Contains(url, "odd") },
			refused: []string{"odd@contoso.example"},
		},
		"it is asked for alone": {
			ask:     []string{"odd@contoso.example"},
			change:  func(url string) (int, any, bool) { return 400, bad, strings.Contains(url, "odd") },
			refused: []string{"odd@contoso.example"},
		},
		"all look-ups are refused": {
			ask:    []string{"alice@contoso.example", "odd@contoso.example"},
			change: func(string) (int, any, bool) { return 400, bad, true },
			whole:  true,
		},
		"a refusal that is not Graph's": {
			ask:    []string{"alice@contoso.example", "odd@contoso.example"},
			change: func(url string) (int, any, bool) { return 400, "<html>", strings.Contains(url, "odd") },
			open:   []string{"odd@contoso.example"},
		},
		"a refusal of Graph's that says nothing": {
			ask: []string{"alice@contoso.example", "odd@contoso.example"},
			change: func(url string) (int, any, bool) {
				return 400, refusal("UnknownError"), strings.Contains(url, "odd")
			},
			open: []string{"odd@contoso.example"},
		},
		"a refusal for now": {
			ask: []string{"alice@contoso.example", "odd@contoso.example"},
			change: func(url string) (int, any, bool) {
				return 400, refusal("ErrorServerBusy"), strings.Contains(url, "odd")
			},
			open: []string{"odd@contoso.example"},
		},
		"one is denied": {
			ask: []string{"alice@contoso.example", "odd@contoso.example"},
			change: func(url string) (int, any, bool) {
				return 403, refusal("ErrorAccessDenied"), strings.Contains(url, "odd")
			},
			open: []string{"odd@contoso.example"},
		},
		"one always times out": {
			ask: []string{"alice@contoso.example", "odd@contoso.example"},
			change: func(url string) (int, any, bool) {
				return 504, refusal("UnknownError"), strings.Contains(url, "odd")
			},
			open: []string{"odd@contoso.example"},
		},
		"one has no answer": {
			ask:    []string{"alice@contoso.example", "odd@contoso.example"},
			change: func(url string) (int, any, bool) { return 0, nil, strings.Contains(url, "odd") },
			open:   []string{"odd@contoso.example"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, c := open(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice, UPN: "alice@contoso.example",
				Mail: "alice@contoso.example"}}},
				func(o *Config) { o.HTTP = test.change })
			got, err := c.LookUp(t.Context(), test.ask)
			var partial *Partial
			if test.whole {
				if err == nil || errors.As(err, &partial) {
					t.Errorf("%v, %v, want an error about all", got, err)
				}
				return
			}
			if !errors.As(err, &partial) {
				t.Fatalf("%v, %v, want an error about some", got, err)
			}
			if diff := cmp.Diff(test.open, slices.Sorted(maps.Keys(partial.Open))); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.refused, slices.Sorted(maps.Keys(partial.Refused))); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			if slices.Contains(test.ask, "alice@contoso.example") && got["alice@contoso.example"].ID != alice {
				t.Errorf("found %v", got)
			}
		})
	}
}
