package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/source/telemessage/telemessagetest"
)

var (
	day0 = time.Date(2026, 11, 22, 5, 20, 0, 0, time.UTC)
	day1 = day0.Add(24 * time.Hour)
)

func TestNew(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"https://rest.example":             true,
		"https://rest.example:8443/a/b/":   true,
		"http://127.0.0.1:8080":            true,
		"http://[::1]:8080":                true,
		"http://localhost":                 true,
		"http://rest.example":              false,
		"http://127.0.0.1.rest.example":    false,
		"https://":                         false,
		"https:rest.example":               false,
		"ftp://rest.example":               false,
		"https://user@rest.example":        false,
		"https://user:secret@rest.example": false,
		"https://rest.example/?a=secret":   false,
		"https://rest.example/?":           false,
		"https://rest.example/#secret":     false,
		"rest.example":                     false,
	}
	for raw, ok := range tests {
		_, err := New(mustURL(t, raw), credentials, Options{})
		if (err == nil) != ok {
			t.Errorf("New(%s) = %v, want it accepted: %v", raw, err, ok)
		}
		if err != nil && (strings.Contains(err.Error(), "rest.example") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("the error repeats the URL: %v", err)
		}
	}
	if _, err := New(nil, credentials, Options{}); err == nil {
		t.Error("New(nil) is accepted")
	}
}

// readAll reads a window page by page.
func readAll(ctx context.Context, c *Client, limit int) (raws []string, pages int, err error) {
	for cursor := ""; ; {
		cursor, err = c.Items(ctx, day0, day1, cursor, limit, func(it Item) error {
			raws = append(raws, string(it.Raw))
			return nil
		})
		pages++
		if err != nil || cursor == "" || pages > 100 {
			return raws, pages, err
		}
	}
}

func fill(s *telemessagetest.Site, n int) (want []string) {
	for i := range n {
		item := fmt.Sprintf(`{"messageId":"m%d"}`, i)
		s.Add(day0.Add(time.Duration(i)*time.Second), []byte(item))
		want = append(want, item)
	}
	return want
}

func TestItemsOverPages(t *testing.T) {
	t.Parallel()
	for _, o := range []telemessagetest.Options{{}, {PageLimit: 3}, {EmptyEvery: 2}} {
		site := newSite(o)
		want := fill(site, 25)
		site.Add(day0.Add(-time.Nanosecond), []byte(`{"messageId":"before"}`))
		site.Add(day1, []byte(`{"messageId":"after"}`))
		c := serve(t, site)
		got, pages, err := readAll(t.Context(), c, 10)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%+v: %d pages, error %v, items (-want +got):\n%s", o, pages, err, diff)
		}
		total, known, err := c.Count(t.Context(), day0, day1)
		if total != 25 || !known || err != nil {
			t.Errorf("count = %d, %v, %v", total, known, err)
		}
	}
}

func TestItemsLimit(t *testing.T) {
	t.Parallel()
	c, d := dial(t, newSite(telemessagetest.Options{}), 1)
	for _, limit := range []int{0, -1, 1001} {
		if _, err := c.Items(t.Context(), day0, day1, "", limit, nil); err == nil {
			t.Errorf("limit %d is accepted", limit)
		}
	}
	if len(d.hosts) != 0 {
		t.Errorf("requests were made: %v", d.hosts)
	}
}

