package archive

import (
	"context"
	"fmt"
	"iter"
)

// AllRuns returns an iterator over the folders of all runs, day by day in ascending order. An error is the last thing
// that it yields. Memory holds the names of the days and of one day's runs.
func (b *Batches) AllRuns(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		days, err := b.Days(ctx)
		if err != nil {
			yield("", err)
			return
		}
		for _, day := range days {
			runs, err := b.Runs(ctx, day)
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

// All returns an iterator over the batches of all runs, in the order of AllRuns and then of their names. An error is
// the last thing that it yields. Memory holds what it does for AllRuns and InRun.
func (b *Batches) All(ctx context.Context) iter.Seq2[BatchInfo, error] {
	return func(yield func(BatchInfo, error) bool) {
		for run, err := range b.AllRuns(ctx) {
			if err != nil {
				yield(BatchInfo{}, err)
				return
			}
			for info, err := range b.InRun(ctx, run) {
				if err != nil {
					err = fmt.Errorf("list the batches: %w", err)
				}
				if !yield(info, err) || err != nil {
					return
				}
			}
		}
	}
}
