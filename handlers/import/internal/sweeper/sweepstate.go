package sweeper

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/retry"
)

// StateBlob is the blob in archive.SweepsContainer that holds State, and whose lease a sweep holds.
const StateBlob = "sweep.json"

const (
	sweepSaves = time.Minute // time to save the state, also after the invocation's deadline

	// sweepBack is the number of days after its planning for which a run is checked at every sweep, even if its day is
	// finished: fetch names a run's folder after the day on which it was planned, and a window can stay open for long.
	// Earlier days are checked in rotation.
	sweepBack = 92

	maxClosed = 10_000 // runs listed in the state
	maxTried  = 10_000 // batches whose turns are counted
	maxDays   = 20_000 // days listed as finished

	maxUntallied = 10_000 // runs whose totals have to be written; with more, the earliest are left out
)

// State is the persisted state of sweeps, so that a sweep does not have to check the whole archive. It only
// saves work and decides the order of work: a sweep without it finishes the same batches.
type State struct {
	Day    string   `json:"day"`              // 2026/11/23: all runs of earlier days were finished when last checked
	Closed []string `json:"closed,omitempty"` // folders of finished runs on that day and after

	// Finished holds the days of which all runs are finished, each with a digest of the runs' names: a further run
	// changes the digest.
	Finished map[string]string `json:"finished,omitempty"`
	Earlier  string            `json:"earlier,omitempty"` // the day before Day at which the next sweep continues
	From     string            `json:"from,omitempty"`    // the day from Day on at which it continues, if time ran out

	Tried map[string]int `json:"tried,omitempty"` // by open batch: turns that have begun
	After string         `json:"after,omitempty"` // the batch whose turn was counted last

	Counts []RunCounts `json:"counts,omitempty"` // of the last finished runs, sorted by folder

	Full       time.Time `json:"full,omitzero"`        // when all days were last checked
	Unfinished []string  `json:"unfinished,omitempty"` // days that were not finished when they were last checked
	Newest     time.Time `json:"newest,omitzero"`      // creation of the newest batch that was seen
	Told       time.Time `json:"told,omitzero"`        // when it was last reported that no events come

	Untallied []string `json:"untallied,omitempty"` // runs whose totals have to be written
}

// load reads the state from storage.
func (s *sweep) load(ctx context.Context) error {
	err := retry.Do(ctx, func(ctx context.Context) error {
		_, err := s.opts.Sweeps.Get(ctx, StateBlob, &s.state)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the sweep's state: %w", err)
	}
	if s.saved, err = json.Marshal(s.state); err != nil {
		return fmt.Errorf("read the sweep's state: %w", err)
	}
	if s.state.Tried == nil {
		s.state.Tried = map[string]int{}
	}
	if s.state.Finished == nil {
		s.state.Finished = map[string]string{}
	}
	for _, run := range s.state.Untallied {
		s.untallied[run] = true
	}
	return nil
}

// errSuperseded ends a sweep after another sweep has acquired the lease.
var errSuperseded = errors.New("another sweep has taken over")

// superseded reports whether another sweep has acquired the lease.
func (s *sweep) superseded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.failed, func(err error) bool { return errors.Is(err, errSuperseded) })
}

// save writes the current state, unless it is in storage already. A lease that was lost while storage was unavailable
// is acquired again.
func (s *sweep) save(ctx context.Context) error {
	s.mu.Lock()
	next := s.next()
	s.mu.Unlock()
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("save the sweep's state: %w", err)
	}
	if bytes.Equal(text, s.saved) && s.lease.Context().Err() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepSaves)
	defer cancel()
	err = retry.Do(ctx, func(ctx context.Context) error {
		if s.lease.Context().Err() != nil {
			if err := s.takeAgain(ctx); err != nil {
				return err
			}
		}
		_, err := s.opts.Sweeps.Put(ctx, StateBlob, next, "*", s.lease)
		return err
	})
	if err != nil {
		return fmt.Errorf("save the sweep's state: %w", err)
	}
	s.saved = text
	return nil
}

