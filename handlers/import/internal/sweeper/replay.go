package sweeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/archive"
	"o2archiver/shared/azure"
	"o2archiver/shared/funchost"
	"o2archiver/shared/journal"
	"o2archiver/shared/retry"
)

// ReplayGroup is the number of batches of a replay after whose turns its progress is saved.
const ReplayGroup = 16

const (
	maxReplays   = 1000                // open replays
	maxAgain     = 1000                // batches of one replay that need another turn
	replayFor    = 31 * 24 * time.Hour // age at which an unfinished replay is given up and reported
	replayTries  = 100                 // tries that it has in any case: a pause makes it older, and tries nothing
	replayWrites = 20                  // attempts of a conditional write
	maxEnded     = 200                 // ended replays that are remembered
)

// runReplay returns the folder of the run that is replayed.
func (r *Replay) runReplay() string {
	if archive.HasBatchEnding(r.What) {
		return archive.RunOf(r.What)
	}
	return r.What
}

// replay replays a run, or one batch: it maps every record again and creates the copies that are missing.
func (s *sweep) replay(ctx context.Context, what string) (Result, error) {
	names, err := s.named(ctx, what)
	if err != nil {
		return s.res, err
	}
	r := Replay{ID: s.invocation, What: what, At: s.opts.Now().UTC()}
	err = s.updateReplays(ctx, func(state *Replays) error { return state.add(r) })
	if err != nil {
		return s.res, importer.Status(fmt.Errorf("note the replay: %w", err))
	}
	err = s.continueReplay(ctx, &r, names, true, time.Time{})
	return s.res, err
}

// request saves a replay that a command asks for, so that this sweep and later ones continue it. Nothing is saved for a
// command that was saved before.
func (s *sweep) request(ctx context.Context, command, what string, only importer.Selection) error {
	if _, err := s.named(ctx, what); err != nil {
		return err
	}
	r := Replay{ID: command, What: what, Selection: only, At: s.opts.Now().UTC(), Asked: true}
	return s.updateReplays(ctx, func(state *Replays) error {
		if state.Knows(command) {
			return nil
		}
		return state.add(r)
	})
}

// replays returns the replays that are not finished, and gives up those that are too old.
func (s *sweep) replays(ctx context.Context) (open []*Replay, _ error) {
	state, err := s.savedReplays(ctx)
	if err != nil {
		return nil, err
	}
	s.tallied = state.Tally
	for _, run := range state.Tally {
		s.untallied[run] = true
	}
	for _, r := range state.Open {
		if s.opts.Now().Sub(r.At) < replayFor || r.Tries < replayTries {
			open = append(open, &r)
			continue
		}
		s.log.Error("replay given up", "event", "import.replayGivenUp", "run", r.runReplay(), "batches", len(r.Again))
		s.noteResult(s.endReplay(ctx, &r, ReplayTooOld))
	}
	return open, nil
}

// resumeReplays continues interrupted replays, the least tried first, until the time for them is over.
func (s *sweep) resumeReplays(ctx context.Context, open []*Replay, until time.Time) {
	slices.SortStableFunc(open, func(a, b *Replay) int { return cmp.Compare(a.Tries, b.Tries) })
	for _, r := range open {
		if ctx.Err() != nil || hasPassed(until) || s.superseded() {
			return
		}
		s.noteResult(s.resume(ctx, r, until))
	}
}

// resume continues one replay, or ends it if its run or batch no longer exists.
func (s *sweep) resume(ctx context.Context, r *Replay, until time.Time) error {
	names, err := s.named(ctx, r.What)
	if errors.Is(err, funchost.ErrInput) {
		return s.endReplay(ctx, r, ReplayGone)
	}
	if err != nil {
		return err
	}
	r.Tries++
	return s.continueReplay(ctx, r, names, false, until)
}

