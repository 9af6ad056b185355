// Package vault reads or stores one secret of an Azure Key Vault: a password or a private key with which fetch signs in
// where the items come from. What reads it, a Secret, can't store it, and what stores it, a Writer, can't read it.
// It is the only package that uses azsecrets.
package vault

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"o2archiver/shared/azure"
	"o2archiver/shared/settings"
	"o2archiver/shared/signin"
)

const (
	tryTime   = 20 * time.Second // of one try: the request, the vault's challenge, the token, and the request again
	readTime  = 75 * time.Second // of all tries
	maxAnswer = 256 << 10        // bytes of an answer that are read; a secret has at most 25,600

	localToken = "local" // the token that the stand-in on this machine accepts
)

// Config is a secret's address, and the way to it.
type Config struct {
	Address    *url.URL               // https://<vault>.vault.azure.net/secrets/<name>, as package settings accepts it
	Credential azcore.TokenCredential // for the vault; not used for a stand-in on this machine
	HTTP       http.RoundTripper      // nil: http.DefaultTransport
	Now        func() time.Time       // nil: time.Now

	Thing   string // that the secret holds, for errors, e.g. password
	Setting string // that has the address, for errors
	Script  string // that stores the secret, for errors, e.g. infra/password
	// Parse returns the value of a text, or an error that does not contain it.
	Parse func(text string) (settings.Secret, error)
}

// Secret is a client of one secret. It is safe for concurrent use.
type Secret struct {
	client *azsecrets.Client
	name   string
	now    func() time.Time
	parse  func(text string) (settings.Secret, error)
	words
}

// Open returns the secret of a configuration. It makes no request. Its errors do not repeat the address.
func Open(c Config) (*Secret, error) {
	if c.Address == nil || c.Address.Scheme != "https" || c.Address.Host == "" || c.Address.User != nil {
		return nil, errors.New("open the vault: the secret's address is not an https address")
	}
	name, ok := strings.CutPrefix(c.Address.Path, "/secrets/")
	if !ok || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("open the vault: the secret's address does not end with /secrets/ and the secret's name")
	}
	// The vault's challenge names the resource that a token is requested for. The SDK accepts it only if the vault's
	// host is in that resource's domain. That cannot hold for a stand-in on this machine, so it gets a token that
	// opens nothing else.
	local := azure.IsLoopback(c.Address.Hostname())
	if local {
		var err error
		if c.Credential, err = signin.FixedFor(c.Address, localToken); err != nil {
			return nil, err
		}
	}
	if c.Credential == nil {
		return nil, errors.New("open the vault: there is no credential for it")
	}
	options := &azsecrets.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Transport: &http.Client{
				Transport: limitedTransport{cmp.Or(c.HTTP, http.DefaultTransport)},
				// Key Vault does not redirect, and another host must not supply a password.
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
			Retry: policy.RetryOptions{MaxRetries: 3, RetryDelay: 500 * time.Millisecond,
				MaxRetryDelay: 8 * time.Second, TryTimeout: tryTime},
			PerRetryPolicies: service.Policies(),
		},
		DisableChallengeResourceVerification: local,
	}
	client, err := azsecrets.NewClient("https://"+c.Address.Host, c.Credential, options)
	if err != nil {
		return nil, errors.New("open the vault: its address cannot be used")
	}
	s := &Secret{client: client, name: name, now: c.Now, parse: c.Parse,
		words: words{thing: c.Thing, setting: c.Setting, script: c.Script}}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Read returns the latest version of the secret. While the vault is unavailable it retries, for little more than a
// minute in all. Its errors are an *Error or ctx's cause.
func (s *Secret) Read(ctx context.Context) (settings.Secret, error) {
	bounded, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	answer, err := s.client.GetSecret(bounded, s.name, "", nil)
	switch {
	case ctx.Err() != nil:
		return settings.Secret{}, context.Cause(ctx)
	case err != nil:
		return settings.Secret{}, s.explainError(err)
	}
	return s.takeValue(answer.Secret)
}

// takeValue returns the value of a secret that may be used now. Key Vault, about secrets, date-time controlled
// operations: it returns an expired secret, and one that is not valid yet, like any other.
func (s *Secret) takeValue(secret azsecrets.Secret) (settings.Secret, error) {
	if a := secret.Attributes; a != nil {
		switch now := s.now(); {
		case a.Enabled != nil && !*a.Enabled:
			return settings.Secret{}, s.disabledError()
		case a.Expires != nil && !now.Before(*a.Expires):
			return settings.Secret{}, &Error{
				Says: "the " + s.thing + " in the vault has expired",
				Do:   "store the " + s.thing + " again with " + s.script + ", or take the secret's expiry date away",
			}
		case a.NotBefore != nil && now.Before(*a.NotBefore):
			return settings.Secret{}, &Error{
				Says: "the " + s.thing + " in the vault is not valid yet",
				Do: "store the " + s.thing + " again with " + s.script +
					", or take the secret's activation date away",
			}
		}
	}
	text := ""
	if secret.Value != nil {
		text = *secret.Value
	}
	value, err := s.parse(text)
	if err != nil {
		return settings.Secret{}, &Error{
			Says: "the vault's secret can't be a " + s.thing + ": it " + err.Error(),
			Do:   "store the " + s.thing + " again with " + s.script,
		}
	}
	return value, nil
}

// limitedTransport is a transport whose answers end with an error after maxAnswer bytes: the SDK reads them whole.
type limitedTransport struct{ inner http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.inner.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}
