package telemessagetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// asker is a plain client of a Site.
type asker struct {
	t    *testing.T
	base string
	user string
	pass string
}

func ask(t *testing.T, s *Site) *asker {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &asker{t, server.URL, "acme", "secret"}
}

func (a *asker) get(path string, query url.Values) (status int, header http.Header, body string, err error) {
	a.t.Helper()
	req, err := http.NewRequest(http.MethodGet, a.base+path+"?"+query.Encode(), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.user != "" {
		req.SetBasicAuth(a.user, a.pass)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(data), err
}

type page struct {
	Items []struct {
		ID string `json:"messageId"`
	} `json:"items"`
	Next *string `json:"next"`
}

func (a *asker) page(query url.Values) (ids []string, next string) {
	a.t.Helper()
	status, _, body, err := a.get(ItemsPath, query)
	var p page
	if err != nil || status != http.StatusOK || json.Unmarshal([]byte(body), &p) != nil {
		a.t.Fatalf("status %d, error %v: %.200s", status, err, body)
	}
	for _, it := range p.Items {
		ids = append(ids, it.ID)
	}
	if p.Next != nil {
		next = *p.Next
	}
	return ids, next
}

func (a *asker) all(query url.Values) (ids []string, pages int) {
	a.t.Helper()
	for {
		got, next := a.page(query)
		ids = append(ids, got...)
		if pages++; next == "" || pages > 1000 {
			return ids, pages
		}
		query.Set("cursor", next)
	}
}

func of(from, to time.Time, limit int) url.Values {
	return url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)},
		"limit": {strconv.Itoa(limit)}}
}

func options() Options {
	return Options{Username: "acme", Password: "secret", Now: func() time.Time { return day.Add(48 * time.Hour) }}
}

func item(id string) []byte { return []byte(`{"messageId":"` + id + `"}`) }

// Oldest first, ties as they were added, added and generated items mixed, the window half open.
func TestOrder(t *testing.T) {
	t.Parallel()
	for limit, wantPages := range map[int]int{1: 8, 3: 3, 8: 1, 1000: 1} {
		s := New(options())
		s.Add(day.Add(3*time.Hour), item("d"))
		s.Add(day.Add(time.Hour), item("b"))
		s.Generate(4, func(i int) time.Time { return day.Add(time.Duration(i) * time.Hour) },
			func(i int) []byte { return item(fmt.Sprint("g", i)) })
		s.Add(day.Add(time.Hour), item("c"))
		s.Add(day, item("a"))
		s.Add(day.Add(4*time.Hour), item("at the end of the window"))
		s.Add(day.Add(-time.Second), item("before it"))
		got, pages := ask(t, s).all(of(day, day.Add(4*time.Hour), limit))
		want := []string{"a", "g0", "b", "c", "g1", "g2", "d", "g3"}
		if diff := cmp.Diff(want, got); diff != "" || pages != wantPages {
			t.Errorf("limit %d: %d pages, (-want +got):\n%s", limit, pages, diff)
		}
		if s.Total() != 10 {
			t.Errorf("total = %d", s.Total())
		}
	}
}

func TestEmptyPages(t *testing.T) {
	t.Parallel()
	o := options()
	o.EmptyEvery, o.PageLimit = 2, 2
	s := New(o)
	for i := range 5 {
		s.Add(day.Add(time.Duration(i)), item(fmt.Sprint(i)))
	}
	got, pages := ask(t, s).all(of(day, day.Add(time.Hour), 1000))
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4"}, got); diff != "" || pages != 5 {
		t.Errorf("%d pages, (-want +got):\n%s", pages, diff)
	}
}

