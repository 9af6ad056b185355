package collector

import (
	"context"
	"errors"
	"log/slog"

	"o2archiver/shared/funchost"
)

// readCredentials reads the credentials at the site, once in an invocation, and logs why it cannot. The windows that
// are planned stay open then. A service that is away is a warning, because the host tries again, and an alert reports
// that no run has ended for a day.
func (c *Collector) readCredentials(ctx context.Context, inv *invocation, log *slog.Logger) error {
	if c.signIn == nil || inv.signedIn {
		return nil
	}
	err := c.signIn(ctx)
	if err == nil {
		inv.signedIn = true
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	level := slog.LevelError
	if errors.Is(err, funchost.ErrUnavailable) {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "the password at the site can't be read: nothing is fetched until it can, "+
		"and then everything that is due", "event", "fetch.passwordUnreadable", "error", err.Error())
	return err
}
