package archive

import (
	"context"
	"iter"
)

// AllRuns returns an iterator over the folders of all runs, day by day in ascending order. An error is the last thing
// that it yields. Memory holds the names of the days and of one day's runs.
func (s *Store) AllRuns(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		days, err := s.Days(ctx)
		if err != nil {
			yield("", err)
			return
		}
		for _, day := range days {
			runs, err := s.Runs(ctx, day)
			if err != nil {
				yield("", err)
				return
			}
			for _, run := range runs {
				if !yield(run, nil) {
					return
				}
			}
		}
	}
}

// AllBatches returns an iterator over the batches of all runs, in the order of AllRuns and then of their names. An
// error is the last thing that it yields. Memory holds the batches of one run.
func (s *Store) AllBatches(ctx context.Context) iter.Seq2[BatchInfo, error] {
	return func(yield func(BatchInfo, error) bool) {
		for run, err := range s.AllRuns(ctx) {
			var batches []BatchInfo
			if err == nil {
				batches, err = s.Batches(ctx, run)
			}
			if err != nil {
				yield(BatchInfo{}, err)
				return
			}
			for _, b := range batches {
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}
