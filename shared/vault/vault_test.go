package vault

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

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	standin "o2archiver/local/vault"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/retry"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
)

const (
	address = "https://hidden-vault.vault.azure.net/secrets/hidden-name"
	name    = "hidden-name"
	value   = "hidden-value"
	reader  = "hidden-token"
)

// bearer is a credential that always has that token.
type bearer string

func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(b), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// noToken is a credential that fails.
type noToken struct{ err error }

func (n noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, n.err
}

// counted counts the requests and reports those that carry a token to another host than the vault's.
type counted struct {
	t     *testing.T
	inner http.RoundTripper
	sent  int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent++
	if r.URL.Host != "hidden-vault.vault.azure.net" && r.URL.Host != "hidden-vault.vault.azure.cn" {
		c.t.Errorf("a request to %s", r.URL.Host)
	}
	return c.inner.RoundTrip(r)
}

// config adds that the secret is the password at the site.
func config(c Config) Config {
	c.Thing, c.Setting, c.Parse = "password", "TELEMESSAGE_PASSWORD_SECRET", settings.ParsePassword
	c.Script = "infra/password"
	return c
}

// open returns a secret whose vault handler is, and the number of requests that it got.
func open(t *testing.T, handler http.Handler, at string, credential azcore.TokenCredential) (*Secret, *counted) {
	t.Helper()
	way, stop := pipetest.Serve(handler)
	t.Cleanup(stop)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	through := &counted{t: t, inner: way}
	s, err := Open(config(Config{Address: u, Credential: credential, HTTP: through}))
	if err != nil {
		t.Fatal(err)
	}
	return s, through
}

// newVault returns a vault whose reader's token may read.
func newVault() *standin.Vault {
	return standin.New(map[string]int{reader: standin.MayRead}, nil)
}

// checkHidden reports an error that holds what it must not.
func checkHidden(t *testing.T, err error) {
	t.Helper()
	if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "hidden") ||
		strings.Contains(text, "\n") {
		t.Errorf("an error holds an address, a name or a value: %s", text)
	}
}

func TestLatestVersionIsRead(t *testing.T) {
	t.Parallel()
	v := newVault()
	s, through := open(t, v, address, bearer(reader))
	if through.sent != 0 {
		t.Errorf("%d requests before the secret is read", through.sent)
	}
	for _, want := range []string{"first", "second", " thïrd: "} {
		v.Put(name, want, standin.Attributes{})
		got, err := s.Read(t.Context())
		if err != nil || got.Reveal() != want {
			t.Errorf("%q, %v; want %q", got.Reveal(), err, want)
		}
		if text := fmt.Sprintf("%v %+v", got, got); strings.Contains(text, want) {
			t.Errorf("the password is printed: %s", text)
		}
	}
	// The first request has no token and is challenged; after that the token is known.
	if through.sent != 4 || v.Reads() != 3 {
		t.Errorf("%d requests, %d secrets", through.sent, v.Reads())
	}
}

// An answer that is not the password says what is wrong and what to do, and a refusal is not repeated.
func TestRefusals(t *testing.T) {
	t.Parallel()
	hour := time.Hour
	for _, tt := range []struct {
		name     string
		set      func(*standin.Vault)
		token    string
		says, do string
		sent     int
		away     bool
	}{
		{"no role", func(v *standin.Vault) { v.Allow(reader, 0) }, reader,
			"does not let the app read the password (403 ForbiddenByRbac)", "role Key Vault Secrets User", 2, false},
		{"a role to store only", func(v *standin.Vault) { v.Allow(reader, standin.MayStore) }, reader,
			"403 ForbiddenByRbac", "role Key Vault Secrets User", 2, false},
		{"missing", func(v *standin.Vault) { v.Delete(name) }, reader,
			"does not have the secret of the password (404 SecretNotFound)", "infra/password", 2, false},
		{"disabled", func(v *standin.Vault) { v.Put(name, value, standin.Attributes{Disabled: true}) }, reader,
			"the password in the vault is disabled", "enable the secret", 2, false},
		{"expired", func(v *standin.Vault) {
			v.Put(name, value, standin.Attributes{Expires: time.Now().Add(-hour)})
		}, reader, "the password in the vault has expired", "expiry date", 2, false},
		{"not valid yet", func(v *standin.Vault) {
			v.Put(name, value, standin.Attributes{NotBefore: time.Now().Add(hour)})
		}, reader, "the password in the vault is not valid yet", "activation date", 2, false},
		{"a line break", func(v *standin.Vault) { v.Put(name, value+"\n", standin.Attributes{}) }, reader,
			"can't be a password: it holds a control character", "infra/password", 2, false},
		{"empty", func(v *standin.Vault) { v.Put(name, "", standin.Attributes{}) }, reader,
			"can't be a password: it is empty", "infra/password", 2, false},
		{"a token of another tenant", nil, "hidden-stranger", "does not accept the app's token (401 Unauthorized)",
			"tenant", 2, false},
		{"a firewall", func(v *standin.Vault) { v.Fail(1, 403, "ForbiddenByFirewall") }, reader,
			"takes no requests from the app's network (403 ForbiddenByFirewall)", "private endpoint", 2, false},
		{"no public access", func(v *standin.Vault) { v.Fail(1, 403, "ForbiddenByConnection") }, reader,
			"403 ForbiddenByConnection", "private DNS zone", 2, false},
		{"a code that is none", func(v *standin.Vault) { v.Fail(1, 403, "hidden code") }, reader,
			"(403 Forbidden)", "role", 2, false},
		{"bad request", func(v *standin.Vault) { v.Fail(1, 400, "") }, reader, "refuses the request (400",
			"TELEMESSAGE_PASSWORD_SECRET", 2, false},
		{"throttled for long", func(v *standin.Vault) { v.Fail(9, 429, "") }, reader,
			"not available (it answered 429", "health of Key Vault", 5, true},
		{"out of service", func(v *standin.Vault) { v.Fail(9, 503, "") }, reader, "not available (it answered 503",
			"a later try", 5, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newVault()
				v.Put(name, value, standin.Attributes{})
				if tt.set != nil {
					tt.set(v)
				}
				s, through := open(t, v, address, bearer(tt.token))
				got, err := s.Read(t.Context())
				e, ok := errors.AsType[*Error](err)
				if !ok || got.Set() || !strings.Contains(e.Says, tt.says) || !strings.Contains(e.Do, tt.do) ||
					e.Away != tt.away {
					t.Errorf("%+v: %v", e, err)
				}
				if again, _ := retry.IsTransient(err); again {
					t.Error("a caller would retry what has been retried")
				}
				if through.sent != tt.sent {
					t.Errorf("%d requests, want %d", through.sent, tt.sent)
				}
				checkHidden(t, err)
			})
		})
	}
}

