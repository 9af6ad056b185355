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
func (w turnWork) check(ctx context.Context) (links []control.Link) {
	switch {
	case w.err != nil:
		return []control.Link{{Link: "settings", State: control.LinkFailed, Says: w.err.Error(),
			Do: "correct what it names: in the app's settings, or where settings/connector.json is made"}}
	case w.Links == nil:
		return []control.Link{{Link: "settings", State: control.LinkUnknown, Says: "not set up yet: " + w.NotSetUp,
			Do: "finish the set-up, and check again"}}
	}
	for _, c := range w.Links() {
		links = append(links, control.TryLink(ctx, c.Link, linkTime, c.Try, c.Do))
	}
	return links
}
