package main

import (
	"context"
	"fmt"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/shared/funchost"
)

// routes returns the app's functions by their routes. If refused, the error of the settings, is not nil, each returns
// it.
func routes(c *collector.Collector, refused error) map[string]funchost.Func {
	return map[string]funchost.Func{
		// POST /fetch: the host's retry policy retries it on anything but success; a window resumes where it stopped.
		"fetch": func(ctx context.Context, inv *funchost.Invocation) (any, error) {
			if refused != nil {
				return nil, fmt.Errorf("%w: %w", funchost.ErrSettings, refused)
			}
			input, _ := inv.Input("timer")
			return c.Run(ctx, inv.ID, input, inv.Log)
		},
	}
}
