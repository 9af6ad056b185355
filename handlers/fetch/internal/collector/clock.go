package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
)

const (
	// maxSkew is how far this host's clock may be ahead of the storage's clock. Beyond it the storage's clock is used.
	maxSkew = 2 * time.Minute

	// visible is the maximum time after its archivedTime at which an item becomes visible at the site.
	visible = 5 * time.Minute

	// maxLookedAt is the maximum number of days, and then of runs, that fetchedUpTo examines.
	maxLookedAt = 200
)

// errAhead reports that a time that should be past lies in the future.
var errAhead = errors.New("a time lies in the future")

// planningTime returns the time up to which windows may be planned: this host's, or the storage's if this host's clock
// is more than maxSkew ahead of it. A window that is planned too early finds nothing and is never requested again.
func (c *Collector) planningTime(lease *archive.Lease, log *slog.Logger) time.Time {
	now, theirs := c.now(), lease.Time()
	if theirs.IsZero() || now.Sub(theirs) <= maxSkew {
		return now
	}
	log.Error("this host's clock is ahead of the storage's: nothing is planned beyond the storage's time",
		"event", "fetch.clockAhead", "ahead_seconds", int(now.Sub(theirs).Seconds()))
	return theirs
}

// checkEnded returns an error if, by the site's clock, the window has not ended or may not show all its items yet.
func (c *Collector) checkEnded(win *schedule.Window) error {
	theirs := c.site.SiteTime()
	if theirs.IsZero() || !win.To.After(theirs.Add(-visible)) {
		return nil
	}
	return fmt.Errorf("%w: by the site's clock the window has not ended: this host's clock or the site's is wrong",
		errAhead)
}

// planDays plans the daily windows up to now. A checkpoint whose watermark lies in the future, which an earlier version
// saved if FETCH_FROM was in the future, is reset to the end of what has been fetched.
func (c *Collector) planDays(ctx context.Context, state *savedState, now time.Time, log *slog.Logger) error {
	var ahead time.Time
	if state.Planned.After(now) {
		ahead = state.Planned
		fetched, err := c.fetchedUpTo(ctx, ahead)
		if err != nil {
			return err
		}
		state.ResetPlanned(fetched, now)
		if state.Planned.After(now) {
			return fmt.Errorf(
				"%w: the watermark %s was reached by runs that are there, so this host's clock is behind: set it right",
				errAhead, ahead.Format(time.RFC3339))
		}
	}
	if state.Planned.IsZero() && c.from.After(now) {
		log.Error("FETCH_FROM is in the future: nothing is planned", "event", "fetch.startAhead", "from", c.from)
		return fmt.Errorf("%w: FETCH_FROM %s lies in the future: set it to a time that is past, or take it away",
			funchost.ErrSettings, c.from.Format(time.RFC3339))
	}
	if err := c.moveStart(ctx, state, now, log); err != nil {
		return err
	}
	state.PlanDaily(now, c.from)
	if !ahead.IsZero() {
		log.Error("the watermark was in the future: fetching continues where it stopped",
			"event", "fetch.watermarkAhead",
			"before", ahead, "from", state.Watermark())
	}
	return nil
}

// moveStart lets FETCH_FROM take precedence over a plan of which nothing was ever fetched: that of runs that could not
// sign in, for example, before an administrator chose the start. Nothing is lost if the process dies before the new
// plan is saved, for the next run does the same. Without FETCH_FROM the former plan stays, which begins earlier than a
// new one. A batch or manifest, also one that the checkpoint does not know of after a crash, keeps the plan.
func (c *Collector) moveStart(ctx context.Context, state *savedState, now time.Time, log *slog.Logger) error {
	if c.from.IsZero() || c.from.After(now) || !state.BeginsElsewhere(c.from) {
		return nil
	}
	var empty bool
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) (err error) {
		empty, err = c.batches.IsEmpty(ctx)
		return err
	})
	if err != nil || !empty {
		return err
	}
	log.Warn("nothing was fetched yet, and FETCH_FROM is another than what was planned: fetching begins there",
		"event", "fetch.startMoved", "before", state.Watermark(), "from", c.from)
	state.Restart()
	return nil
}

// fetchedUpTo returns the end of the last daily window, up to limit, whose manifest was written after the window had
// ended, by the storage's clock. It returns the zero time if there is none.
func (c *Collector) fetchedUpTo(ctx context.Context, limit time.Time) (time.Time, error) {
	type run struct {
		folder string
		to     time.Time
	}
	var runs []run
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		runs = nil
		days, err := c.batches.Days(ctx)
		if err != nil {
			return err
		}
		for _, day := range days[max(0, len(days)-maxLookedAt):] {
			folders, err := c.batches.Runs(ctx, day)
			if err != nil {
				return err
			}
			for _, folder := range folders {
				if to, ok := layout.DailyEnd(folder); ok && !to.After(limit) {
					runs = append(runs, run{folder, to})
				}
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the last run: %w", err)
	}
	slices.SortFunc(runs, func(a, b run) int { return b.to.Compare(a.to) })
	for _, r := range runs[:min(len(runs), maxLookedAt)] {
		var written time.Time
		err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) (err error) {
			written, err = c.batches.ManifestWritten(ctx, r.folder)
			return err
		})
		switch {
		case errors.Is(err, archive.ErrNotFound):
		case err != nil:
			return time.Time{}, fmt.Errorf("look for the last run: %w", err)
		case !written.Before(r.to.Add(visible)):
			return r.to, nil
		}
	}
	return time.Time{}, nil
}
