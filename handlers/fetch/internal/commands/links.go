package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/source/telemessage/client"
)

// Site is what a check asks of the site.
type Site interface {
	Count(ctx context.Context, from, to time.Time) (total int64, known bool, err error)
}

// Links returns the checks of the site and of the archive's storage. The site is asked for the number of items of one
// minute: the smallest request that needs the password.
func Links(site Site, store *archive.Store, now func() time.Time) []Check {
	return []Check{
		{Link: "site",
			Try: func(ctx context.Context) error {
				to := now().UTC().Add(-time.Hour).Truncate(time.Minute)
				_, _, err := site.Count(ctx, to.Add(-time.Minute), to)
				return err
			},
			Do: func(err error) string {
				if errors.Is(err, client.ErrCredentials) {
					return "set the password with infra/password, and compare TELEMESSAGE_USERNAME; " +
						"do not try often, because the site may lock the account"
				}
				return "compare TELEMESSAGE_URL; ask the vendor whether the address EGRESS_ADDRESS of this deployment " +
					"is on their list (docs/source-contract.md has the requests)"
			}},
		{Link: "storage",
			Try: func(ctx context.Context) error { return checkStorage(ctx, store) },
			Do: func(err error) string {
				if errors.Is(err, archive.ErrDenied) {
					return "a role that was assigned a moment ago takes effect within ten minutes; " +
						"otherwise run azd provision again"
				}
				return "look at the storage account's health and network in the Azure portal, and check again"
			}},
	}
}

// checkStorage returns an error if a right is missing that fetch needs on the archive's containers.
func checkStorage(ctx context.Context, store *archive.Store) error {
	for _, c := range []struct {
		container string
		try       func(context.Context) error
	}{
		{archive.SettingsContainer, store.Settings().CheckRead},
		{archive.BatchesContainer, store.Batches().CheckRead},
		{archive.BatchesContainer, store.Batches().CheckWrite},
		{archive.MediaContainer, store.Media().CheckWrite},
		{archive.CheckpointsContainer, store.Checkpoints().CheckWrite},
	} {
		if err := c.try(ctx); err != nil {
			return fmt.Errorf("container %s: %w", c.container, err)
		}
	}
	return nil
}
