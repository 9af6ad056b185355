package sweeper

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/journal"
	"o2archiver/shared/retry"
)

const (
	runsAtOnce    = 4      // runs of a day checked concurrently
	journalsOnce  = 8      // journals of a run read concurrently
	earlierAtOnce = 400    // earlier days checked per sweep: five years take five hours
	saveLooked    = 50     // days after which the state is saved
	maxOpen       = 20_000 // open batches of one sweep
)

// sweptDay is a day with the runs that were planned on it.
type sweptDay struct {
	name   string
	runs   []*sweptRun
	looked bool // its runs were listed and checked
	failed bool // its runs could not be listed
}

// sweptRun is a run and its state in this sweep.
type sweptRun struct {
	folder   string
	known    bool // it was closed before this sweep
	manifest bool // it has its manifest, so no batch will be added
	batches  int
	left     int            // batches whose journals have no end
	replayed bool           // a replay of it is not finished
	totals   journal.Totals // of the batches whose journals have an end
	err      error          // why it could not be checked
}

// closed reports whether nothing of the run is left to do.
func (r *sweptRun) closed() bool {
	return r.known || r.manifest && r.left == 0 && r.err == nil && !r.replayed
}

// openBatch is a batch whose journal has no end.
type openBatch struct {
	name   string
	run    *sweptRun
	done   bool           // its journal has an end now
	totals journal.Totals // if done
	held   bool           // another delivery holds its journal
	err    error          // of its last turn
}