// continueReplay runs a turn of each batch of the replay that has had none yet, and further turns of those that were
// not finished, until the time is over. The rest is left to the next sweep. A turn is saved before it begins, so that a
// batch that ends the process does not prevent the others from having theirs. byHand reports whether an administrator's
// invocation waits for the result.
func (s *sweep) continueReplay(ctx context.Context, r *Replay, names []string, byHand bool, until time.Time) error {
	// A replay means that the cause of a failure was removed, so cached answers may be wrong.
	if err := s.importer.RefreshRecipients(ctx); err != nil {
		return importer.Status(err)
	}
	var (
		mu      sync.Mutex
		failed  []error
		missing bool
	)
	turns := func(batches []string, idle time.Duration) {
		var group errgroup.Group
		group.SetLimit(longAtOnce)
		for _, name := range batches {
			group.Go(func() error {
				_, err := s.startTurn(ctx, name, idle, s.opts.Times.Long, importer.Delivery{
					Wait: byHand, Replay: true, Only: r.Selection})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil || errors.Is(err, importer.ErrMissing):
					r.Again = slices.DeleteFunc(r.Again, func(again string) bool { return again == name })
					missing = missing || err != nil
					if err == nil && byHand {
						s.res.Finished++
					}
				case len(failed) < 3 && !errors.Is(err, journal.ErrHeld):
					failed = append(failed, err)
				}
				return nil
			})
		}
		_ = group.Wait()
	}
	r.Of = len(names)
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name <= r.After })
	for part := range slices.Chunk(names, ReplayGroup) {
		if ctx.Err() != nil || hasPassed(until) || len(r.Again)+len(part) > maxAgain {
			break
		}
		r.After, r.Again = part[len(part)-1], append(r.Again, part...)
		if err := s.progress(ctx, r); err != nil {
			return importer.Status(err)
		}
		if byHand {
			s.res.Batches += len(part)
		}
		turns(part, s.opts.Times.Idle)
	}
	for range slices.Clone(r.Again) {
		if ctx.Err() != nil || hasPassed(until) || len(r.Again) == 0 {
			break
		}
		part := slices.Clone(r.Again[:1])
		r.Again = append(r.Again[1:], part...)
		if err := s.progress(ctx, r); err != nil {
			return importer.Status(err)
		}
		turns(part, 0)
	}
	left := len(r.Again)
	for _, name := range names {
		if name > r.After {
			left++
		}
	}
	r.Left = left
	switch {
	case missing && byHand:
		return errors.Join(s.endReplay(ctx, r, ReplayGone),
			fmt.Errorf("%w: there is no batch of that name", funchost.ErrInput))
	case missing && archive.IsBatch(r.What):
		return s.endReplay(ctx, r, ReplayGone)
	case left == 0:
		return s.endReplay(ctx, r, ReplayDone)
	}
	s.log.Warn("replay not finished; a later sweep continues", "event", "import.replayNotFinished",
		"run", r.runReplay(), "batches", left)
	err := s.progress(ctx, r)
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(err, cause)
	}
	return errors.Join(append(failed, err)...)
}

// progress saves the replay's progress, also after the invocation's deadline.
func (s *sweep) progress(ctx context.Context, r *Replay) error {
	return s.updateReplays(ctx, func(state *Replays) error {
		for i, o := range state.Open {
			if o.ID == r.ID {
				state.Open[i] = *r
			}
		}
		return nil
	})
}

// named returns the batches of the run, or the one batch, that a replay is requested for.
func (s *sweep) named(ctx context.Context, what string) (names []string, _ error) {
	if archive.IsBatch(what) {
		return []string{what}, nil
	}
	var batches []archive.BatchInfo
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		batches, err = s.opts.Batches.List(ctx, what)
		return err
	})
	var answer *azure.Error
	switch {
	case errors.As(err, &answer) || ctx.Err() != nil:
		return nil, importer.Status(fmt.Errorf("list the run's batches: %w", err))
	case len(batches) == 0:
		return nil, fmt.Errorf("%w: there is no run or batch of that name; a run is a folder of the container "+
			"batches, as in the log of fetch",
			funchost.ErrInput)
	}
	for _, b := range batches {
		names = append(names, b.Name)
	}
	return names, nil
}
