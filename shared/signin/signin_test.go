package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// identity stands in for the endpoint that App Service gives to a function app with an identity.
func identity(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *atomic.Int64 {
	t.Helper()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv("IDENTITY_ENDPOINT", server.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "header-of-the-host")
	return &calls
}

func request() policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}}
}

func TestManagedIdentity(t *testing.T) {
	const client = "00000000-0000-0000-0000-000000000001"
	calls := identity(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("client_id") != client || q.Get("resource") != "https://graph.microsoft.com" ||
			r.Header.Get("X-IDENTITY-HEADER") != "header-of-the-host" {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"access_token":"t1","expires_on":"%d","resource":"r","token_type":"Bearer"}`,
			time.Now().Add(24*time.Hour).Unix())
	})
	c, err := Credential("worldwide", client)
	if err != nil {
		t.Fatal(err)
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d requests before a token is needed", n)
	}
	for range 3 {
		token, err := c.GetToken(t.Context(), request())
		if err != nil || token.Token != "t1" {
			t.Fatalf("token %q, error %v", token.Token, err)
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d requests for one token", n)
	}
}

func TestErrorsHoldNothingOfTheAnswer(t *testing.T) {
	const client = "00000000-0000-0000-0000-000000000002" // azidentity keeps tokens by client, for all tests
	identity(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_request","error_description":"AADSTS700016: no jane@contoso.com hunter2"}`)
	})
	c, err := Credential("usgov-dod", client)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.GetToken(t.Context(), request())
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	if got, want := err.Error(), "sign in: status 400, AADSTS700016"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	var final interface{ NonRetriable() }
	if !errors.As(err, &final) {
		t.Error("the SDK would try again what azidentity has tried already")
	}
	if errors.Unwrap(err) != nil {
		t.Error("the inner error can be reached")
	}
}

func TestCancelled(t *testing.T) {
	identity(t, func(http.ResponseWriter, *http.Request) {})
	c, err := Credential("china", "00000000-0000-0000-0000-000000000003")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.GetToken(ctx, request()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestClouds(t *testing.T) {
	for name, want := range map[string]string{
		"worldwide":  "https://login.microsoftonline.com/",
		"usgov-high": "https://login.microsoftonline.us/",
		"usgov-dod":  "https://login.microsoftonline.us/",
		"china":      "https://login.chinacloudapi.cn/",
	} {
		c, err := cloudConfiguration(name)
		if err != nil || c.ActiveDirectoryAuthorityHost != want {
			t.Errorf("%s: %q, %v", name, c.ActiveDirectoryAuthorityHost, err)
		}
		if _, err := Credential(name, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "moon", "AzurePublic"} {
		if c, err := Credential(name, ""); err == nil || c != nil {
			t.Errorf("%q: %v, %v", name, c, err)
		}
	}
}

func TestFixedForThisMachineOnly(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://127.0.0.1:8080/v1.0":        true,
		"http://127.9.9.9":                  true,
		"http://localhost:8080":             true,
		"https://LOCALHOST":                 true,
		"http://[::1]:8080":                 true,
		"https://graph.microsoft.com":       false,
		"http://127.0.0.1.example.com":      false,
		"http://localhost.example.com":      false,
		"http://127.0.0.1@example.com":      false,
		"http://a:b@127.0.0.1":              false,
		"http://0.0.0.0":                    false,
		"http://[::]":                       false,
		"http://10.0.0.1":                   false,
		"ftp://127.0.0.1":                   false,
		"127.0.0.1":                         false,
		"http://2130706433":                 false,
		"http://[::ffff:127.0.0.1]:80":      true,
		"http://[::1%25eth0]":               false,
		"":                                  false,
		"http://":                           false,
		"https://graph.microsoft.com#@[::1": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			if ok {
				t.Errorf("%q: %v", address, err)
			}
			continue
		}
		c, err := FixedFor(u, "local")
		if (err == nil) != ok || (c != nil) != ok {
			t.Errorf("FixedFor(%q) = %v, %v", address, c, err)
			continue
		}
		if !ok {
			continue
		}
		token, err := c.GetToken(t.Context(), request())
		if err != nil || token.Token != "local" || time.Until(token.ExpiresOn) < time.Minute {
			t.Errorf("%q: %v, %v", address, token, err)
		}
	}
	if c, err := FixedFor(nil, "local"); err == nil || c != nil {
		t.Error("nil is accepted")
	}
	if c, err := FixedFor(&url.URL{Scheme: "http", Host: "127.0.0.1"}, ""); err == nil || c != nil {
		t.Error("an empty token is accepted")
	}
}

func TestFixedDoesNotPrint(t *testing.T) {
	c, err := FixedFor(&url.URL{Scheme: "http", Host: "127.0.0.1"}, "hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, struct{ c any }{c}); strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}

// No answer is decompressed: a few kilobytes would become gigabytes.
func TestAnswersAreNotDecompressed(t *testing.T) {
	calls := identity(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("Accept-Encoding: %q", got)
		}
		fmt.Fprintf(w, `{"access_token":"t1","expires_on":"%d","resource":"r","token_type":"Bearer"}`,
			time.Now().Add(24*time.Hour).Unix())
	})
	c, err := Credential("worldwide", "00000000-0000-0000-0000-000000000009") // azidentity keeps tokens by client
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetToken(t.Context(), request()); err != nil || calls.Load() != 1 {
		t.Errorf("%d requests, %v", calls.Load(), err)
	}
}
