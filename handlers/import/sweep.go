package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/journal"
	"o2archiver/shared/retry"
)

// sweepTimes are the bounds of a sweep.
type sweepTimes struct {
	idle  time.Duration // of a short turn: so long without anything done of the batch, and the turn is over
	short time.Duration // of a short turn in all
	long  time.Duration // of a batch's later turn in the same sweep
	look  time.Duration // for one run's or batch's part in looking
	lease time.Duration // for which a lease that was lost may still be the sweep's own
}

func defaultSweepTimes() sweepTimes {
	return sweepTimes{idle: 30 * time.Second, short: 3 * time.Minute, long: 10 * time.Minute, look: time.Minute, lease: 18 * time.Second}
}

const (
	shortAtOnce = 8  // short turns: they mostly wait
	longAtOnce  = 4  // long turns: the events' own batches come first
	shortGroup  = 32 // batches whose tries are counted, and saved, together
	stuckAfter  = 4  // turns, that is two sweeps: from then on the batch is told of as stuck
)

// sweepRequest is the input of a sweep by hand.
type sweepRequest struct {
	After  *string `json:"after,omitempty"`  // instead of SWEEP_AFTER, e.g. "0s"
	Replay string  `json:"replay,omitempty"` // a run's folder or a batch: make the copies that are missing
}

type sweepResult struct {
	Batches  int `json:"batches"`  // that had no finished journal
	Finished int `json:"finished"` // of these, by this sweep
	Held     int `json:"held"`     // left to a delivery that is at work on it
	Young    int `json:"young"`    // left because its event may still come
}

// sweep finishes the batches whose event was lost or given up by the host: those of which the journal has no end.
func (im *importer) sweep(ctx context.Context, inv *funchost.Invocation) (sweepResult, error) {
	request, after, err := im.sweepInput(inv)
	if err != nil {
		return sweepResult{}, err
	}
	s := &sweeper{im: im, invocation: inv.ID, log: inv.Log, before: im.now().Add(-after)}
	if request.Replay != "" {
		return s.replay(ctx, request.Replay)
	}
	var lease *archive.Lease
	err = s.onStorage(ctx, func(ctx context.Context) (err error) {
		lease, err = im.store.Lease(ctx, archive.Sweeps, sweepName)
		return err
	})
	if errors.Is(err, archive.ErrLeased) {
		inv.Log.Info("another sweep is at work")
		return sweepResult{}, nil
	}
	if err != nil {
		return sweepResult{}, asStatus(fmt.Errorf("take the sweep's lease: %w", err))
	}
	s.lease = lease
	defer func() { s.lease.Release() }()
	err = s.run(ctx)
	s.log.Info("sweep ended", "event", "import.sweepEnded", "batches", s.res.Batches,
		"finished", s.res.Finished, "held", s.res.Held, "young", s.res.Young)
	return s.res, asStatus(err)
}

func (im *importer) sweepInput(inv *funchost.Invocation) (r sweepRequest, after time.Duration, err error) {
	const form = `sweep understands {"after":"0s"} and {"replay":"2026/11/23/<run>"}`
	after = im.config.sweepAfter
	if input, _ := inv.Input("timer"); strings.TrimSpace(input) != "" {
		d := json.NewDecoder(strings.NewReader(input))
		d.DisallowUnknownFields()
		err := d.Decode(&r)
		if _, more := d.Token(); err != nil || !errors.Is(more, io.EOF) {
			return r, 0, fmt.Errorf("%w: the input can't be read: %s", funchost.ErrInput, form)
		}
	}
	if r.After != nil {
		if after, err = time.ParseDuration(*r.After); err != nil || after < 0 {
			return r, 0, fmt.Errorf("%w: after is not a duration: %s", funchost.ErrInput, form)
		}
	}
	return r, after, nil
}

