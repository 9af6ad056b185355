package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// The stand-in is held to Microsoft's own client.

const name = "telemessage-password"

// bearer is a credential that always has that token.
type bearer string

func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(b), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// serve starts a vault with three tokens, and returns it with a transport that trusts its certificate.
func serve(t *testing.T) (*Vault, *Server, *http.Client) {
	t.Helper()
	v := New(map[string]int{"reader": MayRead, "writer": MayStore, "both": MayRead | MayStore}, nil)
	s, err := Serve(v, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	raw, err := os.ReadFile(s.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(raw) {
		t.Fatal("the file holds no certificate")
	}
	way := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(way.CloseIdleConnections)
	return v, s, &http.Client{Transport: way}
}

// client returns Microsoft's client with a token.
func client(t *testing.T, s *Server, way *http.Client, token string) *azsecrets.Client {
	t.Helper()
	c, err := azsecrets.NewClient(s.URL, bearer(token), &azsecrets.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Transport: way, Retry: policy.RetryOptions{MaxRetries: -1}},
		DisableChallengeResourceVerification: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused checks the status and the code of a refusal; inner is its inner code, or a part of its text.
func refused(t *testing.T, err error, status int, code, inner string) {
	t.Helper()
	e, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || e.StatusCode != status || e.ErrorCode != code || !strings.Contains(e.Error(), inner) {
		t.Errorf("%v, want %d %s with %q", err, status, code, inner)
	}
}

func TestVersions(t *testing.T) {
	v, s, way := serve(t)
	both := client(t, s, way, "both")
	var first *azsecrets.ID
	for _, value := range []string{"one", "two"} {
		set, err := both.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: to.Ptr(value)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = set.ID
		}
		got, err := both.GetSecret(t.Context(), name, "", nil)
		if err != nil || *got.Value != value || got.ID.Version() != set.ID.Version() || got.ID.Name() != name ||
			!*got.Attributes.Enabled {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if got, err := both.GetSecret(t.Context(), name, first.Version(), nil); err != nil || *got.Value != "one" {
		t.Errorf("the first version: %+v, %v", got, err)
	}
	if v.Reads() != 3 {
		t.Errorf("%d reads", v.Reads())
	}
	v.Delete(name)
	_, err := both.GetSecret(t.Context(), name, "", nil)
	refused(t, err, http.StatusNotFound, "SecretNotFound", "was not found in this key vault")
}

func TestRightsAndRefusals(t *testing.T) {
	v, s, way := serve(t)
	v.Put(name, "one", Attributes{})
	reader, writer := client(t, s, way, "reader"), client(t, s, way, "writer")
	_, err := reader.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil)
	refused(t, err, http.StatusForbidden, "Forbidden", "ForbiddenByRbac")
	_, err = writer.GetSecret(t.Context(), name, "", nil)
	refused(t, err, http.StatusForbidden, "Forbidden", "ForbiddenByRbac")
	_, err = client(t, s, way, "stranger").GetSecret(t.Context(), name, "", nil)
	refused(t, err, http.StatusUnauthorized, "Unauthorized", "AKV10022")
	_, err = reader.GetSecret(t.Context(), "no_name", "", nil)
	refused(t, err, http.StatusBadRequest, "BadParameter", "invalid name")
	_, err = reader.GetSecret(t.Context(), "other", "", nil)
	refused(t, err, http.StatusNotFound, "SecretNotFound", "")
	_, err = writer.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{}, nil)
	refused(t, err, http.StatusBadRequest, "BadParameter", "no secret")
	_, err = writer.SetSecret(t.Context(), name,
		azsecrets.SetSecretParameters{Value: to.Ptr(strings.Repeat("x", maxValue+1))}, nil)
	refused(t, err, http.StatusBadRequest, "BadParameter", "too long")
	_, err = reader.DeleteSecret(t.Context(), name, nil)
	refused(t, err, http.StatusMethodNotAllowed, "MethodNotAllowed", "")
	v.Fail(1, http.StatusServiceUnavailable, "")
	_, err = reader.GetSecret(t.Context(), name, "", nil)
	refused(t, err, http.StatusServiceUnavailable, "Service Unavailable", "")
	v.Allow("reader", 0)
	_, err = reader.GetSecret(t.Context(), name, "", nil)
	refused(t, err, http.StatusForbidden, "Forbidden", "ForbiddenByRbac")
	v.Put(name, "two", Attributes{Disabled: true})
	_, err = client(t, s, way, "both").GetSecret(t.Context(), name, "", nil)
	refused(t, err, http.StatusForbidden, "Forbidden", "SecretDisabled")
}

// An expired secret, and one that is not valid yet, is returned, with its dates.
func TestDates(t *testing.T) {
	_, s, way := serve(t)
	both := client(t, s, way, "both")
	early, late := time.Now().Add(-time.Hour).Truncate(time.Second), time.Now().Add(time.Hour).Truncate(time.Second)
	for _, a := range []azsecrets.SecretAttributes{{Expires: &early}, {NotBefore: &late}} {
		_, err := both.SetSecret(t.Context(), name,
			azsecrets.SetSecretParameters{Value: to.Ptr("one"), SecretAttributes: &a}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := both.GetSecret(t.Context(), name, "", nil)
		if err != nil || a.Expires != nil && !got.Attributes.Expires.Equal(early) ||
			a.NotBefore != nil && !got.Attributes.NotBefore.Equal(late) {
			t.Errorf("%+v, %v", got.Attributes, err)
		}
	}
}

// The first request is challenged: it has no token, and a PUT no body.
func TestChallenge(t *testing.T) {
	_, s, way := serve(t)
	resp, err := way.Get(s.URL + "/secrets/" + name + "/?api-version=7.5")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	challenge := resp.Header.Get("WWW-Authenticate")
	const begin, end = `Bearer authorization="https://login.microsoftonline.com/`, `resource="https://vault.azure.net"`
	if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(challenge, begin) ||
		!strings.HasSuffix(challenge, end) || resp.Header.Get("x-ms-request-id") == "" {
		t.Errorf("status %d, challenge %q", resp.StatusCode, challenge)
	}
	// Without TLS, and to one who does not know the certificate, there is nothing.
	if resp, err := http.Get(strings.Replace(s.URL, "https://", "http://", 1)); err == nil {
		if resp.Body.Close(); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: status %d", resp.StatusCode)
		}
	}
	if resp, err := http.Get(s.URL); err == nil {
		resp.Body.Close()
		t.Error("the certificate is trusted by everyone")
	}
}

func TestAPIVersionIsRequired(t *testing.T) {
	_, s, way := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/secrets/"+name+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer reader")
	resp, err := way.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", resp.StatusCode)
	}
}
