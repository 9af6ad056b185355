// Package credentials holds what fetch signs in with. A secret in a vault is read at the start of each run, and once
// more if it is refused in the middle of one. Credentials are those at the TeleMessage site.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"

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
	fixed    settings.Secret        // the password, if kept is nil
	kept     *Kept[settings.Secret] // nil: the password never changes
}

// Fixed returns credentials that never change.
func Fixed(username string, password settings.Secret) *Credentials {
	return &Credentials{username: username, fixed: password}
}

// InVault returns credentials whose password is kept in a vault. They have none before Refresh.
func InVault(username string, source Source) *Credentials {
	return &Credentials{username: username, kept: &Kept[settings.Secret]{Read: source.Read,
		Same: func(a, b settings.Secret) bool { return a.Reveal() == b.Reveal() }}}
}

// Authorize adds the credentials to a request (HTTP Basic, RFC 7617).
func (c *Credentials) Authorize(r *http.Request) {
	password := c.fixed
	if c.kept != nil {
		password = c.kept.Value()
	}
	r.SetBasicAuth(c.username, password.Reveal())
}

// Refresh reads the password at the start of a run. Without it the site must not be called: a refused password counts
// towards locking the account. The error matches funchost.ErrUnavailable if the vault did not answer, and
// funchost.ErrSettings if a person has to act; it wraps the *vault.Error, which says what to do. A context that ends is
// returned as its cause.
func (c *Credentials) Refresh(ctx context.Context) error {
	if c.kept == nil {
		return nil
	}
	err := c.kept.Refresh(ctx)
	failed, ok := errors.AsType[*vault.Error](err)
	switch {
	case ok && failed.Away:
		return fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	case ok:
		return fmt.Errorf("%w: %w", funchost.ErrSettings, err)
	}
	return err
}

// Renew reads the password once more after the site refused it, as Kept.Renew does.
func (c *Credentials) Renew(ctx context.Context) (changed bool, err error) {
	if c.kept == nil {
		return false, nil
	}
	return c.kept.Renew(ctx)
}
