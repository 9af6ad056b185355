package commands

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"o2archiver/shared/archive/layout"
	"o2archiver/shared/control"
)

// tallyTime is the maximum time in one sweep for writing totals anew: the sweep and other commands need the rest.
const tallyTime = 4 * time.Minute

// Batches lists the runs. It is *archive.Batches without what writes.
type Batches interface {
	AllRuns(ctx context.Context) iter.Seq2[string, error]
}

// Totals writes what became of runs and their batches. It is *tallier.Tallier.
type Totals interface {
	TallyRun(ctx context.Context, run string, all bool) error
}

// tallyAll writes the totals of all runs anew, the latest first, as far as its time goes; the next sweep continues. The
// answer counts the runs that are done. Runs that are planned after the command are left to sweeps, and retention
// deletes the earliest ones, so neither shifts those that are left.
func (r *Runner) tallyAll(ctx context.Context, t *control.Task, log *slog.Logger) error {
	limited, cancel := context.WithTimeout(ctx, tallyTime)
	defer cancel()
	last := layout.AfterDay(layout.Day(t.Asked))
	var runs []string
	for run, err := range r.opts.Batches.AllRuns(limited) {
		if err != nil {
			return r.tallyLater(ctx, t, err, log)
		}
		if run < last {
			runs = append(runs, run)
		}
	}
	slices.Reverse(runs)
	before := t.Answer.Done
	for _, run := range runs[min(before, len(runs)):] {
		err := r.opts.Totals.TallyRun(limited, run, true)
		switch {
		case err == nil:
			t.Answer.Done++
		case t.Answer.Done > before:
			return r.opts.Queue.Progress(ctx, t, t.Answer.Done, len(runs), "at work; the next sweep continues")
		default:
			return r.tallyLater(ctx, t, err, log)
		}
	}
	t.Answer.Done, t.Answer.Of = len(runs), len(runs)
	says := fmt.Sprintf("the totals of %d runs are those of their journals", len(runs))
	return r.finish(ctx, t, control.Done, says, log)
}

// tallyLater leaves the command to the next sweep, or gives it up after many tries without progress.
func (r *Runner) tallyLater(ctx context.Context, t *control.Task, err error, log *slog.Logger) error {
	if t.Answer.Tries-t.Answer.Done >= maxTries {
		return r.finish(ctx, t, control.Failed, "given up after many tries; the last one: "+err.Error(), log)
	}
	return err
}
