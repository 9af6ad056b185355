package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// maxErrors is the maximum number of different errors of the handlers that are shown at the end.
const maxErrors = 5

// logFile collects the output of all programs in one file, and keeps the first errors in it.
type logFile struct {
	path string

	mu    sync.Mutex
	file  *os.File
	seen  map[string]bool
	first []string
}

// logsFolder is the folder of the logs, one file per run, in build/local or in the folder of -storage.
const logsFolder = "logs"

// keepLogs is the number of logs that are kept, including this run's.
const keepLogs = 10

// openLog creates a log named after the time and removes the oldest ones.
func openLog(dir string, now time.Time) (*logFile, error) {
	dir = filepath.Join(dir, logsFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the logs: %w", err)
	}
	f, err := os.CreateTemp(dir, now.UTC().Format("20060102T150405.000Z")+"-*.log") // unique if two runs start at once
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	if err := pruneLogs(dir); err != nil {
		f.Close()
		return nil, fmt.Errorf("remove the oldest logs: %w", err)
	}
	return &logFile{path: f.Name(), file: f, seen: map[string]bool{}}, nil
}

// pruneLogs removes all but the newest logs. Their names begin with the time, so they sort by age.
func pruneLogs(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "2*T*Z-*.log"))
	if err != nil {
		return err
	}
	slices.Sort(logs)
	for _, old := range logs[:max(0, len(logs)-keepLogs)] {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// named returns the writer for one program's output, each line of which is prefixed with the name.
func (l *logFile) named(name string) io.Writer { return &namedLog{l, name} }

// namedLog is the writer that named returns.
type namedLog struct {
	log  *logFile
	name string
}

func (n *namedLog) Write(p []byte) (int, error) {
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	for line := range bytes.Lines(p) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		fmt.Fprintf(n.log.file, "%s: %s\n", n.name, line)
		n.log.note(n.name, line)
	}
	return len(p), nil
}

// note keeps a line that a handler logged as an error. The real host prefixes lines with text of its own.
func (l *logFile) note(name string, line []byte) {
	start := bytes.IndexByte(line, '{')
	if start < 0 {
		return
	}
	var entry struct{ Level, Msg, Error string }
	if json.Unmarshal(line[start:], &entry) != nil || entry.Level != "ERROR" {
		return
	}
	text := name + ": " + entry.Msg
	if entry.Error != "" {
		text += ": " + entry.Error
	}
	if !l.seen[text] && len(l.first) < maxErrors {
		l.seen[text] = true
		l.first = append(l.first, text)
	}
}

// errors returns the first different errors that the handlers logged.
func (l *logFile) errors() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.first...)
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Close()
}
