package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// hasWorked reports whether the archive works by the settings of its deployment, or ever did: an administrator has
// started an app by command, fetch has shown a progress, or import has written to a mailbox. A set-up does not stop
// such an archive.
func (s *Setup) hasWorked(ctx context.Context, c control.Connector) (bool, error) {
	for _, paused := range c.Paused {
		if !paused {
			return true, nil
		}
	}
	switch _, err := status.NewReader(s.opts.Status).Progress(ctx); {
	case err == nil, errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		return true, nil
	case !errors.Is(err, archive.ErrNotFound):
		return false, err
	}
	var names json.RawMessage
	switch _, err := s.opts.Reports.GetLarge(ctx, tally.NamesDocument, &names, maxReport); {
	case err == nil, errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		return true, nil
	case !errors.Is(err, archive.ErrNotFound):
		return false, fmt.Errorf("read a report of import: %w", err)
	}
	return false, nil
}
