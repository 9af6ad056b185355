package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/appbuild"
	"o2archiver/shared/archivetest"
)

// webHost is a host of an app with an HTTP trigger.
type webHost interface{ URL() string }

// arrival is a request as it arrived at the handler of testdata/web.
type arrival struct {
	Method, URI, Host string
	Header            http.Header
	Chunked           bool
	Body              int
}

// webApp is the app of pages with the handler of testdata/web.
type webApp struct {
	dir, log string
	env      []string
}

func newWebApp(t *testing.T, storage string) *webApp {
	t.Helper()
	out := t.TempDir()
	app := appbuild.Portal()
	app.Package = "./local/host/testdata/web"
	if err := appbuild.Build(soon(t), appbuild.Options{Root: "../..", Out: out, Local: true}, app); err != nil {
		t.Fatal(err)
	}
	a := &webApp{dir: filepath.Join(out, app.Name), log: filepath.Join(out, "arrivals")}
	a.env = []string{"WEB_LOG=" + a.log, "AzureWebJobsStorage=" + storage}
	return a
}

// arrivals returns the requests for a path, with its query, that the handler got so far.
func (a *webApp) arrivals(t *testing.T, uri string) (all []arrival) {
	t.Helper()
	raw, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(raw)); decoder.More(); {
		var one arrival
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		if one.URI == uri {
			all = append(all, one)
		}
	}
	return all
}

// exchange sends the bytes of a request, in which HOST is the host's name and port, and returns the answer and its
// body. broken is the error of a body that breaks off.
func exchange(t *testing.T, h webHost, request string) (resp *http.Response, body string, broken error) {
	t.Helper()
	address := strings.TrimPrefix(h.URL(), "http://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	method, _, _ := strings.Cut(request, " ")
	// A host that answers early does not read all.
	go func() { _, _ = io.WriteString(c, strings.ReplaceAll(request, "HOST", address)) }()
	for in := bufio.NewReader(c); resp == nil || resp.StatusCode == http.StatusContinue; {
		if resp, err = http.ReadResponse(in, &http.Request{Method: method}); err != nil {
			t.Fatalf("%.60q: %v", request, err)
		}
	}
	raw, broken := io.ReadAll(resp.Body)
	return resp, string(raw), broken
}

// get returns the text of a request without a body.
func get(method, uri string, headers ...string) string {
	return method + " " + uri + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: HOST"}, headers...), "\r\n") +
		"\r\n\r\n"
}

// conformWeb is what both hosts do with HTTP requests.
func conformWeb(t *testing.T, h webHost, a *webApp) {
	t.Run("paths", func(t *testing.T) { conformPaths(t, h) })
	t.Run("limits", func(t *testing.T) { conformLimits(t, h) })
	t.Run("headers", func(t *testing.T) { conformHeaders(t, h) })
	t.Run("answers", func(t *testing.T) { conformAnswers(t, h) })
	t.Run("stream", func(t *testing.T) { conformStream(t, h) })
	t.Run("repeats", func(t *testing.T) { conformRepeats(t, h, a) })
}

// conformPaths: what reaches the handler, and as what.
func conformPaths(t *testing.T, h webHost) {
	for _, test := range []struct {
		method, uri string
		status      int
		arrives     string // "": it does not reach the handler
	}{
		{"GET", "/", 200, "/"},
		{"GET", "/a/b?x=1&y=a%20b&x=2&e=", 200, "/a/b?x=1&y=a%20b&x=2&e="},
		{"GET", "/a%2Fb/%2f/c%20d/%C3%A9", 200, "/a%252Fb/%252f/c%20d/%C3%A9"},
		{"GET", "/a+b;c=d/%25/%3F?q=%2B", 200, "/a+b;c=d/%25/%3F?q=%2B"},
		{"GET", "/%41%7E", 200, "/A~"},
		{"GET", "/a//b/", 200, "/a//b/"},
		{"GET", "//x", 404, ""},
		{"GET", "/a/../b/./c", 200, "/b/c"},
		{"GET", "/a/%2e%2e/b", 200, "/b"},
		{"GET", "/admin", 200, "/admin"},
		{"GET", "/admin/x", 200, "/admin/x"},
		{"GET", "/.auth/me", 200, "/.auth/me"},
		{"GET", "/favicon.ico", 200, "/favicon.ico"},
		{"GET", "/api/x", 200, "/api/x"},
		{"GET", "/runtime/x", 200, "/runtime/x"},
		{"GET", "/admin/host/status", 200, ""},
		{"GET", "/Admin/Host/Status", 200, ""},
		{"GET", "/admin/functions", 200, ""},
		{"GET", "/admin/functions/portal", 200, ""},
		{"GET", "/admin/functions/absent", 404, ""},
		{"GET", "/admin/vfs/", 403, ""},
		{"GET", "/runtime/webhooks/x", 404, ""},
		{"HEAD", "/x", 200, ""}, // it arrives, and the answer has no body
		{"PUT", "/x", 404, ""},
		{"OPTIONS", "/x", 404, ""},
		{"TRACE", "/x", 404, ""},
		{"PUT", "/", 200, ""}, // the host's own home page
	} {
		resp, body, err := exchange(t, h, get(test.method, test.uri, "Content-Length: 0"))
		if resp.StatusCode != test.status || err != nil {
			t.Errorf("%s %s: status %d, %v, want %d", test.method, test.uri, resp.StatusCode, err, test.status)
		}
		var got arrival
		if json.Unmarshal([]byte(body), &got); got.URI != test.arrives {
			t.Errorf("%s %s arrives as %q, want %q", test.method, test.uri, got.URI, test.arrives)
		}
	}
}

// conformLimits: each limit at its last byte, and one above it.
func conformLimits(t *testing.T, h webHost) {
	line := func(n int) string {
		return get("GET", "/x?"+strings.Repeat("q", n-len("GET /x? HTTP/1.1\r\n")))
	}
	header := func(n int) string {
		host := "Host: " + strings.TrimPrefix(h.URL(), "http://") + "\r\n"
		return get("GET", "/x", "X-A: "+strings.Repeat("q", n-len(host)-len("X-A: \r\n")))
	}
	for name, test := range map[string]struct {
		request string
		status  int
	}{
		"request line of 8 KB":   {line(8192), 200},
		"a byte more":            {line(8193), 414},
		"headers of 32 KB":       {header(32768), 200},
		"one byte more":          {header(32769), 431},
		"body above 100 MB":      {get("POST", "/x", "Content-Length: 104857601"), 500},
		"answer's header, 65 kB": {get("GET", "/large?header=65000"), 200},
		"answer's header, 66 kB": {get("GET", "/large?header=66000"), 500},
	} {
		if resp, _, _ := exchange(t, h, test.request); resp.StatusCode != test.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, test.status)
		}
	}
}

