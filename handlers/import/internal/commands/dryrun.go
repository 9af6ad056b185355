package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
)

// dryRunTime is the maximum time in one sweep for dry runs: the sweep and other commands need the rest.
const dryRunTime = 3 * time.Minute

// Trial finds out what would become of a batch. It is *importer.Importer.
type Trial interface {
	// DryRun writes nothing. An error that matches importer.ErrMissing means that there is no such batch.
	DryRun(ctx context.Context, name string) (importer.Trial, error)
	// RefreshRecipients makes the next DryRun look up again what was not found before.
	RefreshRecipients(ctx context.Context) error
}

// dryRun tries the batches of a run, or one batch, as far as its time goes; the next sweep continues behind the batches
// that the saved answer has.
func (r *Runner) dryRun(ctx context.Context, t *control.Task, log *slog.Logger) error {
	limited, cancel := context.WithTimeout(ctx, dryRunTime)
	defer cancel()
	names, err := r.opts.Sweeper.NamedBatches(limited, t.What)
	if errors.Is(err, funchost.ErrInput) {
		return r.finish(ctx, t, control.Refused, err.Error(), log)
	}
	if err == nil {
		err = r.opts.Trial.RefreshRecipients(limited)
	}
	before := t.Answer.Done
	for _, name := range names {
		if err != nil {
			break
		}
		if name <= t.Answer.After {
			continue
		}
		var trial importer.Trial
		trial, err = r.opts.Trial.DryRun(limited, name)
		if errors.Is(err, importer.ErrMissing) && len(names) == 1 {
			return r.finish(ctx, t, control.Refused, "there is no batch of that name", log)
		}
		if err == nil || errors.Is(err, importer.ErrMissing) { // deleted since the run was listed
			t.Answer.After = name
			err = r.opts.Queue.Step(ctx, t, len(names), countsOf(trial))
		}
	}
	t.Answer.Of = len(names)
	switch {
	case err == nil:
		t.Answer.Done = len(names)
		return r.finish(ctx, t, control.Done, describeTrial(t.Answer.Counts), log)
	case t.Answer.Done > before:
		return r.opts.Queue.Progress(ctx, t, t.Answer.Done, len(names), "at work; the next sweep continues")
	case t.Answer.Tries-t.Answer.Done >= maxTries:
		return r.finish(ctx, t, control.Failed, "given up after many tries; the last one: "+err.Error(), log)
	}
	return err
}

func countsOf(t importer.Trial) map[string]int64 {
	return map[string]int64{control.CountRecords: int64(t.Records), control.CountImport: int64(t.Import),
		control.CountPresent: int64(t.Present), control.CountUnmapped: int64(t.Unmapped),
		control.CountExcluded: int64(t.Excluded), control.CountQuarantined: int64(t.Quarantined),
		control.CountOpen: int64(t.Open), control.CountCopies: int64(t.Copies),
		control.CountOversize: int64(t.Oversize)}
}

// describeTrial returns what the counts of a dry run mean.
func describeTrial(counts map[string]int64) string {
	says := fmt.Sprintf("of %d records %d would be imported, with %d copies", counts[control.CountRecords],
		counts[control.CountImport], counts[control.CountCopies])
	for _, part := range []struct {
		name, says string
	}{
		{control.CountOversize, "%d of these copies without an attachment, for its size"},
		{control.CountPresent, "%d are in their mailboxes already"},
		{control.CountUnmapped, "%d find no mailbox"},
		{control.CountExcluded, "%d are heartbeats"},
		{control.CountQuarantined, "%d cannot be read or converted"},
		{control.CountOpen, "about %d the directory has no answer now"},
	} {
		if n := counts[part.name]; n > 0 {
			says += "; " + fmt.Sprintf(part.says, n)
		}
	}
	return says + "; nothing was written"
}