// A failed answer is either tried again, with the right pause, or not, and its kind is the right one.
func TestFailures(t *testing.T) {
	t.Parallel()
	const unset = -1
	body := func(code int) string { return fmt.Sprintf(`{"code":%d,"message":"secret words of the site"}`, code) }
	type F = telemessagetest.Fault
	tests := []struct {
		name  string
		fault F
		kind  error // of the call if every try fails so; nil: none of them
		tries int   // sent if every try fails so
		pause time.Duration
		text  string
	}{
		{"no such user", F{Status: 401, Body: body(300)}, ErrCredentials, 1, unset, "code 300: no such user"},
		{"bad password", F{Status: 401, Body: body(301)}, ErrCredentials, 1, unset, "code 301: bad password"},
		{"suspended", F{Status: 403, Body: body(309)}, ErrCredentials, 1, unset, "code 309: the user is suspended"},
		{"unknown code", F{Status: 401, Body: body(7)}, ErrCredentials, 1, unset, "status 401"},
		{"code of a wrong type", F{Status: 401, Body: `{"code":"300"}`}, ErrCredentials, 1, unset, "status 401"},
		{"forbidden, no body", F{Status: 403}, ErrUnavailable, 1, unset, "status 403"},
		{"forbidden, HTML", F{Status: 403, Body: "<html>"}, ErrUnavailable, 1, unset, "status 403"},
		{"not found, HTML", F{Status: 404, Body: "<html>"}, ErrUnavailable, 4, unset, "a page of HTML"},
		{"gone, HTML", F{Status: 410, Body: "\n<!DOCTYPE html>"}, ErrUnavailable, 4, unset, "a page of HTML"},
		{"bad request, HTML", F{Status: 400, Body: "<html>"}, ErrUnavailable, 4, unset, "a page of HTML"},
		{"unauthorized, HTML", F{Status: 401, Body: "<html>"}, ErrCredentials, 1, unset, "status 401"},
		{"unauthorized, endless body", F{Status: 401, Body: `{"code":300,"message":"` + strings.Repeat("x", 1<<20)},
			ErrCredentials, 1, unset, "status 401"},
		{"bad request", F{Status: 400, Body: body(1)}, nil, 1, unset, "status 400"},
		{"not found", F{Status: 404}, nil, 1, unset, "status 404"},
		{"cursor expired", F{Status: 410}, ErrCursorExpired, 1, unset, "status 410"},
		{"server error", F{Status: 500}, ErrUnavailable, 4, unset, "status 500"},
		{"bad gateway", F{Status: 502, Body: "<html>"}, ErrUnavailable, 4, unset, "status 502"},
		{"time-out of the site", F{Status: 408}, ErrUnavailable, 4, unset, "status 408"},
		{"too many requests, seconds", F{Status: 429, RetryAfter: "7"}, ErrUnavailable, 4, 7 * time.Second,
			"status 429"},
		{"away, seconds", F{Status: 503, RetryAfter: "90"}, ErrUnavailable, 4, 90 * time.Second, "status 503"},
		{"away, hours", F{Status: 503, RetryAfter: "7200"}, ErrUnavailable, 4, 2 * time.Minute, "status 503"},
		{"away, more than a number holds", F{Status: 503, RetryAfter: "99999999999999999999999"}, ErrUnavailable, 4,
			2 * time.Minute, "status 503"},
		{"away, date", F{Status: 503, RetryAfter: "date+40s"}, ErrUnavailable, 4, unset, "status 503"},
		{"away, no pause", F{Status: 503}, ErrUnavailable, 4, unset, "status 503"},
		{"away, nonsense", F{Status: 503, RetryAfter: "soon"}, ErrUnavailable, 4, unset, "status 503"},
		{"away, below zero", F{Status: 503, RetryAfter: "-5"}, ErrUnavailable, 4, unset, "status 503"},
		{"away, past date", F{Status: 503, RetryAfter: "Sun, 06 Nov 1994 08:49:37 GMT"}, ErrUnavailable, 4, unset,
			"status 503"},
		{"HTML with status 200", F{HTML: true}, ErrUnavailable, 4, unset, "no JSON object"},
		{"nothing with status 200", F{Empty: true}, ErrUnavailable, 4, unset, "cut off"},
		{"no content", F{Status: 204}, ErrUnavailable, 4, unset, "status 204"},
		{"not modified", F{Status: 304}, ErrUnavailable, 4, unset, "status 304"},
		{"reset", F{Reset: true}, ErrUnavailable, 4, unset, "cut off"},
		{"silence", F{Stall: time.Hour}, ErrUnavailable, 4, unset, "no progress"},
		{"redirect to another host", F{Status: 302, Location: "https://evil.example/o2"}, ErrUnavailable, 4, unset,
			"outside the site's origin"},
		{"redirect to plain HTTP", F{Status: 301, Location: "http://site.example/o2"}, ErrUnavailable, 4, unset,
			"outside the site's origin"},
		{"redirect to another port", F{Status: 307, Location: "https://site.example:444/o2"}, ErrUnavailable, 4, unset,
			"outside the site's origin"},
		{"redirect to nowhere", F{Status: 308}, ErrUnavailable, 4, unset, "outside the site's origin"},
		{"redirect for ever", F{Status: 303, Location: "/o2/api/rest/archive/o2/items"}, ErrUnavailable, 16, unset,
			"more than 3 redirects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if tt.fault.RetryAfter == "date+40s" {
					tt.fault.RetryAfter = time.Now().Add(40 * time.Second).UTC().Format(http.TimeFormat)
				}
				site := newSite(telemessagetest.Options{})
				tt.fault.Times = 1000
				site.Fail(telemessagetest.Items, 1, tt.fault)
				c, d := dial(t, site, 4)
				_, err := c.Items(t.Context(), day0, day1, "", 10, func(Item) error { return nil })
				for _, kind := range []error{ErrCredentials, ErrCursorExpired, ErrGone, ErrUnavailable} {
					if errors.Is(err, kind) != (kind == tt.kind) {
						t.Errorf("error %v is of kind %q", err, kind)
					}
				}
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Fatalf("error = %v, want %q in it", err, tt.text)
				}
				if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "example") ||
					strings.Contains(err.Error(), "/o2") {
					t.Errorf("the error tells too much: %v", err)
				}
				if len(d.times) != tt.tries || len(d.hosts) != 1 {
					t.Errorf("%d requests to %v, want %d", len(d.times), d.hosts, tt.tries)
				}
				if tt.pause > 0 {
					for i := 1; i < len(d.times); i++ {
						if pause := d.times[i].Sub(d.times[i-1]); pause < tt.pause || pause > tt.pause+tt.pause/10 {
							t.Errorf("pause %d was %v, want %v", i, pause, tt.pause)
						}
					}
				} else if total := d.times[len(d.times)-1].Sub(d.times[0]); total > 10*time.Minute {
					t.Errorf("the tries took %v", total)
				}
			})
		})
	}
}