// takeAgain acquires the lease after it was lost. The service may count the lost lease as held for some seconds, so
// only a lease that is held for longer belongs to another sweep.
func (s *sweep) takeAgain(ctx context.Context) error {
	held := retry.Policy{First: time.Second, Max: time.Second, Within: s.opts.Times.Lease,
		Judge: func(err error) (bool, time.Duration) { return errors.Is(err, archive.ErrLeased), 0 }}
	err := held.Do(ctx, func(ctx context.Context) error {
		lease, err := s.opts.Sweeps.Lease(ctx, StateBlob)
		if err != nil {
			return err
		}
		s.lease.Release()
		s.lease = lease
		return nil
	})
	switch {
	case !errors.Is(err, archive.ErrLeased):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return errSuperseded
}

// next returns the state to save. The caller holds s.mu.
func (s *sweep) next() State {
	if s.days == nil { // nothing has been looked at
		return s.state
	}
	next := State{
		Day:      layout.Day(s.opts.Now().UTC().AddDate(0, 0, -sweepBack)),
		Finished: map[string]string{}, Tried: maps.Clone(s.state.Tried), After: s.state.After,
		Earlier: s.state.Earlier, From: s.state.From, Counts: s.state.Counts,
		Full: s.state.Full, Newest: s.state.Newest, Told: s.state.Told,
		Untallied: slices.Sorted(maps.Keys(s.untallied)),
	}
	if !s.full {
		next.Day, next.Finished = s.state.Day, maps.Clone(s.state.Finished)
	}
	closed := map[string]bool{}
	for _, run := range s.state.Closed {
		closed[run] = true
	}
	for _, d := range s.days {
		sum, finished := s.state.Finished[d.name]
		if d.looked {
			sum, finished = d.digest()
			for _, r := range d.runs {
				closed[r.folder] = r.closed()
			}
		}
		switch {
		case finished:
			next.Finished[d.name] = sum
		case d.looked || d.name >= s.state.Day: // an earlier day that was not checked was finished at its last check
			next.Day = min(next.Day, d.name)
			if len(next.Unfinished) < maxOpened {
				next.Unfinished = append(next.Unfinished, d.name)
			}
		}
	}
	slices.Sort(next.Unfinished)
	for run, done := range closed {
		if done && run >= next.Day {
			next.Closed = append(next.Closed, run)
		}
	}
	slices.Sort(next.Closed)
	next.shrink()
	return next
}

// shrink bounds the state far below the size that can be read back. What it drops is checked once more.
func (n *State) shrink() {
	if len(n.Closed) > maxClosed { // those of finished days are covered by Finished
		n.Closed = slices.DeleteFunc(n.Closed, func(run string) bool { return n.Finished[layout.DayOf(run)] != "" })
	}
	if extra := len(n.Closed) - maxClosed; extra > 0 {
		n.Closed = n.Closed[extra:]
	}
	n.Untallied = n.Untallied[max(0, len(n.Untallied)-maxUntallied):]
	for _, day := range slices.Sorted(maps.Keys(n.Finished)) {
		if len(n.Finished) <= maxDays {
			break
		}
		delete(n.Finished, day)
	}
}

// countTry counts a turn for each of the batches. The state must be saved before the turns begin.
func (s *sweep) countTry(batches []*openBatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range batches {
		if s.state.Tried[b.name] > 0 || len(s.state.Tried) < maxTried {
			s.state.Tried[b.name]++
		}
		s.state.After = b.name
	}
}

// forgetTry takes back the count of a turn because another delivery holds the batch. The caller holds s.mu.
func (s *sweep) forgetTry(batch string) {
	if s.state.Tried[batch]--; s.state.Tried[batch] <= 0 {
		delete(s.state.Tried, batch)
	}
}

// digest returns a digest of the names of a day's runs. finished reports whether all of them are finished.
func (d *sweptDay) digest() (sum string, finished bool) {
	names := make([]string, len(d.runs))
	for i, r := range d.runs {
		if !r.closed() {
			return "", false
		}
		names[i] = r.folder
	}
	return digestOf(names), !d.failed
}

// digestOf returns a short digest of names in their order.
func digestOf(names []string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(sum[:8])
}
