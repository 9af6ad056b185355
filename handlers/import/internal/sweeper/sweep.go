package sweeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/journal"
	"o2archiver/shared/retry"
)

const (
	shortAtOnce = 8 // concurrent short turns: they mostly wait
	longAtOnce  = 4 // concurrent long turns: batches of new events have priority

	// TurnGroup is the number of batches whose short turns are counted, and saved, in one write.
	TurnGroup = 32

	// StuckAfter is the number of turns, two in each sweep, from which on a batch is reported as stuck: after about an
	// hour.
	StuckAfter = 14
)

// sweep is one invocation: a sweep, or a replay.
type sweep struct {
	opts       Options
	importer   Importer
	invocation string
	log        *slog.Logger
	before     time.Time // batches created after this are left to their events

	// Of the goroutine that runs the sweep:
	lease *archive.Lease // of StateBlob; nil in a replay
	saved []byte         // the state as it is in storage
	full  bool           // all days are looked at, not only the recent and the unfinished ones

	mu     sync.Mutex // guards the fields below
	res    Result
	failed []error // at most three: more would be of the same kind
	state  State
	days   []*sweptDay
	open   []*openBatch // batches that may be worked on

	untallied map[string]bool   // runs whose totals have to be written
	tallied   map[string]string // runs of replays that had ended before, by the replays' ids
}

// run is a sweep. It checks the runs that are not closed, which costs little. Then every batch found open gets a short
// turn, beginning with those that never had one. Then interrupted replays are continued. The remaining time goes to the
// batches that were not finished in their short turn, beginning with the fewest turns. Nothing that takes long, or
// never ends, can therefore prevent another batch from having its turn.
//
// A turn is counted, and the count saved, before it begins.
func (s *sweep) run(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	replays, err := s.replays(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	s.full = s.full || s.isFullDue()
	if err := s.findOpenBatches(ctx, deadlineShare(ctx, began, 30), replays); err != nil {
		return err
	}
	s.noteResult(s.save(ctx))
	stuck := s.shortTurns(ctx, deadlineShare(ctx, began, 60))
	s.resumeReplays(ctx, replays, deadlineShare(ctx, began, 75))
	s.tallyRuns(ctx, deadlineShare(ctx, began, 85))
	s.longTurns(ctx, stuck)
	s.settleBatch(ctx)
	s.tallyRuns(ctx, time.Time{})
	s.noteResult(s.tellNoEvents(ctx))
	s.noteResult(s.save(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failed...)
}

// deadlineShare returns the time at which a percentage of the invocation's time is over, or the zero Time if ctx has no
// deadline.
func deadlineShare(ctx context.Context, began time.Time, percent int64) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return began.Add(deadline.Sub(began) / 100 * time.Duration(percent))
}

func hasPassed(t time.Time) bool { return !t.IsZero() && time.Now().After(t) }

// noteResult keeps an error, if there is one, for the sweep's result.
func (s *sweep) noteResult(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && len(s.failed) < 3 {
		s.failed = append(s.failed, err)
	}
}

// errTurn ends the work on one batch, not the sweep.
var errTurn = fmt.Errorf("the batch's turn in this sweep is over, the next one goes on: %w", funchost.ErrUnavailable)

// startTurn runs one turn of a batch. The turn ends after most, or when the batch has made no progress for idle (0: no
// limit).
func (s *sweep) startTurn(ctx context.Context, name string, idle, most time.Duration, how importer.Delivery) (
	journal.Totals, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := func() { cancel(errTurn) }
	defer time.AfterFunc(most, over).Stop()
	if idle > 0 {
		quiet := time.AfterFunc(idle, over)
		defer quiet.Stop()
		how.OnProgress = func() { quiet.Reset(idle) }
	}
	res, err := s.importer.ImportBatch(ctx, name, s.invocation, s.log, how)
	return res.Totals, err
}

// tryBatch runs a turn of a batch that was found open. It reports whether another turn may help.
func (s *sweep) tryBatch(ctx context.Context, b *openBatch, idle, most time.Duration) (again bool) {
	totals, err := s.startTurn(ctx, b.name, idle, most, importer.Delivery{})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		b.done, b.totals, b.err = true, totals, nil
		s.untallied[b.run.folder] = true // also after a long turn
		delete(s.state.Tried, b.name)
		return false
	case errors.Is(err, journal.ErrHeld):
		b.held, b.err = true, nil
		s.forgetTry(b.name)
		return false
	}
	b.err = err
	if tries := s.state.Tried[b.name]; tries >= StuckAfter && ctx.Err() == nil {
		s.log.Error("batch is stuck", "event", "import.batchStuck", "run", b.run.folder,
			"batch", b.name, "tries", tries, "error", err.Error())
	}
	again, _ = retry.IsTransient(err)
	return again || errors.Is(err, errTurn)
}

// startPart runs a storage operation that concerns one run or batch, with retries. It gives up after Times.Look, so
// that blobs that never answer do not prevent other runs and batches from being checked.
func (s *sweep) startPart(ctx context.Context, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Times.Look, errLook)
	defer cancel()
	return retry.Do(ctx, op)
}

// errLook ends the check of one run or batch.
var errLook = fmt.Errorf("storage does not answer about it, the next sweep looks again: %w", funchost.ErrUnavailable)
