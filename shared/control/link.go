package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
)

// ErrNotTried matches the error of a link that was not tried, because another one does not work.
var ErrNotTried = errors.New("not tried")

// TryLink tries one link for at most limit, and returns its result. What try returns beside nil is shown after "works".
// do returns what helps against an error.
func TryLink(ctx context.Context, link string, limit time.Duration, try func(context.Context) (string, error),
	do func(error) string) Link {
	if ctx.Err() != nil {
		return Link{Link: link, State: LinkUnknown, Says: "there was no time left to try it", Do: "check again"}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	more, err := try(ctx)
	switch {
	case errors.Is(err, ErrNotTried):
		return Link{Link: link, State: LinkUnknown, Says: err.Error(), Do: do(err)}
	case errors.Is(err, context.DeadlineExceeded):
		return Link{Link: link, State: LinkFailed, Says: fmt.Sprintf("no answer within %v", limit), Do: do(err)}
	case err != nil:
		return Link{Link: link, State: LinkFailed, Says: err.Error(), Do: do(err)}
	case more != "":
		return Link{Link: link, State: LinkOK, Says: "works; " + more}
	}
	return Link{Link: link, State: LinkOK, Says: "works"}
}

// OnlyError returns a function for TryLink that has nothing to add to "works".
func OnlyError(try func(context.Context) error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return "", try(ctx) }
}

// SumUp returns one sentence about the links.
func SumUp(links []Link) string {
	bad := 0
	for _, l := range links {
		if l.State != LinkOK {
			bad++
		}
	}
	if bad == 0 {
		return fmt.Sprintf("all %d links work", len(links))
	}
	return fmt.Sprintf("%d of %d links do not work, or could not be tried", bad, len(links))
}

// HelpStorage returns what helps against an error of the archive's storage.
func HelpStorage(err error) string {
	if errors.Is(err, archive.ErrDenied) {
		return "a role that was assigned a moment ago takes effect within ten minutes; otherwise " +
			"run azd provision again"
	}
	return "look at the storage account's health and network in the Azure portal, and check again"
}
