package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/funchost"
	"o2archiver/shared/journal"
	"o2archiver/shared/patience"
	"o2archiver/shared/staging"
)

const (
	sweepName       = "sweep.json"
	sweepConcurrent = 4                // batches at once: the events' own batches come first
	sweepEach       = 10 * time.Minute // for one batch: a mailbox that is away shall not keep the other batches from their turn
	sweepSaves      = 30 * time.Second // for the state, when the invocation's own time is up

	// sweepBack is for how many days after its planning a run may get its first batch: fetch names a run's folder
	// after the day on which it was planned, and a backfill of years takes its time.
	sweepBack = 92
)

// sweepState is what sweep knows from one invocation to the next, so that it does not look at the whole archive every hour.
type sweepState struct {
	Day    string   `json:"day"`              // 2026/11/23: everything before it is finished
	Closed []string `json:"closed,omitempty"` // folders of finished runs on that day and after
}

// sweepRequest is the input of a sweep by hand.
type sweepRequest struct {
	After  *string `json:"after,omitempty"`  // instead of SWEEP_AFTER, e.g. "0s"
	Replay string  `json:"replay,omitempty"` // a run's folder or a batch: try again what was not imported
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
	lease, err := im.store.Lease(ctx, staging.Sweeps, sweepName)
	if errors.Is(err, staging.ErrLeased) {
		inv.Log.Info("another sweep is at work")
		return sweepResult{}, nil
	}
	if err != nil {
		return sweepResult{}, asStatus(fmt.Errorf("take the sweep's lease: %w", err))
	}
	defer lease.Release()
	res, err := s.open(ctx, lease)
	s.log.Info("sweep ended", "event", "import.sweepEnded", "batches", res.Batches, "finished", res.Finished, "held", res.Held, "young", res.Young)
	return res, asStatus(err)
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

type sweeper struct {
	im         *importer
	invocation string
	log        *slog.Logger
	before     time.Time // younger batches are left to their events
}

// open goes through the runs that are not closed, oldest first.
func (s *sweeper) open(ctx context.Context, lease *staging.Lease) (res sweepResult, _ error) {
	var state sweepState
	err := s.storage(ctx, func(ctx context.Context) error {
		_, err := s.im.store.GetJSON(ctx, staging.Sweeps, sweepName, &state)
		return err
	})
	if err != nil {
		return res, fmt.Errorf("read the sweep's state: %w", err)
	}
	var days []string
	err = s.storage(ctx, func(ctx context.Context) (err error) {
		days, err = s.im.store.Days(ctx)
		return err
	})
	if err != nil {
		return res, fmt.Errorf("list the days: %w", err)
	}
	next, err := s.days(ctx, days, state, &res)
	saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepSaves)
	defer cancel()
	saved := s.storage(saving, func(ctx context.Context) error {
		_, err := s.im.store.PutJSON(ctx, staging.Sweeps, sweepName, next, "*", lease)
		return err
	})
	if saved != nil {
		err = errors.Join(err, fmt.Errorf("save the sweep's state: %w", saved))
	}
	return res, err
}

// days goes through the days from the first one that is not finished. A run that fails does not keep the others from their turn.
func (s *sweeper) days(ctx context.Context, days []string, state sweepState, res *sweepResult) (sweepState, error) {
	var failed []error
	closed := map[string]bool{}
	for _, run := range state.Closed {
		closed[run] = true
	}
	// What is not finished, or may still begin, is looked at the next time.
	next := sweepState{Day: s.im.now().UTC().AddDate(0, 0, -sweepBack).Format("2006/01/02")}
	leave := func(day string, err error) {
		next.Day = min(next.Day, day)
		if err != nil && len(failed) < 3 {
			failed = append(failed, err)
		}
	}
	for _, day := range days {
		if day < state.Day {
			continue
		}
		if ctx.Err() != nil {
			leave(day, context.Cause(ctx))
			break
		}
		runs, err := s.runs(ctx, day)
		if err != nil {
			leave(day, err)
		}
		for _, run := range runs {
			if closed[run] {
				continue
			}
			if closed[run], err = s.run(ctx, run, res); err != nil || !closed[run] {
				leave(day, err)
			}
		}
	}
	for run, done := range closed {
		if done && run >= next.Day {
			next.Closed = append(next.Closed, run)
		}
	}
	slices.Sort(next.Closed)
	return next, errors.Join(failed...)
}

