package main

import (
	"context"
	"fmt"

	"o2archiver/shared/funchost"
)

// routes returns the app's functions by their routes. If refused, the error of the settings, is not nil, each returns
// it.
func routes(e *engines, refused error) map[string]funchost.Func {
	guard := func(f funchost.Func) funchost.Func {
		return func(ctx context.Context, inv *funchost.Invocation) (any, error) {
			if refused != nil {
				return nil, fmt.Errorf("%w: %w", funchost.ErrSettings, refused)
			}
			return f(ctx, inv)
		}
	}
	return map[string]funchost.Func{
		// POST /fetch: the host's retry policy retries it on anything but success; what is not finished resumes where
		// it stopped.
		"fetch": guard(func(ctx context.Context, inv *funchost.Invocation) (any, error) {
			input, _ := inv.Input("timer")
			return e.source.Fetch(ctx, inv.ID, input, inv.Log)
		}),
		// POST /command: success if every command had its turn, whatever its answer is.
		"command": guard(func(ctx context.Context, inv *funchost.Invocation) (any, error) {
			return e.commands.Turn(ctx, inv.Log)
		}),
	}
}
