package deliveries

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"o2archiver/handlers/fetch/internal/leased"
	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

// savedProgress is the progress of the ZIP that is copied or read, in a document of its own. It is written after each
// batch, so it is small, and needs no lease: neither batches nor the blocks of a copy are ever changed, so it stays
// true.
type savedProgress struct {
	Key      string   `json:"key"`
	Part     *Part    `json:"part,omitempty"`
	Anew     int      `json:"anew,omitempty"` // of the ZIP, when it had this part
	Progress Progress `json:"progress"`
}

// load reads the state, and the progress of the ZIP that was read last.
func (r *run) load(ctx context.Context) error {
	var saved savedProgress
	err := retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
		_, err := r.Checkpoints.GetLarge(ctx, r.form.state, r.state, maxState)
		return err
	})
	name := r.form.state
	if err == nil {
		name = r.form.past
		err = r.loadPast(ctx)
	}
	if err != nil {
		if errors.Is(err, archive.ErrContent) || errors.Is(err, archive.ErrTooLarge) {
			r.log.Error("the state of the deliveries can't be read: nothing is read before its former "+
				"version is restored",
				"event", "fetch.deliveryStateUnreadable", "error", name+": "+err.Error())
		}
		return fmt.Errorf("read the state of the deliveries: %w", err)
	}
	err = retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
		_, err := r.Checkpoints.Get(ctx, r.form.progress, &saved)
		return err
	})
	if err != nil && !errors.Is(err, archive.ErrNotFound) && !errors.Is(err, archive.ErrContent) {
		return fmt.Errorf("read the progress of a delivery: %w", err)
	}
	for i := range r.state.Open {
		z := &r.state.Open[i]
		if err != nil || z.Key != saved.Key {
			continue
		}
		if saved.Progress.Next > z.Progress.Next {
			z.Progress = saved.Progress
		}
		if z.SHA256 == "" && saved.Part != nil && saved.Anew == z.Anew && saved.Part.Size > z.partSize() {
			z.Part = saved.Part
		}
	}
	return nil
}

// save writes the state, and reports it. The lease makes this process the only writer. After leased.ErrLost nothing was
// written, and nothing may be.
func (r *run) save(ctx context.Context) error {
	err := retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
		_, err := r.Checkpoints.PutLarge(ctx, r.form.state, r.state, maxState, "*", r.lease)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrChanged), errors.Is(err, archive.ErrLeased):
		return fmt.Errorf("save the state of the deliveries: %w: %w", leased.ErrLost, err)
	case err != nil:
		return fmt.Errorf("save the state of the deliveries: %w", err)
	}
	r.shown = false
	r.report()
	return nil
}

func (r *run) saveProgress(ctx context.Context, z *ZIP) error {
	p := savedProgress{Key: z.Key, Part: z.Part, Anew: z.Anew, Progress: z.Progress}
	p.Progress.Problems = maps.Clone(p.Progress.Problems)
	err := retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
		_, err := r.Checkpoints.Put(ctx, r.form.progress, p, "*", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("save the progress of a delivery: %w", err)
	}
	r.report()
	return nil
}
