package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestWait(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	first, err := Try(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(name); !errors.Is(err, ErrLocked) {
		t.Errorf("the lock that another has: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Wait(ended, name); !errors.Is(err, context.Canceled) {
		t.Errorf("the lock that another keeps: %v", err)
	}
	got := make(chan error)
	go func() {
		second, err := Wait(t.Context(), name)
		if err == nil {
			err = second.Close()
		}
		got <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the lock that another has released: %v", err)
	}
}
