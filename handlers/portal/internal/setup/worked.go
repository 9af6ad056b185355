package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// hasWorked reports whether the archive works by the settings of its deployment, or ever did: an administrator has
// started an app by command, fetch has fetched something, or import has written to a mailbox. A set-up does not stop
// such an archive. A run of fetch that failed, or was paused, is no work: it shows a progress, too.
func (s *Setup) hasWorked(ctx context.Context, c control.Connector) (bool, error) {
	for _, paused := range c.Paused {
		if !paused {
			return true, nil
		}
	}
	if fetched, _, err := s.hasFetched(ctx); err != nil || fetched {
		return fetched, err
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

// hasFetched reports whether fetch has ever read anything of its source: a window or a ZIP that was closed, or a part
// of an open one. planned is the time from which on items of a site are still to be fetched, or the zero time; a run
// that could not sign in has planned, too. A progress that can't be read, of a later version perhaps, counts as work.
func (s *Setup) hasFetched(ctx context.Context) (fetched bool, planned time.Time, err error) {
	reader := status.NewReader(s.opts.Status)
	p, err := reader.Progress(ctx)
	switch {
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		return true, time.Time{}, nil
	case err != nil && !errors.Is(err, archive.ErrNotFound):
		return false, time.Time{}, err
	}
	isRead := func(w status.Window) bool { return w.Received > 0 || w.Batches > 0 || w.Copied > 0 || w.Read }
	if p.Finished > 0 || slices.ContainsFunc(p.Windows, isRead) {
		return true, p.Watermark, nil
	}
	runs, _, err := reader.Runs(ctx, "", 1)
	return len(runs) > 0, p.Watermark, err
}

// workOrHold reports whether the archive works while its set-up is under way. If it never has, nothing runs before the
// end of the set-up from here on: a run of fetch would sign in with the secrets that are about to be stored. The first
// step has seen to that already, unless an earlier version of this program took a run that had failed for work.
func (s *Setup) workOrHold(ctx context.Context, now control.Connector) (worked bool, err error) {
	if !now.IsSetUp() {
		return false, nil
	}
	if worked, err = s.hasWorked(ctx, now); err != nil || worked {
		return worked, err
	}
	return false, s.updateConnector(ctx, func(c *control.Connector) error {
		switch {
		case c.Finished != nil:
			return errFinished
		case c.Unfinished:
			return errSame
		}
		c.Unfinished = true
		return nil
	})
}
