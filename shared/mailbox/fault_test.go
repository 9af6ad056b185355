package mailbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/pipetest"
)

func hexSum(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

func TestWhatAFailedCreateSays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault mailboxtest.Fault
		want  Error
		there bool
	}{
		"429": {mailboxtest.Fault{Status: 429, RetryAfter: "30"},
			Error{Kind: Throttled, Status: 429, Code: "ApplicationThrottled"}, false},
		"400": {mailboxtest.Fault{Status: 400, Code: "ErrorInvalidRecipients"},
			Error{Kind: Refused, Status: 400, Code: "ErrorInvalidRecipients"}, false},
		"403": {mailboxtest.Fault{Status: 403},
			Error{Kind: Denied, Status: 403, Code: "ErrorAccessDenied"}, false},
		"404": {mailboxtest.Fault{Status: 404},
			Error{Kind: FolderGone, Status: 404, Code: "ErrorItemNotFound"}, false},
		"404 no mailbox": {mailboxtest.Fault{Status: 404, Code: "MailboxNotEnabledForRESTAPI"},
			Error{Kind: NoMailbox, Status: 404, Code: "MailboxNotEnabledForRESTAPI"}, false},
		"401 no licence": {mailboxtest.Fault{Status: 401, Code: "AuthenticationError"},
			Error{Kind: NoMailbox, Status: 401, Code: "AuthenticationError"}, false},
		"413": {mailboxtest.Fault{Status: 413, Code: "RequestEntityTooLarge"},
			Error{Kind: TooLarge, Status: 413, Code: "RequestEntityTooLarge"}, false},
		"413 of a proxy": {mailboxtest.Fault{Status: 413, HTML: true},
			Error{Kind: Unavailable, Status: 413, Ambiguous: true}, false},
		"size": {mailboxtest.Fault{Status: 400, Code: "ErrorMessageSizeExceeded"},
			Error{Kind: TooLarge, Status: 400, Code: "ErrorMessageSizeExceeded"}, false},
		"507 full": {mailboxtest.Fault{Status: 507, Code: "ErrorQuotaExceeded"},
			Error{Kind: Refused, Status: 507, Code: "ErrorQuotaExceeded"}, false},
		"503": {mailboxtest.Fault{},
			Error{Kind: Unavailable, Status: 503, Code: "ServiceUnavailable", Ambiguous: true}, false},
		"503 after": {mailboxtest.Fault{After: true},
			Error{Kind: Unavailable, Status: 503, Code: "ServiceUnavailable", Ambiguous: true}, true},
		"504 of a proxy": {mailboxtest.Fault{After: true, Status: 504, HTML: true},
			Error{Kind: Unavailable, Status: 504, Ambiguous: true}, true},
		"403 of a proxy": {mailboxtest.Fault{Status: 403, HTML: true},
			Error{Kind: Unavailable, Status: 403, Ambiguous: true}, false},
		"500 without body": {mailboxtest.Fault{Status: 500, Empty: true},
			Error{Kind: Unavailable, Status: 500, Ambiguous: true}, false},
		"500 odd JSON": {mailboxtest.Fault{Status: 500, Body: `{"oops":[1,{"a":null}]}`},
			Error{Kind: Unavailable, Status: 500, Ambiguous: true}, false},
		"500 null error": {mailboxtest.Fault{Status: 500, Body: `{"error":null}`},
			Error{Kind: Unavailable, Status: 500, Ambiguous: true}, false},
		"400 error a text": {mailboxtest.Fault{Status: 400, Body: `{"error":"no"}`},
			Error{Kind: Unavailable, Status: 400, Ambiguous: true}, false},
		"400 code a number": {mailboxtest.Fault{Status: 400, Body: `{"error":{"code":7,"message":"447700900123"}}`},
			Error{Kind: Unavailable, Status: 400, Ambiguous: true}, false},
		"400 odd code": {mailboxtest.Fault{Status: 400,
			Body: `{"error":{"code":"447700900123 said: hello","message":"x"}}`},
			Error{Kind: Unavailable, Status: 400, Code: "UnusualCode", Ambiguous: true}, false},
		"reset": {mailboxtest.Fault{Reset: true},
			Error{Kind: Unavailable, Code: "ConnectionClosed", Ambiguous: true}, false},
		"reset after": {mailboxtest.Fault{Reset: true, After: true},
			Error{Kind: Unavailable, Code: "ConnectionClosed", Ambiguous: true}, true},
		"stall": {mailboxtest.Fault{Stall: 10 * time.Second, After: true},
			Error{Kind: Unavailable, Code: "Timeout", Ambiguous: true}, true},
		"half an answer": {mailboxtest.Fault{Cut: true, After: true},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, true},
		"200 HTML": {mailboxtest.Fault{HTML: true},
			Error{Kind: Unavailable, Status: 200, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 HTML": {mailboxtest.Fault{HTML: true, Status: 201},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"200 empty": {mailboxtest.Fault{Empty: true},
			Error{Kind: Unavailable, Status: 200, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 empty": {mailboxtest.Fault{Empty: true, Status: 201},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"204": {mailboxtest.Fault{Empty: true, Status: 204},
			Error{Kind: Unavailable, Status: 204, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"302": {mailboxtest.Fault{Status: 302, Body: `{"id":"x","isDraft":false}`},
			Error{Kind: Unavailable, Status: 302, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"200 as if": {mailboxtest.Fault{Status: 200, Body: `{"id":"x","isDraft":false}`},
			Error{Kind: Unavailable, Status: 200, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 no id": {mailboxtest.Fault{Status: 201, Body: `{"isDraft":false}`},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 id a number": {mailboxtest.Fault{Status: 201, Body: `{"id":7,"isDraft":false}`},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 a list": {mailboxtest.Fault{Status: 201, Body: `[1]`},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 null": {mailboxtest.Fault{Status: 201, Body: `null`},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 no isDraft": {mailboxtest.Fault{Status: 201, Body: `{"id":"x"}`},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
		"201 a draft": {mailboxtest.Fault{Status: 201, Body: `{"id":"x","isDraft":true}`},
			Error{Kind: Refused, Status: 201, Code: "CreatedAsDraft", Ambiguous: true}, false},
		"201 endless": {mailboxtest.Fault{Status: 201, Body: `{"id":"` + strings.Repeat("x", maxAnswer) + `"}`},
			Error{Kind: Unavailable, Status: 201, Code: "UnreadableAnswer", Ambiguous: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := open(t, mailboxtest.Options{})
			if test.fault.Stall > 0 { // only the create is to run into it
				if _, err := slot(t, c, alice).Folder(t.Context()); err != nil {
					t.Fatal(err)
				}
				c.timeout = 1500 * time.Millisecond
			}
			g.Fail("create", 1, test.fault)
			s := slot(t, c, alice)
			_, err := s.Import(t.Context(), sms(1), nil)
			e := wantError(t, err, test.want)
			if n := len(g.Messages(alice)); (n == 1) != test.there {
				t.Errorf("%d messages there", n)
			}
			if n := g.Requests().Kinds["create"]; n > 1 && test.fault.Status != 401 {
				t.Errorf("the create was sent %d times", n)
			}
			if e.RequestID == "" {
				t.Error("no client-request-id")
			}
			if name == "429" && e.RetryAfter != 30*time.Second {
				t.Errorf("Retry-After is %v", e.RetryAfter)
			}
		})
	}
}

// dead is a server that accepts and answers in its own way.
func dead(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestWhatNeverArrivedIsNotAmbiguous(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for name, test := range map[string]struct {
		url  string
		want Error
	}{
		"nobody listens": {closed.URL, Error{Kind: Unavailable, Code: "ConnectionRefused"}},
		"bad certificate": {strings.Replace(secure.URL, "127.0.0.1", "localhost", 1),
			Error{Kind: Unavailable, Code: "CertificateRefused"}},
		"hangs up in the handshake": {"https://" + dead(t, func(net.Conn) {}),
			Error{Kind: Unavailable, Code: "ConnectionClosed"}},
		"no such host": {"https://nowhere.invalid", Error{Kind: Unavailable, Code: "NameNotResolved"}},
		"hangs up later": {"http://" + dead(t, func(c net.Conn) { c.Read(make([]byte, 1<<16)) }),
			Error{Kind: Unavailable, Code: "ConnectionClosed", Ambiguous: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, test.url, func(config *Config) { config.Timeout = 10 * time.Second })
			c.mailboxOf(alice).folder = "folder" // the create is the first request
			_, err := slot(t, c, alice).Import(t.Context(), sms(1), nil)
			if e, ok := errors.AsType[*Error](err); ok && name == "no such host" && !e.Ambiguous &&
				e.Kind == Unavailable {
				return // the code depends on how the machine resolves names
			}
			if e, ok := errors.AsType[*Error](err); ok && e.Code == "ConnectionReset" {
				e.Code = "ConnectionClosed"
			}
			wantError(t, err, test.want)
		})
	}
}

// roundTrip is a transport that says nothing to httptrace.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnUnknownTransportIsAmbiguous(t *testing.T) {
	t.Parallel()
	c := client(t, "http://127.0.0.1:1", func(config *Config) {
		config.HTTP = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
	})
	c.mailboxOf(alice).folder = "folder"
	_, err := slot(t, c, alice).Import(t.Context(), sms(1), nil)
	wantError(t, err, Error{Kind: Unavailable, Code: "Network", Ambiguous: true})
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	c := client(t, server.URL)
	c.mailboxOf(alice).folder = "folder"
	_, err := slot(t, c, alice).Import(t.Context(), sms(1), nil)
	wantError(t, err, Error{Kind: Unavailable, Status: 307, Code: "UnreadableAnswer", Ambiguous: true})
	if len(paths) != 1 {
		t.Errorf("%d requests, want 1", len(paths))
	}
}

func TestUploadsCarryNoToken(t *testing.T) {
	t.Parallel()
	g := mailboxtest.New(mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}})
	graph := httptest.NewServer(g)
	t.Cleanup(graph.Close)
	redirect := false
	uploads := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("an upload carries a token")
		}
		if redirect {
			http.Redirect(w, r, graph.URL, http.StatusTemporaryRedirect)
			return
		}
		g.UploadHandler().ServeHTTP(w, r)
	}))
	t.Cleanup(uploads.Close)
	g.SetUploadURL(uploads.URL)
	s := slot(t, client(t, graph.URL), alice)
	if _, err := s.Import(t.Context(), with(sms(1), 5_000_000), nil); err != nil {
		t.Fatal(err)
	}
	redirect = true
	_, err := s.Import(t.Context(), with(sms(2), 5_000_000), nil)
	wantError(t, err, Error{Kind: Unavailable, Status: 307, Code: "UnreadableAnswer", Ambiguous: true})
}

func TestMayUploadTo(t *testing.T) {
	t.Parallel()
	local, away := client(t, "http://127.0.0.1:1"), client(t, "https://graph.microsoft.com")
	for link, want := range map[string][2]bool{
		"https://outlook.office.com/api/x?authtoken=1": {true, true},
		"http://127.0.0.1:4000/x":                      {true, false},
		"http://outlook.office.com/x":                  {false, false},
		"https://u:p@outlook.office.com/x":             {false, false},
		"ftp://127.0.0.1/x":                            {false, false},
		"/x":                                           {false, false},
	} {
		u := mustParse(t, link)
		if got := [2]bool{local.mayUploadTo(u), away.mayUploadTo(u)}; got != want {
			t.Errorf("%s: got %v, want %v", link, got, want)
		}
	}
}

func TestThrottlingClosesOneMailboxsGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testOneGate)
}

