package sweeper

import (
	"context"
	"maps"
	"slices"
	"time"
)

// tallyRuns writes the totals of the runs that were looked at, and of those that an earlier sweep had no time for or
// failed at, until the time is over. A failure is reported and is not one of the sweep: the next one writes them.
func (s *sweep) tallyRuns(ctx context.Context, until time.Time) {
	s.mu.Lock()
	runs := slices.Sorted(maps.Keys(s.untallied))
	s.mu.Unlock()
	done := map[string]bool{}
	for _, run := range runs {
		if ctx.Err() != nil || hasPassed(until) || s.superseded() {
			break
		}
		if err := s.opts.Totals.TallyRun(ctx, run, false); err != nil {
			if ctx.Err() == nil {
				s.log.Error("the totals of a run could not be written; the next sweep writes them",
					"event", "import.totalsFailed", "run", run, "error", err.Error())
			}
			break // the others would most likely fail too, and take their time
		}
		done[run] = true
		s.mu.Lock()
		delete(s.untallied, run)
		s.mu.Unlock()
	}
	s.forgetTallied(ctx, done)
}

// forgetTallied removes the replays whose runs' totals are written. A replay that has ended since is not among them.
func (s *sweep) forgetTallied(ctx context.Context, done map[string]bool) {
	var ids []string
	for id, run := range s.tallied {
		if done[run] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	s.noteResult(s.updateReplays(ctx, func(state *Replays) error {
		for _, id := range ids {
			delete(state.Tally, id)
		}
		return nil
	}))
	for _, id := range ids {
		delete(s.tallied, id)
	}
}
