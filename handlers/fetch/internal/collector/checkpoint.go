package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

const (
	// maxCheckpoint is what the checkpoint may have, read and written. Each open window takes less than 1 KiB and its cursor, at most
	// 4 KiB with escapes; the keys that windows have chosen take less than 2 MiB together (maxPromised). So days since 2000 and
	// schedule.MaxOpen windows of backfills, each with the longest cursor, have room.
	maxCheckpoint = 96 << 20

	// storagePatience is how long one operation waits for storage that is away.
	storagePatience = 15 * time.Minute
)

// savedState is the checkpoint together with what is needed to write it back.
type savedState struct {
	schedule.Checkpoint
	store *archive.Store
	lease *archive.Lease
}

func (c *Collector) loadCheckpoint(ctx context.Context, lease *archive.Lease) (*savedState, error) {
	state := &savedState{store: c.store, lease: lease}
	err := onStorage(ctx, func(ctx context.Context) error {
		_, err := c.store.GetLargeJSON(ctx, archive.Checkpoints, schedule.CheckpointName, &state.Checkpoint, maxCheckpoint)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	return state, nil
}

// save writes the checkpoint. errLeaseLost: nothing was written, and nothing may be.
func (s *savedState) save(ctx context.Context) error {
	err := onStorage(ctx, func(ctx context.Context) error {
		// The lease makes this process the only writer, so the write may be repeated whatever its ETag has become.
		_, err := s.store.PutLargeJSON(ctx, archive.Checkpoints, schedule.CheckpointName, &s.Checkpoint, maxCheckpoint, "*", s.lease)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrChanged), errors.Is(err, archive.ErrLeased):
		return fmt.Errorf("save the checkpoint: %w: %w", errLeaseLost, err)
	case err != nil:
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	return nil
}

// onStorage repeats an operation on storage that is safe to repeat while storage is away.
func onStorage(ctx context.Context, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storagePatience)
	defer cancel()
	return retry.Do(ctx, op)
}
