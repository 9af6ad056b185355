// Package credentials holds the user name and the password with which fetch signs in at the TeleMessage site. A
// password in a vault is read at the start of each run, and once more if the site refuses it in the middle of one.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"o2archiver/shared/funchost"
	"o2archiver/shared/settings"
	"o2archiver/shared/vault"
)

// Source is where the password is kept: a *vault.Secret.
type Source interface {
	// Read returns the password as it is now. It retries by itself; its errors are a *vault.Error or ctx's cause.
	Read(ctx context.Context) (settings.Secret, error)
}

// Credentials is a user name and its password. It is safe for concurrent use.
type Credentials struct {
	username string
	source   Source // nil: the password never changes

	mu       sync.Mutex
	password settings.Secret
	renewed  bool // the password was read once more in this run
}

// Fixed returns credentials that never change.
func Fixed(username string, password settings.Secret) *Credentials {
	return &Credentials{username: username, password: password}
}

// InVault returns credentials whose password is kept in a vault. They have none before Refresh.
func InVault(username string, source Source) *Credentials {
	return &Credentials{username: username, source: source}
}

// Authorize adds the credentials to a request (HTTP Basic, RFC 7617).
func (c *Credentials) Authorize(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.SetBasicAuth(c.username, c.password.Reveal())
}

// Refresh reads the password at the start of a run. Without it the site must not be called: a refused password counts
// towards locking the account. The error matches funchost.ErrUnavailable if the vault did not answer, and
// funchost.ErrSettings if a person has to act; it wraps the *vault.Error, which says what to do. A context that ends is
// returned as its cause.
func (c *Credentials) Refresh(ctx context.Context) error {
	if c.source == nil {
		return nil
	}
	password, err := c.source.Read(ctx)
	failed, ok := errors.AsType[*vault.Error](err)
	switch {
	case ok && failed.Away:
		return fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	case ok:
		return fmt.Errorf("%w: %w", funchost.ErrSettings, err)
	case err != nil:
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.password, c.renewed = password, false
	return nil
}

// Renew reads the password once more after the site refused it, and reports whether it is another one than before.
// It does so once after each Refresh: what the site refuses twice in one run is wrong, and more tries may lock the
// account.
func (c *Credentials) Renew(ctx context.Context) (changed bool, err error) {
	c.mu.Lock()
	skip := c.source == nil || c.renewed
	c.mu.Unlock()
	if skip {
		return false, nil
	}
	password, err := c.source.Read(ctx)
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // the vault was not heard: the next refusal asks it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed = true
	if err != nil || password.Reveal() == c.password.Reveal() {
		return false, err
	}
	c.password = password
	return true, nil
}
