package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLogs: each run has a log of its own, and only the newest ones are kept. What else lies in the folder stays.
func TestLogs(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, logsFolder), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, logsFolder, "mine.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 28, 21, 0, 0, 0, time.UTC)
	var paths []string
	for i := range keepLogs + 5 {
		l, err := openLog(dir, now.Add(time.Duration(i/2)*time.Second)) // two at a time
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(paths, l.path) {
			t.Errorf("%s is there twice", l.path)
		}
		paths = append(paths, l.path)
		l.close()
	}
	left, err := filepath.Glob(filepath.Join(dir, logsFolder, "*"))
	if err != nil || len(left) != keepLogs+1 {
		t.Errorf("%d files are left, want %d and mine.log: %v", len(left), keepLogs, err)
	}
	for _, file := range []string{paths[len(paths)-1], filepath.Join(dir, logsFolder, "mine.log")} {
		if !slices.Contains(left, file) {
			t.Errorf("%s is gone", filepath.Base(file))
		}
	}
	if strings.Contains(strings.Join(left, " "), "T210000") {
		t.Error("the oldest log is still there")
	}
}
