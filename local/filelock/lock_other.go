//go:build !unix

package filelock

import (
	"errors"
	"os"
)

// Try creates the file and keeps it open. Windows refuses to remove a file that a process has open: a file that
// can't be removed is locked, and one that a killed process left is not. It returns ErrLocked if another process has
// the lock.
func Try(name string) (*os.File, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, ErrLocked
	}
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}
