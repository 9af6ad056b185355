package sweeper

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// shortTurns runs a turn of every open batch. Batches that never had a turn come first, the oldest first, because their
// events were lost; the others follow, beginning after the one that was tried last. It returns the batches that a
// longer turn may help.
func (s *sweep) shortTurns(ctx context.Context, until time.Time) (stuck []*openBatch) {
	s.mu.Lock()
	tried, after := s.state.Tried, s.state.After
	slices.SortFunc(s.open, func(a, b *openBatch) int {
		return cmp.Or(
			falseFirst(tried[a.name] > 0, tried[b.name] > 0),
			falseFirst(tried[a.name] > 0 && a.name <= after, tried[b.name] > 0 && b.name <= after),
			cmp.Compare(a.name, b.name),
		)
	})
	s.mu.Unlock()
	again := make([]bool, len(s.open))
	s.inTurn(ctx, s.open, TurnGroup, shortAtOnce, until, func(i int, b *openBatch) {
		again[i] = s.tryBatch(ctx, b, s.opts.Times.Idle, s.opts.Times.Short)
	})
	for i, b := range s.open {
		if again[i] {
			stuck = append(stuck, b)
		}
	}
	return stuck
}

// longTurns spends the remaining time on the batches that a short turn did not finish, the least tried first.
func (s *sweep) longTurns(ctx context.Context, stuck []*openBatch) {
	s.mu.Lock()
	tried, after := s.state.Tried, s.state.After
	slices.SortFunc(stuck, func(a, b *openBatch) int {
		return cmp.Or(
			cmp.Compare(tried[a.name], tried[b.name]),
			falseFirst(a.name <= after, b.name <= after),
			cmp.Compare(a.name, b.name),
		)
	})
	s.mu.Unlock()
	s.inTurn(ctx, stuck, 1, longAtOnce, time.Time{}, func(_ int, b *openBatch) {
		s.tryBatch(ctx, b, 0, s.opts.Times.Long)
	})
}

// falseFirst compares two booleans so that false sorts before true.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// inTurn tries the batches in their order, atOnce of them concurrently, until the time is over. The turns of each group
// of each batches are counted, and the count saved, before the first of them begins.
func (s *sweep) inTurn(ctx context.Context, all []*openBatch, each, atOnce int, until time.Time,
	try func(int, *openBatch)) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	counted := 0
	for i, b := range all {
		if ctx.Err() != nil || hasPassed(until) || s.superseded() {
			break
		}
		if i == counted {
			counted = min(i+each, len(all))
			s.countTry(all[i:counted])
			// If saving fails, the batches have their turns all the same, and the next sweep begins with them.
			s.noteResult(s.save(ctx))
			if s.superseded() {
				break
			}
		}
		group.Go(func() error {
			if ctx.Err() == nil {
				try(i, b)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// settleBatch adds the results of the open batches to the sweep's, and logs the runs that are finished now.
func (s *sweep) settleBatch(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.open {
		switch {
		case b.done:
			s.res.Finished++
			b.run.left--
			b.run.totals = b.run.totals.Add(b.totals)
		case b.held:
			s.res.Held++
		case b.err != nil && len(s.failed) < 3:
			s.failed = append(s.failed, b.err)
		}
	}
	if cause := context.Cause(ctx); cause != nil && len(s.failed) == 0 {
		s.failed = append(s.failed, cause)
	}
	for _, d := range s.days {
		for _, r := range d.runs {
			if !r.known && r.closed() {
				s.log.Info("run finished", "event", "import.runFinished", "run", r.folder, "batches", r.batches)
				s.tellUnusual(r)
			}
		}
	}
}