// A vault that is away for a while is waited for.
func TestShortOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVault()
		v.Put(name, value, standin.Attributes{})
		v.Fail(3, 503, "")
		s, _ := open(t, v, address, bearer(reader))
		if got, err := s.Read(t.Context()); err != nil || got.Reveal() != value {
			t.Error(err)
		}
	})
}

// transport is a way to the vault that fails, or answers by itself.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer answers as something between does, without the vault's header.
func answer(status int, body string, header ...string) transport {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		resp := w.Result()
		resp.Request = r
		return resp, nil
	}
}

func TestOutages(t *testing.T) {
	t.Parallel()
	const own = "x-ms-request-id"
	for _, tt := range []struct {
		name string
		way  transport
		says string
	}{
		{"no connection", func(*http.Request) (*http.Response, error) { return nil, errors.New("dial hidden") },
			"no connection"},
		{"silence", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, "no answer in time"},
		{"a proxy's page", answer(200, "<html>hidden"), "the answer is not the Key Vault's"},
		{"a proxy's not found", answer(404, "<html>hidden"), "another server answered in its place, 404"},
		{"a proxy's forbidden", answer(403, `{"error":{"code":"Forbidden"}}`),
			"another server answered in its place, 403"},
		{"a redirect", answer(302, "", "Location", "https://hidden.example/"),
			"another server answered in its place, 302"},
		{"an endless answer", answer(200, `{"value":"`+strings.Repeat("hidden", 1<<20), own, "1"), "no connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u, _ := url.Parse(address)
				s, err := Open(config(Config{Address: u, Credential: bearer(reader),
					HTTP: &counted{t: t, inner: tt.way}}))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				_, err = s.Read(t.Context())
				e, ok := errors.AsType[*Error](err)
				if !ok || !e.Away || !strings.Contains(e.Says, tt.says) {
					t.Errorf("%v, want %q", err, tt.says)
				}
				if took := time.Since(began); took > readTime {
					t.Errorf("it took %v", took)
				}
				checkHidden(t, err)
			})
		})
	}
}

// The challenge names what the token is for. It has to be the domain of the vault that is called.
func TestChallengeOfAnotherCloud(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.Put(name, value, standin.Attributes{})
	s, through := open(t, v, "https://hidden-vault.vault.azure.cn/secrets/hidden-name", bearer(reader))
	_, err := s.Read(t.Context())
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Away || !strings.Contains(e.Says, "not a Key Vault of that cloud") || through.sent != 1 {
		t.Errorf("%v after %d requests", err, through.sent)
	}
	checkHidden(t, err)
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		says string
		away bool
	}{
		{&signin.Error{Status: 400, Code: "invalid_request"},
			"no token for the vault (sign in: status 400, invalid_request)", false},
		{&signin.Error{Status: 503}, "no token for the vault (sign in: status 503)", true},
		{&signin.Error{}, "no token for the vault (sign in: no answer", true},
		{fmt.Errorf("sign in: %w", context.DeadlineExceeded), "no answer in time", true},
	} {
		s, through := open(t, newVault(), address, noToken{tt.err})
		_, err := s.Read(t.Context())
		e, ok := errors.AsType[*Error](err)
		if !ok || !strings.Contains(e.Says, tt.says) || e.Away != tt.away || through.sent != 1 {
			t.Errorf("%v: %v, %d requests", tt.err, err, through.sent)
		}
	}
}

func TestCauseOfTheContextIsReturned(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the time is up")
	cancel(cause)
	s, _ := open(t, newVault(), address, bearer(reader))
	if _, err := s.Read(ctx); err != cause {
		t.Errorf("%v, want %v", err, cause)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, at := range []string{
		"http://hidden-vault.vault.azure.net/secrets/hidden", "https:///secrets/hidden",
		"https://user@hidden-vault.vault.azure.net/secrets/hidden", "https://hidden-vault.vault.azure.net",
		"https://hidden-vault.vault.azure.net/secrets/", "https://hidden-vault.vault.azure.net/secrets/hidden/version",
		"https://hidden-vault.vault.azure.net/keys/hidden",
	} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(Config{Address: u, Credential: bearer(reader)})
		if err == nil || s != nil {
			t.Errorf("%s is accepted", at)
			continue
		}
		checkHidden(t, err)
	}
	u, _ := url.Parse(address)
	if _, err := Open(Config{Address: u}); err == nil {
		t.Error("no credential is accepted")
	}
	if _, err := Open(Config{Credential: bearer(reader)}); err == nil {
		t.Error("no address is accepted")
	}
}