// conformHeaders: the host sets its own headers, whatever the client sends, and passes the others.
func conformHeaders(t *testing.T, h webHost) {
	const trace = "00-b77907b2043f12f2d14f5be6b69a599f-20be904a677705ac-01"
	_, body, _ := exchange(t, h, "POST /h HTTP/1.1\r\nHost: archive.contoso.com\r\n"+
		"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"+
		"X-Azure-Functions-InvocationId: mine\r\nTraceparent: "+trace+"\r\nX-MS-CLIENT-PRINCIPAL: forged\r\n"+
		"Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\nCookie: a=1; b=2\r\nAuthorization: Bearer x\r\n"+
		"X-Functions-Key: y\r\nIf-None-Match: \"v\"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	var got arrival
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if address, port, err := net.SplitHostPort(got.Host); err != nil || address != "127.0.0.1" ||
		strings.HasSuffix(h.URL(), ":"+port) {
		t.Errorf("Host is %s, want the handler's own address", got.Host)
	}
	if !got.Chunked || got.Body != 3 {
		t.Errorf("the chunked body arrived as %+v", got)
	}
	id := got.Header.Get("X-Azure-Functions-InvocationId")
	if len(id) != 36 || id != got.Header.Get("X-Ms-Invocation-Id") {
		t.Errorf("invocation id %q", id)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "archive.contoso.com", "X-Forwarded-Proto": "http",
		"X-Azure-Functions-HostVersion": hostVersion, "Traceparent": trace, "X-MS-CLIENT-PRINCIPAL": "forged",
		"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "Cookie": "a=1; b=2",
		"Authorization": "Bearer x", "X-Functions-Key": "y", "If-None-Match": `"v"`, "User-Agent": "",
		"Accept-Encoding": "",
	} {
		if have := got.Header.Values(name); strings.Join(have, "|") != want {
			t.Errorf("%s arrives as %q, want %q", name, have, want)
		}
	}
}

// conformAnswers: what the handler answers passes as it is.
func conformAnswers(t *testing.T, h webHost) {
	resp, _, _ := exchange(t, h, get("GET", "/answer"))
	if resp.StatusCode != http.StatusNotModified || resp.Header.Get("Server") != "mine" ||
		resp.Header.Get("ETag") != `"v1"` || resp.Header.Get("Content-Security-Policy") != "default-src 'none'" ||
		!slices.Equal(resp.Header.Values("Set-Cookie"), []string{"a=1", "b=2"}) {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp, _, _ := exchange(t, h, get("GET", "/away")); resp.StatusCode != http.StatusSeeOther ||
		resp.Header.Get("Location") != "/elsewhere" || resp.Header.Get("Server") != "Kestrel" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp, body, _ := exchange(t, h, get("GET", "/nothing")); resp.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if resp, body, _ := exchange(t, h, get("HEAD", "/x")); resp.ContentLength < 100 || body != "" {
		t.Errorf("HEAD: length %d, body %q", resp.ContentLength, body)
	}
	// A refusal before the body is read.
	resp, _, _ = exchange(t, h, get("POST", "/unread/413", "Content-Length: 1000000")+strings.Repeat("x", 1000000))
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("early 413: %d", resp.StatusCode)
	}
	if _, body, err := exchange(t, h, get("GET", "/half")); body != "half" || err == nil {
		t.Errorf("an answer that breaks off: %q, %v", body, err)
	}
}

// conformStream: each flush of the handler arrives at once. The second line is sent when the first one was read.
func conformStream(t *testing.T, h webHost) {
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, h.URL()+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "first" {
		t.Fatalf("%q, %v", lines.Text(), lines.Err())
	}
	exchange(t, h, get("GET", "/go-on"))
	if !lines.Scan() || lines.Text() != "second" {
		t.Errorf("%q, %v", lines.Text(), lines.Err())
	}
}

// conformRepeats: what the handler gets again if it breaks the connection before its answer.
func conformRepeats(t *testing.T, h webHost, a *webApp) {
	form := "POST %s HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nabc"
	for uri, test := range map[string]struct {
		request string
		times   int
	}{
		"/abort?get":   {get("GET", "/abort?get"), 40},
		"/abort?head":  {get("HEAD", "/abort?head"), 40},
		"/abort?empty": {get("POST", "/abort?empty", "Content-Length: 0"), 10},
		// net/http waits for a short body before it closes the connection.
		"/unread/abort?wait": {get("POST", "/unread/abort?wait", "Content-Length: 1000000", "Expect: 100-continue") +
			strings.Repeat("x", 1000000), 40},
		"/abort?form":        {fmt.Sprintf(form, "/abort?form"), 1},
		"/unread/abort?form": {fmt.Sprintf(form, "/unread/abort?form"), 1},
	} {
		resp, _, _ := exchange(t, h, test.request)
		if resp.StatusCode != http.StatusInternalServerError || resp.ContentLength > 0 {
			t.Errorf("%s: status %d, length %d", uri, resp.StatusCode, resp.ContentLength)
		}
		got := a.arrivals(t, uri)
		ids := map[string]bool{}
		for _, one := range got {
			ids[one.Header.Get("X-Azure-Functions-InvocationId")] = true
		}
		if len(got) != test.times || len(ids) != 1 {
			t.Errorf("%s arrived %d times with %d ids, want %d with one", uri, len(got), len(ids), test.times)
		}
	}
	// Three handlers end of one request, and with them the host.
	resp, _, _ := exchange(t, h, get("GET", "/exit"))
	if got := len(a.arrivals(t, "/exit")); resp.StatusCode != http.StatusInternalServerError || got != 3 {
		t.Errorf("a request that ends the handler: status %d, arrived %d times", resp.StatusCode, got)
	}
}

func TestWebStandIn(t *testing.T) {
	t.Parallel()
	a := newWebApp(t, "none")
	log := &archivetest.Lines{}
	h, err := Start(soon(t), Options{App: a.dir, Env: a.env, Log: log, Pause: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	conformWeb(t, h, a)
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "?") {
			t.Errorf("the host's log has a query: %s", line)
		}
	}
	<-h.process.stopped
	if err := h.Ready(soon(t)); err == nil {
		t.Error("a request that ended three handlers did not end the host")
	}
}

func TestWebRealHost(t *testing.T) {
	NeedFunc(t)
	t.Parallel()
	storage, _ := realStorage(t)
	a := newWebApp(t, storage)
	log := &archivetest.Lines{}
	h, err := StartFunc(soon(t), Options{App: a.dir, Env: a.env, Log: log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	defer func() { _ = h.Stop() }() // it has ended by itself
	conformWeb(t, h, a)
	select {
	case <-h.Ended():
	case <-soon(t).Done():
		t.Error("a request that ended three handlers did not end the host")
	}
	if t.Failed() {
		t.Logf("the host's log:\n%s", log)
	}
}

// TestLargeChunkedBody: a body of unknown length is refused when it is too long.
func TestLargeChunkedBody(t *testing.T) {
	t.Parallel()
	a := newWebApp(t, "none")
	h, err := Start(soon(t), Options{App: a.dir, Env: a.env})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	for size, want := range map[int64]int{maxRequestBody: 200, maxRequestBody + 1: 500} {
		body := struct{ io.Reader }{io.LimitReader(endless{}, size)}
		req, err := http.NewRequestWithContext(soon(t), http.MethodPost, h.URL()+"/x", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", size, resp.StatusCode, want)
		}
		resp.Body.Close()
	}
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestWithoutWeb: an app without an HTTP trigger has no address, and its functions can't be invoked by HTTP.
func TestWithoutWeb(t *testing.T) {
	t.Parallel()
	y := newToy(t, "none")
	h, err := Start(soon(t), Options{App: y.dir, Env: y.env})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	if diff := cmp.Diff("", h.URL()); diff != "" {
		t.Error(diff)
	}
}
