package commands

import (
	"context"
	"time"

	"o2archiver/shared/control"
)

// linkTime is the maximum time for checking one link.
const linkTime = 30 * time.Second

// Check checks one thing that the app needs.
type Check struct {
	Link string
	// Try returns nil if the link works, with what is worth showing beside that. It writes nothing that stays.
	Try func(ctx context.Context) (string, error)
	// Do returns what helps, for an error of Try.
	Do func(err error) string
}

// check tries every link. One that hangs does not keep the others from being tried.
func (r *Runner) check(ctx context.Context) (links []control.Link) {
	for _, c := range r.opts.Links {
		links = append(links, control.TryLink(ctx, c.Link, linkTime, c.Try, c.Do))
	}
	return links
}
