package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/handlers/fetch/internal/leased"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

const (
	// maxCheckpoint is the maximum size of the checkpoint in bytes. Each open window takes less than 1 KiB and its
	// cursor at most 4 KiB with escapes; the keys that windows have selected take less than 2 MiB together
	// (maxReserved). There is room for the days since 2000 and schedule.MaxOpen windows of backfills, each with the
	// longest cursor.
	maxCheckpoint = 96 << 20

	// storagePatience is how long one operation is retried while storage is unavailable.
	storagePatience = 15 * time.Minute
)

// savedState is the checkpoint together with what is needed to save it.
type savedState struct {
	schedule.Checkpoint
	saved *archive.Documents
	lease *archive.Lease
	inv   *invocation // that works on it
}

func (c *Collector) loadCheckpoint(ctx context.Context, lease *archive.Lease, inv *invocation) (*savedState, error) {
	state := &savedState{saved: c.checkpoints, lease: lease, inv: inv}
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		_, err := c.checkpoints.GetLarge(ctx, schedule.CheckpointName, &state.Checkpoint,
			maxCheckpoint)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	return state, nil
}

// save writes the checkpoint, and reports it. After leased.ErrLost nothing was written, and nothing may be.
func (s *savedState) save(ctx context.Context) error {
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		// The lease makes this process the only writer, so the write may be repeated whatever the ETag has become.
		_, err := s.saved.PutLarge(ctx, schedule.CheckpointName, &s.Checkpoint,
			maxCheckpoint, "*", s.lease)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrChanged), errors.Is(err, archive.ErrLeased):
		return fmt.Errorf("save the checkpoint: %w: %w", leased.ErrLost, err)
	case err != nil:
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	s.report()
	return nil
}