// sweeper is one sweep, or one replay.
type sweeper struct {
	im         *importer
	invocation string
	log        *slog.Logger
	before     time.Time // younger batches are left to their events

	saving sync.Mutex     // held while the state is saved
	lease  *archive.Lease // of the state; nil in a replay

	mu     sync.Mutex // for what follows
	res    sweepResult
	failed []error // at most three: a hundred alike say no more
	state  sweepState
	days   []*sweptDay
	open   []*openBatch // batches that may be worked on
}

// run is a sweep. It looks at the runs that are not closed, which costs little; then every batch that is found open
// gets a short turn, those first that never had one; then the replays that broke off go on; and the time that is left
// is for the batches that were not finished in their short turn, the least tried first. So nothing that takes long,
// or for ever, keeps another batch from its turn.
//
// A turn is counted, and saved, before it begins.
func (s *sweeper) run(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	replays, err := s.replays(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.findOpenBatches(ctx, deadlineShare(ctx, began, 30), replays); err != nil {
		return err
	}
	s.noteResult(s.save(ctx))
	stuck := s.shortTurns(ctx, deadlineShare(ctx, began, 60))
	s.resumeReplays(ctx, replays, deadlineShare(ctx, began, 80))
	s.longTurns(ctx, stuck)
	s.settleBatch(ctx)
	s.noteResult(s.save(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failed...)
}

// deadlineShare is the moment at which so many per cent of the invocation's time are over; the zero Time if it has no end.
func deadlineShare(ctx context.Context, began time.Time, percent int64) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return began.Add(deadline.Sub(began) / 100 * time.Duration(percent))
}

func hasPassed(t time.Time) bool { return !t.IsZero() && time.Now().After(t) }

// noteResult keeps an error for the sweep's answer.
func (s *sweeper) noteResult(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && len(s.failed) < 3 {
		s.failed = append(s.failed, err)
	}
}

// errTurn ends the work on one batch, not that of the sweep.
var errTurn = fmt.Errorf("the batch's turn in this sweep is over, the next one goes on: %w", funchost.ErrUnavailable)

// startTurn is one try of a batch, which ends after most, or when nothing has been done of the batch for so long as idle
// says (0: however long).
func (s *sweeper) startTurn(ctx context.Context, name string, idle, most time.Duration, how deliveryOptions) (journal.Totals, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := func() { cancel(errTurn) }
	defer time.AfterFunc(most, over).Stop()
	if idle > 0 {
		quiet := time.AfterFunc(idle, over)
		defer quiet.Stop()
		how.onProgress = func() { quiet.Reset(idle) }
	}
	res, err := s.im.ImportBatch(ctx, name, s.invocation, s.log, how)
	return res.Totals, err
}

// tryBatch is a turn of a batch that was found open. It reports whether another turn can help.
func (s *sweeper) tryBatch(ctx context.Context, b *openBatch, idle, most time.Duration) (again bool) {
	totals, err := s.startTurn(ctx, b.name, idle, most, deliveryOptions{})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		b.done, b.totals, b.err = true, totals, nil
		delete(s.state.Tried, b.name)
		return false
	case errors.Is(err, journal.ErrHeld):
		b.held, b.err = true, nil
		s.forgetTry(b.name)
		return false
	}
	b.err = err
	if tries := s.state.Tried[b.name]; tries >= stuckAfter && ctx.Err() == nil {
		s.log.Error("batch is stuck", "event", "import.batchStuck", "run", b.run.folder,
			"batch", b.name, "tries", tries, "error", err.Error())
	}
	again, _ = judgeError(err)
	return again || errors.Is(err, errTurn)
}

// startPart is storage for what is one of many: it gives up after a while, so that one run or batch whose blobs never
// answer keeps none of the others from being looked at.
func (s *sweeper) startPart(ctx context.Context, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.im.sweepTimes.look, errLook)
	defer cancel()
	return s.onStorage(ctx, op)
}

// errLook ends the look at one run or batch.
var errLook = fmt.Errorf("storage does not answer about it, the next sweep looks again: %w", funchost.ErrUnavailable)

func (s *sweeper) onStorage(ctx context.Context, op func(context.Context) error) error {
	return retry.Do(ctx, judgeError, op)
}
