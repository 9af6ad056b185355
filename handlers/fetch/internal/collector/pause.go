package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// errPaused reports that the administrator paused fetch.
var errPaused = errors.New("fetch is paused")

// checkPause returns errPaused if no further page is to be read.
func (c *Collector) checkPause(ctx context.Context) error {
	if c.paused == nil {
		return nil
	}
	paused, err := c.paused.Paused(ctx)
	if err != nil {
		return fmt.Errorf("ask whether fetch is paused: %w", err)
	}
	if paused {
		return errPaused
	}
	return nil
}

// notePause turns errPaused into a result: a pause is no failure, and the next run continues where this one stopped.
// Another error is returned as it is.
func (inv *invocation) notePause(err error, state *savedState, res *Result, log *slog.Logger) error {
	if !errors.Is(err, errPaused) {
		return err
	}
	res.Paused, inv.paused, inv.active = true, true, nil
	state.report()
	log.Warn("fetch is paused: no further page is read until it is started again", "event", "fetch.paused")
	return nil
}
