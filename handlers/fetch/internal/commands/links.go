package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/vault"
)

// Site is what a check asks of the site.
type Site interface {
	Count(ctx context.Context, from, to time.Time) (total int64, known bool, err error)
}

// SiteLinks returns the checks of the vault, of the site and of the archive's storage, for one check. signIn reads the
// password from the vault, once for both; it is nil if there is none. The site is asked for the number of items of one
// minute: the smallest request that needs the password. Without the password it is not asked, because the site counts
// refused tries.
func SiteLinks(signIn func(context.Context) error, site Site, store *archive.Store, now func() time.Time) []Check {
	var links []Check
	readOnce := func(context.Context) error { return nil }
	if signIn != nil {
		readOnce = signInOnce(signIn)
		links = append(links, vaultLink(readOnce))
	}
	return append(links, []Check{
		{Link: "site",
			Try: control.OnlyError(func(ctx context.Context) error {
				if readOnce(ctx) != nil {
					return fmt.Errorf("%w: the password can't be read from the vault", control.ErrNotTried)
				}
				to := now().UTC().Add(-time.Hour).Truncate(time.Minute)
				_, _, err := site.Count(ctx, to.Add(-time.Minute), to)
				return err
			}),
			Do: func(err error) string {
				if errors.Is(err, control.ErrNotTried) {
					return "do what helps the vault, and check again"
				}
				if errors.Is(err, client.ErrCredentials) {
					return setPassword + ", and compare the user name there or in TELEMESSAGE_USERNAME; " +
						"do not try often, because the site may lock the account"
				}
				return "compare TELEMESSAGE_URL; ask the vendor whether the address EGRESS_ADDRESS " +
					"of this deployment is on their list (docs/source-contract.md has the requests)"
			}},
		storageLink(store),
	}...)
}

// signInOnce returns a function that calls signIn at its first call, and returns the same at each later one: a vault
// that does not answer one link is not asked for the next one. It is not safe for concurrent use.
func signInOnce(signIn func(context.Context) error) func(context.Context) error {
	var called bool
	var failed error
	return func(ctx context.Context) error {
		if !called {
			called, failed = true, signIn(ctx)
		}
		return failed
	}
}

// vaultLink returns the check of the vault.
func vaultLink(signIn func(context.Context) error) Check {
	return Check{Link: "vault", Try: control.OnlyError(func(ctx context.Context) error {
		err := signIn(ctx)
		if e, ok := errors.AsType[*vault.Error](err); ok {
			return vaultError{e}
		}
		return err
	}), Do: func(err error) string {
		if e, ok := errors.AsType[vaultError](err); ok {
			return e.inner.Do
		}
		return "look at the vault's network settings and at the health of Key Vault in Azure, and check again"
	}}
}

// vaultError is what a vault's error says, without what to do: a link has a place of its own for that.
type vaultError struct{ inner *vault.Error }

func (e vaultError) Error() string { return e.inner.Says }

// storageLink returns the check of the rights that fetch needs on the archive's containers. more are those that only
// one intake needs.
func storageLink(store *archive.Store, more ...containerCheck) Check {
	all := append([]containerCheck{
		{archive.SettingsContainer, store.Settings().CheckRead},
		{archive.BatchesContainer, store.Batches().CheckRead},
		{archive.BatchesContainer, store.Batches().CheckWrite},
		{archive.MediaContainer, store.Media().CheckWrite},
		{archive.CheckpointsContainer, store.Checkpoints().CheckWrite},
	}, more...)
	return Check{Link: "storage", Do: control.HelpStorage, Try: control.OnlyError(func(ctx context.Context) error {
		for _, c := range all {
			if err := c.try(ctx); err != nil {
				return fmt.Errorf("container %s: %w", c.container, err)
			}
		}
		return nil
	})}
}

// containerCheck tries one right on one container.
type containerCheck struct {
	container string
	try       func(context.Context) error
}
