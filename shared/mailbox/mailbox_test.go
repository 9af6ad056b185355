package mailbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

const (
	alice  = "11111111-1111-4111-8111-111111111111"
	bob    = "22222222-2222-4222-8222-222222222222"
	folder = "O2 SMS and Voice Network Archiver"
)

// credential returns the tokens one after the other, the last one for ever.
type credential struct {
	tokens []string
	asked  []policy.TokenRequestOptions
}

func (c *credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.asked = append(c.asked, o)
	token := c.tokens[min(len(c.asked), len(c.tokens))-1]
	if token == "" {
		return azcore.AccessToken{}, errors.New("no identity at https://secret.example/")
	}
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// open starts a stand-in for Graph and a client of it.
func open(t testing.TB, o mailboxtest.Options, change ...func(*Config)) (*mailboxtest.Graph, *Client) {
	t.Helper()
	if o.Users == nil {
		o.Users = []mailboxtest.User{
			{ID: alice, UPN: "a.smith@contoso.example", Mail: "alice@contoso.example",
				Proxy: []string{"smtp:al@contoso.example"}},
			{ID: bob, UPN: "bob@contoso.example", Mail: "bob@contoso.example", Disabled: true},
		}
	}
	o.KeepContent = true
	g := mailboxtest.New(o)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, client(t, server.URL, change...)
}

func client(t testing.TB, link string, change ...func(*Config)) *Client {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	transport := ownTransport()
	t.Cleanup(transport.CloseIdleConnections)
	config := Config{
		URL: u, Credential: &credential{tokens: []string{"local"}}, Folder: folder, Class: "IPM.Note",
		UploadSessions: true, HTTP: transport, Timeout: time.Minute,
	}
	for _, f := range change {
		f(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func slot(t testing.TB, c *Client, user string) *Session {
	t.Helper()
	s, err := c.OpenSession(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Release)
	return s
}

func key(n int) string { return fmt.Sprintf("%064x", n) }

// sms is a message without attachments.
func sms(n int) *Message {
	return &Message{
		Key: key(n), MessageID: fmt.Sprintf("<%040x@o2archiver.invalid>", n),
		Subject: "SMS from 447700900123 to 447700900456", Text: "Hello \"there\"\r\n<b>one</b> 😀",
		From: Address{"Ann (+44 7700 900123)", "447700900123@sms.o2archiver.invalid"},
		To:   []Address{{"Bob", "447700900456@sms.o2archiver.invalid"}},
		Sent: time.Date(2026, 11, 22, 8, 30, 15, 0, time.UTC), Received: time.Date(2026, 11, 22, 8, 30, 16, 0,
			time.UTC),
		Headers: []Header{{"X-O2-Message-Id", "m-1"}, {"X-O2-Type", "SMS"}},
	}
}

// with adds attachments; their bytes are made as they are read.
func with(m *Message, sizes ...int64) *Message {
	i := 0
	m.Next = func() (*Attachment, error) {
		if i == len(sizes) {
			return nil, io.EOF
		}
		i++
		return &Attachment{Name: fmt.Sprintf("file-%d.bin", i), Type: "application/octet-stream", Size: sizes[i-1],
			Body: io.LimitReader(new(pattern), sizes[i-1])}, nil
	}
	return m
}

// pattern is an endless reader whose bytes differ from place to place.
type pattern int

func (at *pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*at % 251)
		*at++
	}
	return len(p), nil
}

func wantError(t testing.TB, err error, want Error) *Error {
	t.Helper()
	got, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got error %v, want an *Error of kind %v", err, want.Kind)
	}
	short := Error{Kind: got.Kind, Status: got.Status, Code: got.Code, Ambiguous: got.Ambiguous}
	if short != want {
		t.Fatalf("error differs: got %+v, want %+v", short, want)
	}
	for _, secret := range []string{"http://", "https://", "127.0.0.1", "447700", "contoso", alice, "local"} {
		if strings.Contains(got.Error(), secret) {
			t.Errorf("the error's text holds %q: %s", secret, got.Error())
		}
	}
	return got
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := Config{URL: &url.URL{Scheme: "https", Host: "graph.microsoft.com"},
		Credential: &credential{tokens: []string{"x"}}, Folder: "F", Class: "IPM.Note"}
	for name, change := range map[string]func(*Config){
		"no URL":         func(c *Config) { c.URL = nil },
		"plain http":     func(c *Config) { c.URL = &url.URL{Scheme: "http", Host: "graph.microsoft.com"} },
		"query":          func(c *Config) { c.URL = &url.URL{Scheme: "https", Host: "h", RawQuery: "a=b"} },
		"user":           func(c *Config) { c.URL = &url.URL{Scheme: "https", Host: "h", User: url.User("u")} },
		"no credential":  func(c *Config) { c.Credential = nil },
		"no folder":      func(c *Config) { c.Folder = "" },
		"no class":       func(c *Config) { c.Class = "" },
		"five permits":   func(c *Config) { c.Permits = 5 },
		"negative limit": func(c *Config) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
	for given, want := range map[string]string{
		"https://graph.microsoft.com":        "https://graph.microsoft.com/v1.0",
		"https://graph.microsoft.us/v1.0/":   "https://graph.microsoft.us/v1.0",
		"http://127.0.0.1:4000/":             "http://127.0.0.1:4000/v1.0",
		"http://localhost:4000/graph/v1.0":   "http://localhost:4000/graph/v1.0",
		"https://[::1]:4000/v1.0":            "https://[::1]:4000/v1.0",
		"https://dod-graph.microsoft.us/xyz": "https://dod-graph.microsoft.us/xyz/v1.0",
	} {
		u, _ := url.Parse(given)
		got, err := baseURL(u)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v; want %s", given, got, err, want)
		}
	}
}

func TestTokenIsRefreshedOnceAndWithTheClaims(t *testing.T) {
	t.Parallel()
	c := &credential{tokens: []string{"stale", "local"}}
	g, client := open(t, mailboxtest.Options{}, func(config *Config) { config.Credential = c })
	if _, err := slot(t, client, alice).Folder(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.asked) != 2 || g.Requests().Unauthorized != 1 {
		t.Errorf("%d tokens had, %d answers 401; want 2 and 1", len(c.asked), g.Requests().Unauthorized)
	}
	if !strings.HasPrefix(c.asked[0].Scopes[0], "https://127.0.0.1") ||
		!strings.HasSuffix(c.asked[0].Scopes[0], "/.default") {
		t.Errorf("asked for the wrong scope")
	}

	bad := &credential{tokens: []string{"stale"}}
	_, client = open(t, mailboxtest.Options{}, func(config *Config) { config.Credential = bad })
	_, err := slot(t, client, alice).Folder(t.Context())
	wantError(t, err, Error{Kind: Unauthorized, Status: 401, Code: "InvalidAuthenticationToken"})
	if len(bad.asked) != 2 {
		t.Errorf("%d tokens had, want 2", len(bad.asked))
	}
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	_, client := open(t, mailboxtest.Options{},
		func(config *Config) { config.Credential = &credential{tokens: []string{""}} })
	_, err := slot(t, client, alice).Import(t.Context(), sms(1), nil)
	wantError(t, err, Error{Kind: Unauthorized, Code: "NoToken"})
}

func TestClaims(t *testing.T) {
	t.Parallel()
	for challenge, want := range map[string]string{
		`Bearer realm="", error="insufficient_claims", claims="eyJhIjoiYiJ9"`: `{"a":"b"}`,
		`Bearer claims="%%%"`: "",
		`Bearer claims`:       "",
		``:                    "",
	} {
		if got := claimsChallenge(challenge); got != want {
			t.Errorf("%s: got %q, want %q", challenge, got, want)
		}
	}
}

func TestLookUp(t *testing.T) {
	t.Parallel()
	users := []mailboxtest.User{
		{ID: alice, UPN: "a.smith@contoso.example", Mail: "alice@contoso.example",
			Proxy: []string{"smtp:al@contoso.example"}},
		{ID: bob, UPN: "bob@contoso.example", Mail: "bob@contoso.example", Disabled: true},
		{ID: "33333333-3333-4333-8333-333333333333", UPN: "al@contoso.example", Mail: "other@contoso.example"},
		{ID: "44444444-4444-4444-8444-444444444444", UPN: "o'neil+x@contoso.example", Mail: "o'neil+x@contoso.example"},
	}
	for i := range 50 {
		users = append(users, mailboxtest.User{ID: fmt.Sprintf("55555555-5555-4555-8555-%012d", i),
			UPN: fmt.Sprintf("u%d@contoso.example", i), Mail: fmt.Sprintf("u%d@contoso.example", i)})
	}
	g, c := open(t, mailboxtest.Options{Users: users})
	g.Fail(mailboxtest.LookUp, 3, mailboxtest.Fault{Status: 429, RetryAfter: "0.1"})
	g.Fail(mailboxtest.LookUp, 7, mailboxtest.Fault{Status: 503, HTML: true})
	g.Fail(mailboxtest.Batch, 2, mailboxtest.Fault{Status: 504})
	addresses := []string{"ALICE@contoso.example", "alice@contoso.example", "al@contoso.example", "bob@contoso.example",
		"o'neil+x@contoso.example",
		"nobody@contoso.example", "not an address", "x@y' or 1 eq 1", "", "a@b..example"}
	for i := range 50 {
		addresses = append(addresses, fmt.Sprintf("u%d@contoso.example", i))
	}
	got, err := c.LookUp(t.Context(), addresses)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]User{
		"alice@contoso.example": {alice, "a.smith@contoso.example", "alice@contoso.example", true},
		// not the one whose user principal name it is
		"al@contoso.example":       {alice, "a.smith@contoso.example", "alice@contoso.example", true},
		"bob@contoso.example":      {bob, "bob@contoso.example", "bob@contoso.example", false},
		"o'neil+x@contoso.example": {users[3].ID, "o'neil+x@contoso.example", "o'neil+x@contoso.example", true},
	}
	for _, u := range users[4:] {
		want[u.Mail] = User{u.ID, u.UPN, u.Mail, true}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := g.Requests().Kinds[mailboxtest.Batch]; n < 5 || n > 8 {
		t.Errorf("%d batches for 55 addresses and three faults", n)
	}
	if g.Requests().Refused != 0 || g.Requests().NoClientID != 0 {
		t.Errorf("the stand-in refused requests: %+v", g.Requests())
	}
}

func TestLookUpFailsAsAWhole(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	g.Fail(mailboxtest.LookUp, 1, mailboxtest.Fault{Status: 403, Times: -1})
	_, err := c.LookUp(t.Context(), []string{"alice@contoso.example", "bob@contoso.example"})
	wantError(t, err, Error{Kind: Denied, Status: 403, Code: "ErrorAccessDenied"})
	if got, err := c.LookUp(t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("nothing asked: got %v, %v", got, err)
	}
}

// No answer of Graph is decompressed: a few kilobytes would become gigabytes. None is asked for, and one that is
// compressed all the same is not believed.
func TestAnswersAreNotDecompressed(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, `{"responses":[{"id":"1","status":200,"body":{"value":[]}}]}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if got := r.Header.Get("Accept-Encoding"); got != "" && got != "identity" {
			t.Errorf("Accept-Encoding: %q", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(packed.Bytes())
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // a look-up is tried again
	defer cancel()
	found, err := client(t, server.URL).LookUp(ctx, []string{"jane@contoso.example"})
	if err == nil || asked.Load() == 0 {
		t.Errorf("found %v with %d requests: a compressed answer was read", found, asked.Load())
	}
}