// findOpenBatches checks the days that may have an open run, and, in a full sweep, some of the earlier ones in
// rotation. If its time is over, it stops, and the next sweep continues there. A day or run that can't be read does not
// prevent the others from being checked.
func (s *sweep) findOpenBatches(ctx context.Context, until time.Time, replays []*Replay) error {
	reopened := map[string]bool{}
	for _, r := range replays {
		reopened[r.runReplay()] = true
		reopened[layout.DayOf(r.What)] = true
	}
	closed := map[string]bool{}
	for _, run := range s.state.Closed {
		closed[run] = true
	}
	var order []*sweptDay
	if s.full {
		var names []string
		err := retry.Do(ctx, func(ctx context.Context) (err error) {
			names, err = s.opts.Batches.Days(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("list the days: %w", err)
		}
		order = s.orderRuns(names, reopened)
	} else {
		order = s.recentDays(replays)
	}
	saved, cut := 0, false
	for i, d := range order {
		if ctx.Err() != nil || hasPassed(until) {
			s.log.Warn("the sweep's time for listing is over; the next sweep continues", "days", len(order)-i)
			s.resumeAt(d.name)
			cut = true
			break
		}
		s.lookAt(ctx, d, closed, reopened)
		if i-saved >= saveLooked {
			saved = i
			s.noteResult(s.save(ctx))
			if s.superseded() {
				return nil
			}
		}
	}
	if !cut {
		s.forgetTries()
		if s.full {
			s.mu.Lock()
			s.state.Full = s.opts.Now().UTC()
			s.mu.Unlock()
		}
	}
	return nil
}

const (
	fullEvery = time.Hour // between two full sweeps
	recent    = 3         // days that every sweep checks
	maxOpened = 100       // unfinished days that are remembered; with more, every sweep is a full one
)

// isFullDue reports whether all days have to be checked.
func (s *sweep) isFullDue() bool {
	since := s.opts.Now().Sub(s.state.Full)
	return since < 0 || since >= fullEvery || len(s.state.Unfinished) >= maxOpened || s.state.From != ""
}

// recentDays returns the days that a sweep checks between two full ones: the last ones, those that were not finished
// when they were last checked, and those of replays. It lists nothing.
func (s *sweep) recentDays(replays []*Replay) (order []*sweptDay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Clone(s.state.Unfinished)
	for _, r := range replays {
		names = append(names, layout.DayOf(r.What))
	}
	for back := range recent {
		names = append(names, layout.Day(s.opts.Now().UTC().AddDate(0, 0, -back)))
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		d := &sweptDay{name: name}
		s.days, order = append(s.days, d), append(order, d)
		delete(s.state.Finished, name)
	}
	return order
}

// forgetTries drops the counts of batches that are no longer open, for whatever reason.
func (s *sweep) forgetTries() {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := map[string]bool{}
	for _, b := range s.open {
		open[b.name] = true
	}
	maps.DeleteFunc(s.state.Tried, func(batch string, _ int) bool { return !open[batch] })
}

// orderRuns returns the days in the order in which they are checked.
func (s *sweep) orderRuns(names []string, reopened map[string]bool) (order []*sweptDay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	always := min(s.state.Day, layout.Day(s.opts.Now().UTC().AddDate(0, 0, -sweepBack)))
	var earlier []*sweptDay
	for _, name := range names {
		d := &sweptDay{name: name}
		s.days = append(s.days, d)
		if name >= always || reopened[name] {
			order = append(order, d)
		} else {
			earlier = append(earlier, d)
		}
	}
	at := func(days []*sweptDay, from string) []*sweptDay {
		i, _ := slices.BinarySearchFunc(days, from,
			func(d *sweptDay, name string) int { return strings.Compare(d.name, name) })
		return append(slices.Clone(days[i:]), days[:i]...)
	}
	order = at(order, s.state.From)
	s.state.From = ""
	earlier = at(earlier, s.state.Earlier)
	s.state.Earlier = ""
	if len(earlier) > earlierAtOnce {
		s.state.Earlier = earlier[earlierAtOnce].name
		earlier = earlier[:earlierAtOnce]
	}
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	// Retention deletes days.
	maps.DeleteFunc(s.state.Finished, func(day, _ string) bool { return !known[day] || reopened[day] })
	return append(order, earlier...)
}

// resumeAt sets the day at which the next sweep continues.
func (s *sweep) resumeAt(day string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if day >= s.state.Day {
		s.state.From = day
	} else {
		s.state.Earlier = day
	}
}

// lookAt checks the runs of one day.
func (s *sweep) lookAt(ctx context.Context, d *sweptDay, closed, reopened map[string]bool) {
	var runs []string
	err := s.startPart(ctx, func(ctx context.Context) (err error) {
		runs, err = s.opts.Batches.Runs(ctx, d.name)
		return err
	})
	if err != nil {
		s.noteResult(fmt.Errorf("list the runs of a day: %w", err))
	}
	s.mu.Lock()
	finished := s.state.Finished[d.name]
	s.mu.Unlock()
	known := err == nil && finished != "" && finished == digestOf(runs)
	swept := make([]*sweptRun, len(runs))
	var group errgroup.Group
	group.SetLimit(runsAtOnce)
	for i, folder := range runs {
		r := &sweptRun{folder: folder, replayed: reopened[folder]}
		swept[i] = r
		if r.known = (known || closed[folder]) && !r.replayed; r.known {
			continue
		}
		group.Go(func() error {
			if r.err = s.lookInto(ctx, r); r.err != nil {
				s.noteResult(r.err)
			}
			return nil
		})
	}
	_ = group.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	d.runs, d.looked, d.failed = swept, true, err != nil
}

// lookInto adds the open batches of a run to s.open.
func (s *sweep) lookInto(ctx context.Context, r *sweptRun) error {
	// The manifest is read before the batches are listed. If it exists, the list is complete.
	err := s.startPart(ctx, func(ctx context.Context) error {
		_, err := s.opts.Batches.ReadManifest(ctx, r.folder, nil)
		return err
	})
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		return fmt.Errorf("read a run's manifest: %w", err)
	}
	manifest := err == nil
	var batches []archive.BatchInfo
	err = s.startPart(ctx, func(ctx context.Context) (err error) {
		batches, err = s.opts.Batches.List(ctx, r.folder)
		return err
	})
	if err != nil {
		return fmt.Errorf("list a run's batches: %w", err)
	}
	s.mu.Lock()
	r.manifest, r.batches, r.left = manifest, len(batches), len(batches)
	s.untallied[r.folder] = true
	s.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(journalsOnce)
	for _, b := range batches {
		group.Go(func() error {
			if err := s.lookUp(ctx, r, b); err != nil {
				s.noteResult(err)
			}
			return nil
		})
	}
	_ = group.Wait()
	return nil
}

// lookUp reads the end of a batch's journal.
func (s *sweep) lookUp(ctx context.Context, r *sweptRun, b archive.BatchInfo) error {
	var done bool
	var totals journal.Totals
	err := s.startPart(ctx, func(ctx context.Context) (err error) {
		totals, done, err = journal.TailTotals(ctx, s.opts.Logs, b.Name)
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Created.After(s.state.Newest) {
		s.state.Newest = b.Created.UTC()
	}
	switch {
	case err != nil:
		s.res.Batches++
		return fmt.Errorf("read the end of a journal: %w", err)
	case done:
		r.left--
		r.totals = r.totals.Add(totals)
		delete(s.state.Tried, b.Name)
	case b.Created.After(s.before):
		s.res.Batches++
		s.res.Young++
	default:
		s.res.Batches++
		if len(s.open) < maxOpen { // a later sweep finds the others
			s.open = append(s.open, &openBatch{name: b.Name, run: r})
		}
	}
	return nil
}
