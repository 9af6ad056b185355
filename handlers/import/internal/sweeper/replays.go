package sweeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
)

// ReplaysBlob is the blob in archive.SweepsContainer that holds Replays.
const ReplaysBlob = "replays.json"

// Replays is the persisted form of the replays. It has a blob of its own because a sweep holds the lease of State's.
type Replays struct {
	Open  []Replay      `json:"open,omitempty"`
	Ended []EndedReplay `json:"ended,omitempty"` // the latest maxEnded of those that a command asked for

	// Tally has the replays that have ended since, by id, with their runs: the totals of the runs have to be written.
	Tally map[string]string `json:"tally,omitempty"`
}

// EndedReplay is a replay that is not continued.
type EndedReplay struct {
	ID      string `json:"id"`
	Why     string `json:"why"` // one of the constants below
	Batches int    `json:"batches,omitempty"`
}

// Why a replay ended.
const (
	ReplayDone     = "done"
	ReplayReplaced = "replaced" // a later one asks for the same
	ReplayGone     = "gone"     // its run or batch no longer exists
	ReplayTooOld   = "too old"  // it was not finished in replayFor and replayTries
)

// Replay is a replay that has begun. It is saved before its first batch, so that a sweep can continue it wherever it
// was interrupted.
type Replay struct {
	ID   string `json:"id"`   // of the invocation that requested it
	What string `json:"what"` // a run's folder or a batch
	importer.Selection
	At    time.Time `json:"at"`              // when it was requested
	After string    `json:"after,omitempty"` // all batches up to this one have had their turn
	Again []string  `json:"again,omitempty"` // those of them that need another turn
	Tries int       `json:"tries,omitempty"` // sweeps that have tried to continue it
	Of    int       `json:"of,omitempty"`    // batches; 0: not counted yet
	Left  int       `json:"left,omitempty"`  // of these, not finished
	Asked bool      `json:"asked,omitempty"` // by a command, whose name is ID
}

// Knows reports whether the replay was added before.
func (state *Replays) Knows(id string) bool {
	return slices.ContainsFunc(state.Open, func(o Replay) bool { return o.ID == id }) ||
		slices.ContainsFunc(state.Ended, func(e EndedReplay) bool { return e.ID == id })
}

// add adds a replay in place of an earlier one of the same run or batch, and of the same records.
func (state *Replays) add(r Replay) error {
	for _, o := range slices.Clone(state.Open) {
		if o.What == r.What && o.Selection.IsSame(r.Selection) {
			state.end(o.ID, ReplayReplaced)
		}
	}
	if len(state.Open) >= maxReplays {
		return fmt.Errorf("%w: %d replays are not finished; sweep goes on with them", funchost.ErrBusy,
			len(state.Open))
	}
	state.Open = append(state.Open, r)
	return nil
}

// end removes a replay from the open ones.
func (state *Replays) end(id, why string) {
	for _, o := range state.Open {
		if o.ID == id && o.After != "" && len(state.Tally) < maxReplays {
			if state.Tally == nil {
				state.Tally = map[string]string{}
			}
			state.Tally[id] = o.runReplay()
		}
		if o.ID == id && o.Asked {
			state.Ended = append(state.Ended[max(0, len(state.Ended)-maxEnded+1):],
				EndedReplay{ID: id, Why: why, Batches: o.Of})
		}
	}
	state.Open = slices.DeleteFunc(state.Open, func(o Replay) bool { return o.ID == id })
}

// savedReplays reads the saved replays; none is no error.
func (s *sweep) savedReplays(ctx context.Context) (state Replays, _ error) {
	err := retry.Do(ctx, func(ctx context.Context) error {
		_, err := s.opts.Sweeps.Get(ctx, ReplaysBlob, &state)
		if errors.Is(err, archive.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return state, fmt.Errorf("read the replays that are not finished: %w", err)
	}
	return state, nil
}

// endReplay removes the replay from the open ones.
func (s *sweep) endReplay(ctx context.Context, r *Replay, why string) error {
	return s.updateReplays(ctx, func(state *Replays) error {
		for i, o := range state.Open {
			if o.ID == r.ID {
				state.Open[i].Of = r.Of
			}
		}
		state.end(r.ID, why)
		return nil
	})
}

// updateReplays changes the saved replays with a conditional write, which it repeats if another process has changed
// them meanwhile.
func (s *sweep) updateReplays(ctx context.Context, change func(*Replays) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepSaves)
	defer cancel()
	var err error
	for range replayWrites {
		err = retry.Do(ctx, func(ctx context.Context) error {
			var state Replays
			etag, err := s.opts.Sweeps.Get(ctx, ReplaysBlob, &state)
			if err != nil && !errors.Is(err, archive.ErrNotFound) {
				return err
			}
			if err := change(&state); err != nil {
				return err
			}
			_, err = s.opts.Sweeps.Put(ctx, ReplaysBlob, state, etag, nil)
			return err
		})
		if !errors.Is(err, archive.ErrChanged) && !errors.Is(err, archive.ErrExists) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("save the replays that are not finished: %w", err)
	}
	return nil
}