// However a site says that it has forgotten a cursor: asked again with it, it would say so for ever.
func TestForgottenCursor(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusGone, http.StatusBadRequest, http.StatusNotFound} {
		site := newSite(telemessagetest.Options{})
		site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Status: status})
		c, d := dial(t, site, 4)
		_, err := c.Items(t.Context(), day0, day1, "of-yesterday", 10, func(Item) error { return nil })
		if !errors.Is(err, ErrCursorExpired) || len(d.times) != 1 {
			t.Errorf("status %d: error %v after %d requests", status, err, len(d.times))
		}
	}
}

func TestRetryAfterDate(t *testing.T) {
	t.Parallel()
	c := &Client{now: func() time.Time { return day0 }}
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "3": 3 * time.Second, "-1": 0, "1.5": 0, "x": 0, "121": 2 * time.Minute,
		day0.Add(40 * time.Second).Format(http.TimeFormat): 40 * time.Second,
		day0.Add(-time.Hour).Format(http.TimeFormat):       0,
		day0.Add(48 * time.Hour).Format(http.TimeFormat):   2 * time.Minute,
	} {
		if got := c.retryAfter(value); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

// What fails for a while succeeds in the end, with every item once.
func TestRecovers(t *testing.T) {
	t.Parallel()
	for _, f := range []telemessagetest.Fault{{Status: 500}, {Status: 429, RetryAfter: "5"}, {HTML: true},
		{Empty: true}, {Reset: true}, {Stall: time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			site := newSite(telemessagetest.Options{})
			want := fill(site, 25)
			f.Times = 2
			site.Fail(telemessagetest.Items, 2, f)
			c, _ := dial(t, site, 4)
			got, _, err := readAll(t.Context(), c, 10)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%+v: error %v, items (-want +got):\n%s", f, err, diff)
			}
		})
	}
}

// A page that breaks off, or falls silent, in the middle is reported as such, and quickly enough.
func TestBreaksOff(t *testing.T) {
	t.Parallel()
	for _, f := range []telemessagetest.Fault{{Cut: 60}, {StallAfter: 60}} {
		synctest.Test(t, func(t *testing.T) {
			site := newSite(telemessagetest.Options{})
			fill(site, 25)
			site.Fail(telemessagetest.Items, 1, f)
			c, _ := dial(t, site, 4)
			began, n := time.Now(), 0
			_, err := c.Items(t.Context(), day0, day1, "", 10, func(Item) error { n++; return nil })
			if !errors.Is(err, ErrUnavailable) || n == 0 || n >= 10 {
				t.Errorf("%+v: error %v after %d items", f, err, n)
			}
			if took := time.Since(began); took > 2*idleTimeout {
				t.Errorf("%+v: it took %v", f, took)
			}
		})
	}
}

func TestBreaksOffOnTheWire(t *testing.T) {
	t.Parallel()
	site := newSite(telemessagetest.Options{})
	fill(site, 25)
	site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Cut: 60})
	c := serve(t, site)
	if _, _, err := readAll(t.Context(), c, 10); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error = %v", err)
	}
	if got, _, err := readAll(t.Context(), c, 10); len(got) != 25 || err != nil {
		t.Errorf("%d items, error %v", len(got), err)
	}
}

