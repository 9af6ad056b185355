//go:build unix

package filelock

import (
	"errors"
	"os"
	"syscall"
)

// Try opens the file and acquires its advisory lock. The system releases the lock when every process that has the
// file open has ended, in whatever way, so a lock is never stale. It returns ErrLocked if another process has the lock.
func Try(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	return nil, err
}
