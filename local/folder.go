package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"o2archiver/local/filelock"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// lockName is locked by a start while it uses the folder.
	lockName = "lock"

	// emulatorLock is locked by the storage emulator, too: an emulator whose parent was killed still writes its data.
	emulatorLock = "azurite.lock"

	// emulatorEnd is how long an emulator without a parent may take to end: it has 8 seconds to write its data.
	emulatorEnd = 20 * time.Second
)

// folder is the folder of -storage, used by this start only.
type folder struct {
	lock     *os.File
	emulator *os.File
}

// holdFolder locks the folder for this start. If another start uses it, that is an error; for the emulator of a start
// that was killed it waits.
func holdFolder(ctx context.Context, dir string, progress io.Writer) (_ *folder, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("-storage: %w", err)
	}
	f := &folder{}
	defer func() {
		if err != nil {
			f.release()
		}
	}()
	name := filepath.Join(dir, lockName)
	if f.lock, err = filelock.Try(name); errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf(
			"-storage: another start%s is using the folder %s: wait for its end, or name another folder",
			readHolder(name), dir)
	}
	if err != nil {
		return nil, fmt.Errorf("-storage: lock the folder: %w", err)
	}
	if err := writeHolder(f.lock); err != nil {
		return nil, fmt.Errorf("-storage: lock the folder: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, emulatorEnd)
	defer cancel()
	for told := false; ; told = true {
		if f.emulator, err = filelock.Try(filepath.Join(dir, emulatorLock)); err == nil {
			return f, nil
		}
		if !errors.Is(err, filelock.ErrLocked) {
			return nil, fmt.Errorf("-storage: lock the emulator's data: %w", err)
		}
		if !told {
			fmt.Fprintln(progress, "Waiting for the storage emulator of an earlier start to write its data …")
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-waiting.Done():
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("-storage: the storage emulator of an earlier start still has the folder %s open: "+
				"end that process, or name another folder", dir)
		}
	}
}

// writeHolder writes this process's ID and the time into the lock file.
func writeHolder(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err := lock.WriteAt([]byte(
		fmt.Sprintf("process %d, since %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))), 0)
	return err
}

// readHolder returns the content of a lock file, in parentheses and after a blank, or "" if it can't be read.
func readHolder(name string) string {
	raw, err := os.ReadFile(name)
	if text := strings.TrimSpace(string(raw)); err == nil && text != "" && len(text) < 100 {
		return " (" + text + ")"
	}
	return ""
}

// release unlocks the folder. The lock files stay: only their locks matter.
func (f *folder) release() {
	for _, file := range []*os.File{f.lock, f.emulator} {
		if file != nil {
			_ = file.Close()
		}
	}
}
