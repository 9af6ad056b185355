package sweeper

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

// StateBlob is the blob in archive.Sweeps that holds State, and whose lease a sweep holds.
const StateBlob = "sweep.json"

const (
	sweepSaves = time.Minute // for the state, when the invocation's own time is up

	// sweepBack is for how many days after its planning a run is looked for at every sweep, though its day is
	// finished: fetch names a run's folder after the day on which it was planned, and a window can be owed for long.
	// Earlier days are looked at in rotation.
	sweepBack = 92

	maxClosed = 10_000 // runs that the state names
	maxTried  = 10_000 // batches whose tries it counts
	maxDays   = 20_000 // days that it has as finished
)

// State is the stored form of what sweep knows from one invocation to the next, so that it does not look at the whole
// archive every hour. All of it only saves work, or decides what comes first: a sweep without it finishes the same
// batches.
type State struct {
	Day    string   `json:"day"`              // 2026/11/23: when they were last looked at, all runs of earlier days were finished
	Closed []string `json:"closed,omitempty"` // folders of finished runs on that day and after

	// Finished has the days of which all runs are finished, each with a digest of the runs' names: another run makes
	// another digest.
	Finished map[string]string `json:"finished,omitempty"`
	Earlier  string            `json:"earlier,omitempty"` // the day before Day at which the next sweep goes on
	From     string            `json:"from,omitempty"`    // the day at which it goes on looking, where the time was too short for all

	Tried map[string]int `json:"tried,omitempty"` // turns that were begun, of batches that are open
	After string         `json:"after,omitempty"` // the batch whose turn was counted last

	Counts []RunCounts `json:"counts,omitempty"` // of the last runs that were finished, in the order of their folders
}

// load reads the state.
func (s *sweep) load(ctx context.Context) error {
	err := retry.Do(ctx, func(ctx context.Context) error {
		_, err := s.opts.Store.GetJSON(ctx, archive.Sweeps, StateBlob, &s.state)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the sweep's state: %w", err)
	}
	if s.state.Tried == nil {
		s.state.Tried = map[string]int{}
	}
	if s.state.Finished == nil {
		s.state.Finished = map[string]string{}
	}
	return nil
}

// errSuperseded ends a sweep whose lease another one has.
var errSuperseded = errors.New("another sweep has taken over")

// superseded reports whether the lease is lost for good.
func (s *sweep) superseded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.failed, func(err error) bool { return errors.Is(err, errSuperseded) })
}

// save writes the state as it is known by now. A lease that was lost while storage was away is taken again.
func (s *sweep) save(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	next := s.next()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepSaves)
	defer cancel()
	err := retry.Do(ctx, func(ctx context.Context) error {
		if s.lease.Context().Err() != nil {
			if err := s.takeAgain(ctx); err != nil {
				return err
			}
		}
		_, err := s.opts.Store.PutJSON(ctx, archive.Sweeps, StateBlob, next, "*", s.lease)
		return err
	})
	if err != nil {
		return fmt.Errorf("save the sweep's state: %w", err)
	}
	return nil
}

// takeAgain takes the lease after it was lost. The service may keep the lost one for some seconds, so only a lease
// that is there for longer is another sweep's.
func (s *sweep) takeAgain(ctx context.Context) error {
	for began := time.Now(); ; {
		lease, err := s.opts.Store.Lease(ctx, archive.Sweeps, StateBlob)
		switch {
		case err == nil:
			s.lease.Release()
			s.lease = lease
			return nil
		case !errors.Is(err, archive.ErrLeased):
			return err
		case time.Since(began) > s.opts.Times.Lease:
			return errSuperseded
		}
		if err := retry.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// next is the state as it is to be saved. s.mu is held.
func (s *sweep) next() State {
	if s.days == nil { // nothing has been looked at
		return s.state
	}
	next := State{
		Day:      s.opts.Now().UTC().AddDate(0, 0, -sweepBack).Format("2006/01/02"),
		Finished: map[string]string{}, Tried: maps.Clone(s.state.Tried), After: s.state.After, Earlier: s.state.Earlier, From: s.state.From, Counts: s.state.Counts,
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
		case d.looked || d.name >= s.state.Day: // otherwise it was finished when it was looked at last
			next.Day = min(next.Day, d.name)
		}
	}
	for run, done := range closed {
		if done && run >= next.Day {
			next.Closed = append(next.Closed, run)
		}
	}
	slices.Sort(next.Closed)
	next.shrink()
	return next
}

// shrink keeps the state far below the size that is read of it. What it drops is looked at once more.
func (n *State) shrink() {
	if len(n.Closed) > maxClosed { // those of finished days are in Finished, too
		n.Closed = slices.DeleteFunc(n.Closed, func(run string) bool { return n.Finished[dayOf(run)] != "" })
	}
	if extra := len(n.Closed) - maxClosed; extra > 0 {
		n.Closed = n.Closed[extra:]
	}
	for _, day := range slices.Sorted(maps.Keys(n.Finished)) {
		if len(n.Finished) <= maxDays {
			break
		}
		delete(n.Finished, day)
	}
}

// countTry notes that a turn of each of the batches begins. The state has to be saved before it does.
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

// forgetTry takes back the count of a turn that another delivery had. s.mu is held.
func (s *sweep) forgetTry(batch string) {
	if s.state.Tried[batch]--; s.state.Tried[batch] <= 0 {
		delete(s.state.Tried, batch)
	}
}

// digest stands for the names of a day's runs. finished: all of them are.
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

// digestOf is a short digest of names in their order.
func digestOf(names []string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(sum[:8])
}

// dayOf is the day of a run or a batch: the first ten characters of its name.
func dayOf(name string) string { return name[:min(len(name), len("2006/01/02"))] }
