// Package commands carries out what an administrator asks of fetch: to fetch what is due, to fetch a range of time
// again, to estimate how much there is in one, to check what fetch needs.
//
// A turn is short, so that a daily run, which waits for the same lease, has its time between two turns. What a turn
// does not finish is continued by the next one.
package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
)

const (
	// turn is the maximum time of one turn. The timer of the function ticks every five minutes.
	turn = 4 * time.Minute

	// maxTries is the number of turns of a command that may end with an error, or without an end, for each step that it
	// has: a command that never ends is given up. What it has begun is left to the daily runs.
	maxTries = 12
)

// Intake is what a turn needs of the engine that gets the items. RunDue and Backfill may be called again for the
// same command: they continue it. An error that matches funchost.ErrBusy means that another instance is at work.
type Intake interface {
	// RunDue gets what is due.
	RunDue(ctx context.Context, command string, log *slog.Logger) (Progress, error)
	// Backfill gets a range of time again. An error that matches funchost.ErrInput means that it cannot.
	Backfill(ctx context.Context, command string, wanted schedule.Range, log *slog.Logger) (Progress, error)

	// Steps returns the number of steps that an estimate of the range has.
	Steps(wanted schedule.Range) int
	// Estimate counts what there is in a range of time, beginning with the step of that index, and passes the counts of
	// each step to each. It changes nothing. An error that matches funchost.ErrInput means that it cannot. Only Refused
	// of the Progress is set.
	Estimate(ctx context.Context, wanted schedule.Range, step int, each func(counts map[string]int64) error,
		log *slog.Logger) (Progress, error)
}

// Progress is how far a command is.
type Progress struct {
	Done, Of int    // windows, or ZIPs; Done is -1 if it is as before
	Left     bool   // it has to be continued
	Says     string // one sentence, for a turn without an error
	Refused  string // one sentence if the credentials were refused
	Paused   bool
}

// Source is what a turn works with, by the settings that are in force.
type Source struct {
	Intake   Intake         // nil: there is none yet
	Links    func() []Check // of one check, in the order in which they are shown; nil: there are none yet
	NotSetUp string         // why nothing may be fetched yet; "": it may
}

// Options holds what a Runner works with.
type Options struct {
	Queue  *control.Queue
	Source func(ctx context.Context, log *slog.Logger) (Source, error) // is asked once in a turn with commands
}

// Runner carries out commands.
type Runner struct{ opts Options }

// New returns a Runner. It makes no request.
func New(o Options) *Runner { return &Runner{o} }

// Result is what a turn returns.
type Result struct {
	Commands int `json:"commands"` // that were not finished when it began
	Finished int `json:"finished"` // of these, by this turn
}

// Turn carries out the commands that are not finished, the least tried first, until its time is over. A command that
// fails does not keep the others from their turns.
func (r *Runner) Turn(ctx context.Context, log *slog.Logger) (res Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, turn, funchost.ErrDeadline)
	defer cancel()
	tasks, err := r.opts.Queue.Pending(ctx)
	failed := []error{err}
	res.Commands = len(tasks)
	var work turnWork
	if len(tasks) > 0 {
		work.Source, work.err = r.opts.Source(ctx, log)
	}
	refused := "" // what is said of refused credentials: a further try may bring the account closer to being locked
	for _, t := range tasks {
		if ctx.Err() != nil {
			break // nothing has been begun for it
		}
		log := log.With("command", t.Name, "kind", string(t.Kind))
		if err := r.opts.Queue.Begin(ctx, t); err != nil {
			failed = append(failed, err)
			continue
		}
		a := answer{state: control.Failed, says: refused, done: t.Answer.Done, of: t.Answer.Of}
		if t.Kind == control.Check || refused == "" {
			a = work.carryOut(ctx, r.opts.Queue, t, log)
			refused = cmp.Or(refused, a.refused)
		}
		switch {
		case a.state == "":
			err = r.opts.Queue.Progress(ctx, t, a.done, a.of, a.says)
		default:
			t.Answer.Done, t.Answer.Of, t.Answer.Links = a.done, a.of, a.links
			if err = r.opts.Queue.Finish(ctx, t, a.state, a.says); err == nil {
				res.Finished++
			}
			log.Info("command finished", "event", "fetch.commandFinished", "state", a.state, "tries", t.Answer.Tries)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return res, errors.Join(failed...)
}

// answer is the outcome of one turn of a command.
type answer struct {
	state    string // "": it is not finished
	says     string
	done, of int
	links    []control.Link
	refused  string // what is said of refused credentials
}

// turnWork is what the commands of one turn share.
type turnWork struct {
	Source
	err error // why there is no Source
}

// carryOut works on one command.
func (w turnWork) carryOut(ctx context.Context, q *control.Queue, t *control.Task, log *slog.Logger) answer {
	if t.Kind == control.Check {
		links := w.check(ctx)
		if ctx.Err() != nil && t.Answer.Tries < maxTries {
			return answer{says: "at work; the next turn continues"} // what failed, failed for want of time
		}
		return answer{state: control.Done, says: control.SumUp(links), links: links}
	}
	switch {
	case w.err != nil:
		return finishTurn(ctx, t, Progress{Done: -1, Of: t.Answer.Of}, w.err)
	case t.Kind == control.Estimate:
		return w.estimate(ctx, q, t, log)
	case w.Intake == nil, w.NotSetUp != "":
		t.Answer.Tries = 0
		return answer{says: "fetch is not set up yet, and the command waits: " + w.NotSetUp, done: t.Answer.Done,
			of: t.Answer.Of}
	case t.Kind == control.Run:
		p, err := w.Intake.RunDue(ctx, t.Name, log)
		return finishTurn(ctx, t, p, err)
	default: // a backfill: the queue knows no other kind
		p, err := w.Intake.Backfill(ctx, t.Name, schedule.Range{From: t.From, To: t.To}, log)
		if errors.Is(err, funchost.ErrInput) {
			return answer{state: control.Refused, says: err.Error()}
		}
		return finishTurn(ctx, t, p, err)
	}
}

// finishTurn returns the answer of a turn.
func finishTurn(ctx context.Context, t *control.Task, p Progress, err error) answer {
	a := answer{done: p.Done, of: p.Of, refused: p.Refused}
	if a.done < 0 {
		a.done = t.Answer.Done
	}
	switch {
	case p.Refused != "":
		a.state, a.says = control.Failed, p.Refused
		return a
	case p.Paused:
		a.says = "fetch is paused: the command continues when it is started again"
		t.Answer.Tries = 0
		return a
	case errors.Is(err, funchost.ErrBusy):
		a.says = "a run is under way; the command continues after it"
		t.Answer.Tries-- // nothing was tried, and a run may take hours with the host's retries
		return a
	case ctx.Err() != nil:
		a.says = "at work; the next turn continues"
	case err != nil:
		a.says = fmt.Sprintf("not finished, and tried again: %v", err)
	case !p.Left:
		a.state, a.says = control.Done, p.Says
		return a
	default:
		a.says = p.Says
	}
	if t.Answer.Tries >= maxTries+a.of {
		a.state = control.Failed
		a.says = "given up after many turns; the daily runs continue what it began. The last one: " + a.says
	}
	return a
}
