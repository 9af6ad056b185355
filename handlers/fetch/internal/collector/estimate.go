package collector

import (
	"context"
	"fmt"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/funchost"
)

// CountRange asks the site for its own count of the items in each window of a range, beginning with the window of that
// index, and passes each answer to each, until that returns an error; known is false if the site states no count. It
// needs no lease and writes nothing. If the range cannot be fetched, the error matches funchost.ErrInput; if the site
// refuses the credentials, client.ErrCredentials.
func (c *Collector) CountRange(ctx context.Context, wanted schedule.Range, window int,
	each func(items int64, known bool) error) error {
	if err := wanted.Check(c.now()); err != nil {
		return err
	}
	if c.signIn != nil {
		if err := c.signIn(ctx); err != nil {
			return err
		}
	}
	for ; window < wanted.Windows(); window++ {
		part := wanted.Window(window)
		items, known, err := c.site.Count(ctx, part.From, part.To)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", funchost.ErrUnavailable, context.Cause(ctx))
		case err != nil:
			return err
		}
		if err := each(items, known); err != nil {
			return err
		}
	}
	return nil
}