func (s *sweeper) runs(ctx context.Context, day string) (runs []string, err error) {
	err = s.storage(ctx, func(ctx context.Context) (err error) {
		runs, err = s.im.store.Runs(ctx, day)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs of a day: %w", err)
	}
	return runs, nil
}

// run finishes what is open in one run. It is closed when its manifest says that no batch will be added, and each batch's journal has its end.
func (s *sweeper) run(ctx context.Context, folder string, res *sweepResult) (closed bool, _ error) {
	// The manifest is asked for before the list is made: what is listed then is all there will be.
	err := s.storage(ctx, func(ctx context.Context) error {
		_, err := s.im.store.ReadManifest(ctx, folder)
		return err
	})
	closed = err == nil
	if err != nil && !errors.Is(err, staging.ErrNotFound) {
		return false, fmt.Errorf("read a run's manifest: %w", err)
	}
	var batches []staging.BatchInfo
	err = s.storage(ctx, func(ctx context.Context) (err error) {
		batches, err = s.im.store.Batches(ctx, folder)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("list a run's batches: %w", err)
	}
	var (
		mu     sync.Mutex
		failed []error
		group  errgroup.Group
	)
	group.SetLimit(sweepConcurrent)
	for _, b := range batches {
		group.Go(func() error {
			state, err := s.batch(ctx, b)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && len(failed) < 3 {
				failed = append(failed, err)
			}
			closed = closed && err == nil && (state == finished || state == mended)
			res.count(state, err)
			return nil
		})
	}
	_ = group.Wait()
	if closed {
		s.log.Info("run finished", "event", "import.runFinished", "run", folder, "batches", len(batches))
	}
	return closed, errors.Join(failed...)
}

// What sweep found of a batch.
type found int

const (
	finished found = iota // its journal had its end
	mended                // it has it now
	held
	young
)

func (r *sweepResult) count(state found, err error) {
	if state == finished && err == nil {
		return
	}
	r.Batches++
	switch {
	case err != nil:
	case state == mended:
		r.Finished++
	case state == held:
		r.Held++
	case state == young:
		r.Young++
	}
}

func (s *sweeper) batch(ctx context.Context, b staging.BatchInfo) (found, error) {
	var done bool
	err := s.storage(ctx, func(ctx context.Context) (err error) {
		done, err = journal.Tail(ctx, s.im.store.Logs(), b.Name)
		return err
	})
	switch {
	case err != nil:
		return finished, fmt.Errorf("read the end of a journal: %w", err)
	case done:
		return finished, nil
	case b.Created.After(s.before):
		return young, nil
	}
	each, cancel := context.WithTimeoutCause(ctx, sweepEach, errTurn)
	defer cancel()
	_, err = s.im.batch(each, b.Name, s.invocation, s.log, work{})
	if errors.Is(err, journal.ErrHeld) {
		return held, nil
	}
	return mended, err
}

// errTurn ends the work on one batch, not that of the sweep.
var errTurn = fmt.Errorf("the batch's turn in this sweep is over, the next one goes on: %w", funchost.ErrUnavailable)

// replay goes through the batches of a run, or one batch, and tries again what was not imported: what was unmapped, quarantined or failed.
func (s *sweeper) replay(ctx context.Context, what string) (res sweepResult, _ error) {
	names, err := s.named(ctx, what)
	if err != nil {
		return res, err
	}
	// Whoever asks for this has done something about the cause.
	s.im.users.refresh()
	if err := s.im.mapping.refresh(ctx); err != nil {
		return res, asStatus(err)
	}
	var failed []error
	for _, name := range names {
		if ctx.Err() != nil {
			failed = append(failed, fmt.Errorf("%w: %w", funchost.ErrUnavailable, context.Cause(ctx)))
			break
		}
		res.Batches++
		_, err := s.im.batch(ctx, name, s.invocation, s.log, work{wait: true, replay: true})
		switch {
		case err == nil:
			res.Finished++
		case errors.Is(err, errMissing):
			return res, fmt.Errorf("%w: there is no batch of that name", funchost.ErrInput)
		case len(failed) < 3:
			failed = append(failed, err)
		}
	}
	return res, errors.Join(failed...)
}

// named gives the batches that a replay is asked for.
func (s *sweeper) named(ctx context.Context, what string) (names []string, _ error) {
	batch, err := s.im.store.BatchFromURI(s.im.store.BatchURI(what)) // the name's form, checked where it is known
	if err == nil {
		return []string{batch}, nil
	}
	var batches []staging.BatchInfo
	err = s.storage(ctx, func(ctx context.Context) (err error) {
		batches, err = s.im.store.Batches(ctx, what)
		return err
	})
	var answer *staging.Error
	switch {
	case errors.As(err, &answer) || ctx.Err() != nil:
		return nil, asStatus(fmt.Errorf("list the run's batches: %w", err))
	case len(batches) == 0:
		return nil, fmt.Errorf("%w: there is no run or batch of that name; a run is a folder of the container batches, as in the log of fetch", funchost.ErrInput)
	}
	for _, b := range batches {
		names = append(names, b.Name)
	}
	return names, nil
}

func (s *sweeper) storage(ctx context.Context, op func(context.Context) error) error {
	return patience.Do(ctx, judge, op)
}
