package mailbox

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"o2archiver/shared/lock"
)

// tokens caches the one token for Graph until shortly before it expires.
type tokens struct {
	credential azcore.TokenCredential
	scope      string
	now        func() time.Time

	// requesting is held while a token is requested. The other callers wait for that token, each with its own context.
	requesting lock.Mutex

	mu      sync.Mutex
	current azcore.AccessToken
	claims  string // the claims that Graph requires of the next token
}

func newTokens(credential azcore.TokenCredential, base *url.URL, now func() time.Time) *tokens {
	return &tokens{credential: credential, scope: "https://" + base.Host + "/.default", now: now,
		requesting: lock.New()}
}

// get returns the cached token, or a new one from the credential.
func (t *tokens) get(ctx context.Context) (string, error) {
	if token, _ := t.valid(); token != "" {
		return token, nil
	}
	if err := t.requesting.Lock(ctx); err != nil {
		return "", err
	}
	defer t.requesting.Unlock()
	token, wanted := t.valid()
	if token != "" {
		return token, nil
	}
	fresh, err := t.credential.GetToken(ctx, policy.TokenRequestOptions{
		Scopes: []string{t.scope}, Claims: wanted, EnableCAE: true,
	})
	if err != nil {
		if old := t.last(); old != "" {
			return old, nil // not expired yet: it was to be renewed early
		}
		return "", err
	}
	if fresh.Token == "" {
		return "", errors.New("the credential gave an empty token")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current, t.claims = fresh, ""
	return fresh.Token, nil
}

// valid returns the cached token, or "" if it has to be renewed, and then the claims for the next one.
func (t *tokens) valid() (token, wanted string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, current := t.now(), t.current
	early := current.ExpiresOn.Add(-5 * time.Minute)
	if !current.RefreshOn.IsZero() && current.RefreshOn.Before(early) {
		early = current.RefreshOn
	}
	if current.Token == "" || !now.Before(early) {
		return "", t.claims
	}
	return current.Token, ""
}

// last returns the cached token if it has not expired, otherwise "".
func (t *tokens) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now().Before(t.current.ExpiresOn) {
		return t.current.Token
	}
	return ""
}

// refuse drops token, to which Graph answered 401, and stores the claims that the answer required. If another token
// has been cached meanwhile, refuse does nothing.
func (t *tokens) refuse(token, wanted string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Token == token {
		t.current = azcore.AccessToken{}
		t.claims = wanted
	}
}

var claimsParameter = regexp.MustCompile(`(?i)\bclaims="([^"]*)"`)

// claimsChallenge returns the claims in a continuous access evaluation challenge, "" if there are none.
func claimsChallenge(challenge string) string {
	found := claimsParameter.FindStringSubmatch(challenge)
	if found == nil || len(found[1]) > 4096 {
		return ""
	}
	for _, encoding := range []*base64.Encoding{
		base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
	} {
		if plain, err := encoding.DecodeString(found[1]); err == nil {
			return string(plain)
		}
	}
	return ""
}