func testOneGate(t *testing.T) {
	g := mailboxtest.New(mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}, {ID: bob}}, KeepContent: true})
	way, stop := pipetest.Serve(g)
	t.Cleanup(stop)
	c := client(t, "https://graph.example", func(config *Config) { config.HTTP = way })
	for _, user := range []string{alice, bob} {
		s := slot(t, c, user)
		if _, err := s.Folder(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Release()
	}
	g.Fail("create", 1, mailboxtest.Fault{Status: 429, RetryAfter: "1"})
	s := slot(t, c, alice)
	began := time.Now()
	_, err := s.Import(t.Context(), sms(1), nil)
	wantError(t, err, Error{Kind: Throttled, Status: 429, Code: "ApplicationThrottled"})
	s.Release()
	s.Release() // safe twice

	if opens := c.mailboxOf(bob).opens; !opens.IsZero() {
		t.Error("the other mailbox's gate is closed too")
	}
	if pause := time.Until(c.mailboxOf(alice).opens); pause <= 0 || pause > 1100*time.Millisecond {
		t.Errorf("the gate is closed for %v, want 1 to 1.1 s", pause)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.OpenSession(short, alice); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a slot behind the gate: %v", err)
	}
	s = slot(t, c, alice)
	if waited := time.Since(began); waited < time.Second || waited > 1100*time.Millisecond {
		t.Errorf("the gate opened after %v", waited)
	}
	if _, err := s.Import(t.Context(), sms(1), nil); err != nil {
		t.Error(err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "NaN": 0, "1e300": 10 * time.Minute,
		"+Inf":                          10 * time.Minute,
		"Mon, 23 Nov 2026 05:30:20 GMT": 20 * time.Second, "Mon, 23 Nov 2026 05:00:00 GMT": 0,
		"Mon, 23 Nov 2036 05:30:20 GMT": 10 * time.Minute, "soon": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
}
