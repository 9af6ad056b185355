package fault

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const said = "an answer that is long enough to be cut in two"

// seen is what a client and the service saw of one call.
type seen struct {
	Status     int // 0: no answer
	RetryAfter bool
	Body       string
	Broken     bool // the body broke off
	Done       bool // the service did what was asked
}

func call(t *testing.T, p *Plan) (got seen) {
	t.Helper()
	var done atomic.Bool // a late effect comes when the call is long over
	defer func() { got.Done = done.Load() }()
	server := httptest.NewServer(p.Before("site", func(*http.Request) string { return "items" },
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err == nil && len(body) == 100_000 {
				done.Store(true)
				w.WriteHeader(http.StatusCreated)
				_, _ = io.WriteString(w, said)
			}
		})))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL,
		strings.NewReader(strings.Repeat("x", 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return got
	}
	defer resp.Body.Close()
	got.Status, got.RetryAfter = resp.StatusCode, resp.Header.Get("Retry-After") != ""
	body, err := io.ReadAll(resp.Body)
	got.Body, got.Broken = string(body), err != nil
	return got
}

func TestFaults(t *testing.T) {
	const page = "<html><body><h1>Please sign in</h1></body></html>"
	half := said[:len(said)/2]
	refused := func(code string) string { return `{"error":{"code":"` + code + `","message":"refused in passing"}}` }
	want := map[string]seen{
		"429 Retry-After 1": {Status: 429, RetryAfter: true}, "429 Retry-After date": {Status: 429,
			RetryAfter: true}, "429": {Status: 429}, "401": {Status: 401},
		"500": {Status: 500}, "502": {Status: 502}, "503": {Status: 503}, "504": {Status: 504},
		"500 after": {Status: 500, Done: true}, "502 after": {Status: 502, Done: true}, "503 after": {Status: 503,
			Done: true}, "504 after": {Status: 504, Done: true},
		"reset in the request": {}, "reset in the answer": {Status: 201, Body: half, Broken: true, Done: true},
		"stall": {}, "stall after": {Done: true},
		"empty 200": {Status: 200}, "HTML": {Status: 200, Body: page},
		"truncated": {Status: 201, Body: half, Done: true}, "504 before a late effect": {Status: 504},
		"400 HTML": {Status: 400, Body: page}, "403 HTML": {Status: 403, Body: page}, "404 HTML": {Status: 404,
			Body: page},
		"410 HTML": {Status: 410, Body: page}, "409 HTML after": {Status: 409, Body: page, Done: true},
		"403": {Status: 403}, "404": {Status: 404}, "409": {Status: 409}, "412": {Status: 412}, "413": {Status: 413},
		"404 after":                           {Status: 404, Done: true},
		"404 UnknownError":                    {Status: 404, Body: refused("UnknownError")},
		"400 ErrorMailboxMoveInProgress":      {Status: 400, Body: refused("ErrorMailboxMoveInProgress")},
		"409 ErrorIrresolvableConflict after": {Status: 409, Body: refused("ErrorIrresolvableConflict"), Done: true},
		"404 MailboxInTransit":                {Status: 404, Body: refused("MailboxInTransit")},
	}
	got := map[string]seen{}
	for _, f := range slices.Concat(All(), []Fault{Slow()}, Pages(), Bare(), Passing()) {
		p := &Plan{}
		p.Fail("site items", 1, 1, f)
		got[f.String()] = call(t, p)
		if after := call(t, p); p.Hit() != 1 || after != (seen{Status: 201, Body: said, Done: true}) {
			t.Errorf("%s: hit %d calls; the next one saw %+v", f, p.Hit(), after)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was seen of each fault (-want +got):\n%s", diff)
	}
}

func TestLateEffect(t *testing.T) {
	p := &Plan{}
	p.Fail("site items", 1, 1, Slow())
	done := make(chan int, 1)
	server := httptest.NewServer(p.Before("site", func(*http.Request) string { return "items" },
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // its length says all
			done <- len(body)
		})))
	defer server.Close()
	resp, err := http.Post(server.URL, "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(done) > 0 || resp.StatusCode != 504 {
		t.Errorf("status %d, done %d", resp.StatusCode, len(done))
	}
	p.Settle()
	if n := <-done; n != 100_000 {
		t.Errorf("the late request has %d bytes", n)
	}
}

func TestPlan(t *testing.T) {
	p := &Plan{}
	p.Fail("site items", 2, 2, Fault{Status: 503})
	var statuses []int
	for range 5 {
		statuses = append(statuses, call(t, p).Status)
	}
	p.Down("site", true)
	statuses = append(statuses, call(t, p).Status)
	p.Down("site", false)
	statuses = append(statuses, call(t, p).Status)
	if diff := cmp.Diff([]int{201, 503, 503, 201, 201, 0, 201}, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	kinds, count := p.Calls()
	if diff := cmp.Diff([]string{"site items"}, kinds); diff != "" || count["site items"] != 7 || p.Hit() != 3 {
		t.Errorf("kinds %v, calls %v, hit %d", kinds, count, p.Hit())
	}
}