// The time that the receiver takes for an item is not the site's.
func TestSlowReceiver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		site := newSite(telemessagetest.Options{})
		fill(site, 20)
		c, _ := dial(t, site, 1)
		n := 0
		_, err := c.Items(t.Context(), day0, day1, "", 100,
			func(Item) error { n++; time.Sleep(5 * time.Minute); return nil })
		if n != 20 || err != nil {
			t.Errorf("%d items, error %v", n, err)
		}
	})
}

// A site that drips single bytes is as good as silent.
func TestDrips(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"items":[`)
			for {
				time.Sleep(time.Second)
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
			}
		}), 1)
		began := time.Now()
		_, err := c.Items(t.Context(), day0, day1, "", 100, nil)
		if took := time.Since(began); !errors.Is(err, ErrUnavailable) || took > 2*idleTimeout {
			t.Errorf("error %v after %v", err, took)
		}
		time.Sleep(2 * time.Second) // the handler notices that the client is gone
	})
}

func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	reason := errors.New("the invocation's time is up")
	for _, f := range []telemessagetest.Fault{{Stall: time.Hour}, {Status: 503, RetryAfter: "60", Times: 9},
		{StallAfter: 60}} {
		synctest.Test(t, func(t *testing.T) {
			site := newSite(telemessagetest.Options{})
			fill(site, 10)
			site.Fail(telemessagetest.Items, 1, f)
			c, _ := dial(t, site, 5)
			ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, reason)
			defer cancel()
			began := time.Now()
			_, err := c.Items(ctx, day0, day1, "", 10, func(Item) error { return nil })
			if took := time.Since(began); !errors.Is(err, reason) || errors.Is(err, ErrUnavailable) ||
				took != 5*time.Second {
				t.Errorf("%+v: error %v after %v", f, err, took)
			}
		})
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	answers := map[string]struct {
		total int64
		ok    bool
	}{
		`{"total":0}`: {0, true}, `{"total":123456789012, "x":[]}`: {123456789012, true}, ` {"total": 7 } `: {7, true},
		``: {}, `{}`: {}, `{"total":null}`: {}, `{"total":-1}`: {}, `{"total":1.5}`: {}, `{"total":"7"}`: {7,
			true}, `{"total":" 7.0 "}`: {7, true}, `{"total":3.0}`: {3, true}, `{"total":3e0}`: {3, true},
		"\ufeff{\"total\":1}\n": {1, true}, `{"total":1,"total":2}`: {2,
			true}, `{"total":1,"total":null}`: {}, `{"total":""}`: {}, `{"total":"seven"}`: {},
		`{"total":[7]}`: {}, `{"total":true}`: {}, `{"total":1e99}`: {}, `{"total":"-1"}`: {}, `7`: {}, `[]`: {},
		`<html>`:     {},
		`{"total":7`: {}, `{"x":"` + strings.Repeat("x", 1<<20) + `","total":7}`: {},
	}
	for body, want := range answers {
		c, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, body)
		}), 1)
		total, known, err := c.Count(t.Context(), day0, day1)
		if total != want.total || known != want.ok || (err == nil) != want.ok || err != nil &&
			!errors.Is(err, ErrUnavailable) {
			t.Errorf("%.40s: %d, %v, %v", body, total, known, err)
		}
	}
	c, _ := dial(t, newSite(telemessagetest.Options{NoCount: true}), 1)
	if total, known, err := c.Count(t.Context(), day0, day1); total != 0 || known || err != nil {
		t.Errorf("without a count: %d, %v, %v", total, known, err)
	}
	c, _ = dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<html><body>Not found</body></html>")
	}), 1)
	if _, _, err := c.Count(t.Context(), day0, day1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a proxy's page in place of the count: %v", err)
	}
}

func TestErrorsOfTheNetwork(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(trusted.Close)
	for name, raw := range map[string]string{"refused": closed.URL, "no certificate": trusted.URL} {
		u := mustURL(t, raw)
		c, err := New(u, credentials, Options{Tries: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Items(t.Context(), day0, day1, "cursor-of-the-site", 10, nil)
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		var address *url.Error
		if errors.As(err, &address) || strings.Contains(err.Error(), u.Port()) ||
			strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "cursor-of") {
			t.Errorf("%s: the error tells too much: %v", name, err)
		}
	}
}