func TestVisibleAfterDelay(t *testing.T) {
	t.Parallel()
	o := options()
	now := day.Add(time.Hour)
	o.Now, o.Delay = func() time.Time { return now }, 5*time.Minute
	s := New(o)
	s.Add(now.Add(-5*time.Minute), item("old enough"))
	s.Add(now.Add(-5*time.Minute+time.Nanosecond), item("too new"))
	a := ask(t, s)
	count := func() string {
		_, _, body, _ := a.get(CountPath, of(day, day.Add(24*time.Hour), 1))
		return strings.TrimSpace(body)
	}
	if got, _ := a.all(of(day, day.Add(24*time.Hour), 10)); len(got) != 1 || count() != `{"total":1}` {
		t.Errorf("visible: %q, count %s", got, count())
	}
	now = now.Add(time.Second)
	if got, _ := a.all(of(day, day.Add(24*time.Hour), 10)); len(got) != 2 || count() != `{"total":2}` {
		t.Errorf("visible: %q, count %s", got, count())
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	good := of(day, day.Add(time.Hour), 10)
	with := func(name, value string) url.Values {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		q.Set(name, value)
		return q
	}
	without := with("x", "")
	without.Del("to")
	twice := with("x", "")
	twice.Add("from", day.Format(time.RFC3339))
	for name, q := range map[string]url.Values{
		"no to": without, "from twice": twice, "limit 0": with("limit", "0"), "limit 1001": with("limit",
			"1001"), "limit of words": with("limit", "all"),
		"from in words": with("from", "yesterday"), "not in UTC": with("from",
			"2026-11-22T00:00:00+01:00"), "empty window": with("to", day.Format(time.RFC3339)),
		"cursor of somebody else": with("cursor", "abc"), "empty cursor": with("cursor", ""),
	} {
		if status, _, _, _ := ask(t, New(options())).get(ItemsPath, q); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, status)
		}
	}
	res, err := http.Post(ask(t, New(options())).base+ItemsPath, "", nil)
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", res, err)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	suspended := options()
	suspended.Suspended = true
	for _, tt := range []struct {
		o          Options
		user, pass string
		status     int
		code       string
	}{
		{options(), "acme", "secret", 404, ""},
		{options(), "", "", 401, `"code":300`},
		{options(), "other", "secret", 401, `"code":300`},
		{options(), "acme", "Secret", 401, `"code":301`},
		{suspended, "acme", "secret", 403, `"code":309`},
		{suspended, "acme", "wrong", 401, `"code":301`},
	} {
		a := ask(t, New(tt.o))
		a.user, a.pass = tt.user, tt.pass
		status, _, body, _ := a.get("/media/1", nil)
		if status != tt.status || !strings.Contains(body, tt.code) {
			t.Errorf("%q: status %d, %s", tt.user, status, body)
		}
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	o := options()
	now := day.Add(48 * time.Hour)
	o.Now = func() time.Time { return now }
	build := func() *Site {
		s := New(o)
		for i := range 4 {
			s.Add(day.Add(time.Duration(i)*time.Minute), item(fmt.Sprint(i)))
		}
		return s
	}
	a := ask(t, build())
	win := of(day, day.Add(time.Hour), 2)
	_, cursor := a.page(win)
	status := func(a *asker, q url.Values, cursor string) int {
		q.Set("cursor", cursor)
		status, _, _, _ := a.get(ItemsPath, q)
		return status
	}
	if got := status(a, of(day, day.Add(2*time.Hour), 2), cursor); got != 400 {
		t.Errorf("another window: status %d", got)
	}
	if got := status(a, win, cursor[:len(cursor)-2]+"AA"); got != 400 {
		t.Errorf("a changed cursor: status %d", got)
	}
	if got := status(ask(t, build()), win, cursor); got != 200 {
		t.Errorf("after a restart: status %d", got)
	}
	now = now.Add(24*time.Hour - time.Second)
	if got := status(a, win, cursor); got != 200 {
		t.Errorf("just before its end: status %d", got)
	}
	now = now.Add(time.Second)
	if got := status(a, win, cursor); got != 410 {
		t.Errorf("after 24 hours: status %d", got)
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	s := New(options())
	s.AddContent("/media/1", 5, func() io.Reader { return strings.NewReader("hello") })
	s.AddContent("/media/2", -1, func() io.Reader { return strings.NewReader("hello") })
	a := ask(t, s)
	for path, want := range map[string]int{"/media/1": 200, "/media/2": 200, "/media/3": 404, "/": 404} {
		status, _, body, err := a.get(path, nil)
		if status != want || err != nil || want == 200 && body != "hello" {
			t.Errorf("%s: status %d, %q, %v", path, status, body, err)
		}
	}
	if diff := cmp.Diff(map[string]int{Content: 4}, s.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := New(options())
	s.AddContent("/m", 5, func() io.Reader { return strings.NewReader("hello") })
	for i, f := range []Fault{
		{Status: 503, RetryAfter: "7", Body: "x", Times: 2}, {}, {Status: 302,
			Location: "/there"}, {HTML: true}, {Empty: true}, {Cut: 3}, {Reset: true},
		{Stall: time.Millisecond},
	} {
		s.Fail(Content, i+1+min(i, 1), f)
	}
	a := ask(t, s)
	for i, want := range []string{"503 7  x", "503 7  x", "200   hello", "302  /there ", "200   <!DOCTYPE html>",
		"200   ", "cut", "reset", "200   hello", "200   hello"} {
		status, header, body, err := a.get("/m", nil)
		got := fmt.Sprintf("%d %s %s %.15s", status, header.Get("Retry-After"), header.Get("Location"), body)
		switch {
		case want == "cut" && err != nil && body == "hel", want == "reset" && err != nil && status == 0:
		case got != want || err != nil:
			t.Errorf("call %d: %q, error %v, want %q", i+1, got, err, want)
		}
	}
}

// A million generated items cost no memory, and a page in the middle no time.
func TestMillion(t *testing.T) {
	t.Parallel()
	const n = 1_000_000
	s := New(options())
	var made atomic.Int64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.Generate(n, func(i int) time.Time { return day.Add(time.Duration(i) * 10 * time.Millisecond) },
		func(i int) []byte { made.Add(1); return item(fmt.Sprint(i)) })
	a := ask(t, s)
	got, next := a.page(of(day.Add(time.Hour), day.Add(2*time.Hour), 1000))
	if len(got) != 1000 || got[0] != "360000" || next == "" || made.Load() != 1000 {
		t.Errorf("%d items of %d made", len(got), made.Load())
	}
	if _, _, body, _ := a.get(CountPath,
		of(day, day.Add(24*time.Hour), 1)); strings.TrimSpace(body) != `{"total":1000000}` || s.Total() != n {
		t.Errorf("count %s, total %d", body, s.Total())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+20<<20 {
		t.Errorf("a million items hold %d bytes", after.HeapAlloc-before.HeapAlloc)
	}
}
