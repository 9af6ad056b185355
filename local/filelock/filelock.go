// Package filelock lets one process at a time use what a file stands for.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrLocked reports that another process has the lock.
var ErrLocked = errors.New("the file is locked")

// lookEvery is how often Wait tries.
const lookEvery = 50 * time.Millisecond

// Wait acquires the lock as Try does, and waits while another process has it. Closing the file releases the lock.
func Wait(ctx context.Context, name string) (*os.File, error) {
	for {
		f, err := Try(name)
		if !errors.Is(err, ErrLocked) {
			return f, err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the process that has locked %s: %w", name, context.Cause(ctx))
		}
	}
}
