// Package commands carries out what an administrator asks of import: to replay a run or a batch, to try what would
// become of one, to write all totals anew, to check what import needs. It does so around a sweep, which is what
// continues a replay.
package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/tally"
)

const (
	// maxTries is the number of sweeps that may fail to begin a replay, or to make a check, before it is given up.
	maxTries = 12

	// beginTime is the maximum time for beginning commands before a sweep, which needs the rest. The slowest check
	// takes less.
	beginTime = 6 * time.Minute
)

// Sweeper is what a turn needs of the sweeper.
type Sweeper interface {
	Sweep(ctx context.Context, input, invocation string, log *slog.Logger) (sweeper.Result, error)
	RequestReplay(ctx context.Context, command, what string, only importer.Selection) error
	NamedBatches(ctx context.Context, what string) ([]string, error)
	SavedReplays(ctx context.Context) (sweeper.Replays, error)
}

// Pause is whether the administrator wants nothing to be imported.
type Pause interface {
	// Run runs work, unless and until import is paused; with paused, err is nil.
	Run(ctx context.Context, work func(context.Context) error) (paused bool, err error)
}

// Options holds what a Runner works with.
type Options struct {
	Queue   *control.Queue
	Sweeper Sweeper
	Pause   Pause
	Checker *Checker
	Batches Batches // the runs of which the totals are written anew
	Totals  Totals
	Trial   Trial
}

// Runner carries out commands, and sweeps.
type Runner struct{ opts Options }

// New returns a Runner. It makes no request.
func New(o Options) *Runner { return &Runner{o} }

// Sweep takes up the commands, sweeps unless import is paused, and answers the commands. A command that fails does not
// prevent the sweep, nor the other way round.
func (r *Runner) Sweep(ctx context.Context, input, invocation string, log *slog.Logger) (sweeper.Result, error) {
	tasks, err := r.opts.Queue.Pending(ctx)
	failed := append([]error{err}, r.beginAll(ctx, tasks, log)...)
	var res sweeper.Result
	paused, err := r.opts.Pause.Run(ctx, func(ctx context.Context) (err error) {
		res, err = r.opts.Sweeper.Sweep(ctx, input, invocation, log)
		return err
	})
	failed = append(failed, err)
	if paused {
		log.Warn("import is paused: nothing is imported until it is started again", "event", "import.paused")
	}
	return res, errors.Join(append(failed, r.answer(ctx, tasks, paused, log))...)
}

// beginAll begins the commands, the least tried first, until its time is over; the next sweep begins the others. A
// replay that is at work was begun already: what it meets from now on is the sweep's, and no reason to give it up.
func (r *Runner) beginAll(ctx context.Context, tasks []*control.Task, log *slog.Logger) (failed []error) {
	ctx, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	var saved sweeper.Replays
	isReplay := func(t *control.Task) bool { return t.Kind == control.Replay }
	unread := error(nil)
	if slices.ContainsFunc(tasks, isReplay) {
		saved, unread = r.opts.Sweeper.SavedReplays(ctx)
		failed = append(failed, unread)
	}
	for _, t := range tasks {
		switch {
		case ctx.Err() != nil:
			return failed
		case isReplay(t) && (unread != nil || t.Answer.State == control.Working && saved.Knows(t.Name)):
		default:
			failed = append(failed, r.begin(ctx, t, log))
		}
	}
	return failed
}

// begin makes a check, or saves a replay for the sweep to begin.
func (r *Runner) begin(ctx context.Context, t *control.Task, log *slog.Logger) error {
	if err := r.opts.Queue.Begin(ctx, t); err != nil {
		return err
	}
	switch t.Kind {
	case control.Tally:
		return r.tallyAll(ctx, t, log)
	case control.DryRun:
		return r.dryRun(ctx, t, log)
	}
	if t.Kind == control.Check {
		links := r.opts.Checker.Check(ctx, t.Name, t.Mailbox)
		if ctx.Err() != nil && t.Answer.Tries < maxTries { // what failed, failed for want of time
			return r.opts.Queue.Progress(ctx, t, 0, 0, "at work; the next sweep checks again")
		}
		t.Answer.Links = links
		return r.finish(ctx, t, control.Done, control.SumUp(links), log)
	}
	only := importer.Selection{Lines: t.Lines, Reason: tally.Reason(t.Reason)}
	if only.Reason != "" && !only.Reason.IsKnown() {
		return r.finish(ctx, t, control.Refused, "its reason is none that import gives", log)
	}
	err := r.opts.Sweeper.RequestReplay(ctx, t.Name, t.What, only)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, funchost.ErrInput):
		return r.finish(ctx, t, control.Refused, err.Error(), log)
	case t.Answer.Tries >= maxTries:
		return r.finish(ctx, t, control.Failed, "given up after many tries; the last one: "+err.Error(), log)
	}
	return err
}

// answer saves how far the replays are.
func (r *Runner) answer(ctx context.Context, tasks []*control.Task, paused bool, log *slog.Logger) error {
	var replays sweeper.Replays
	var failed []error
	read := false
	for _, t := range tasks {
		if t.Kind != control.Replay || t.Answer.State != control.Working {
			continue
		}
		if !read {
			var err error
			if replays, err = r.opts.Sweeper.SavedReplays(ctx); err != nil {
				return err
			}
			read = true
		}
		for _, o := range replays.Open {
			if o.ID == t.Name {
				says := "the replay is at work; each sweep continues it"
				if paused {
					says = "import is paused: the replay continues when it is started again"
				}
				failed = append(failed, r.opts.Queue.Progress(ctx, t, o.Of-o.Left, o.Of, says))
			}
		}
		for _, e := range replays.Ended {
			if e.ID == t.Name {
				t.Answer.Done, t.Answer.Of = e.Batches, e.Batches
				state, says := describeEnd(e)
				failed = append(failed, r.finish(ctx, t, state, says, log))
			}
		}
	}
	return errors.Join(failed...)
}

func (r *Runner) finish(ctx context.Context, t *control.Task, state, says string, log *slog.Logger) error {
	err := r.opts.Queue.Finish(ctx, t, state, says)
	if err == nil {
		log.Info("command finished", "event", "import.commandFinished", "command", t.Name, "kind", string(t.Kind),
			"state", state, "tries", t.Answer.Tries)
	}
	return err
}

// describeEnd returns the state of a command whose replay ended.
func describeEnd(e sweeper.EndedReplay) (state, says string) {
	switch e.Why {
	case sweeper.ReplayDone:
		return control.Done, fmt.Sprintf("replayed: %d batches", e.Batches)
	case sweeper.ReplayReplaced:
		return control.Done, "a later command asks for the same, and has its answer"
	case sweeper.ReplayGone:
		return control.Failed, "the run or batch does not exist any more"
	}
	return control.Failed, "not finished within a month, and given up"
}
