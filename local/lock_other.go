//go:build !unix

package main

import (
	"errors"
	"os"
)

// lockFile creates the file and keeps it open. Windows refuses to remove a file that a process has open: a file that
// can't be removed is locked, and one that a killed process left is not. It returns errLocked if another process has
// the lock.
func lockFile(name string) (*os.File, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errLocked
	}
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}
