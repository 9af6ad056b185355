package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// maxErrors is how many different errors of the handlers are shown at the end.
const maxErrors = 5

// logFile gathers the output of everything that runs in one file, and remembers the errors in it.
type logFile struct {
	path string

	mu    sync.Mutex
	file  *os.File
	seen  map[string]bool
	first []string
}

func openLog(dir string) (*logFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the log's folder: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, "local.log"))
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return &logFile{path: f.Name(), file: f, seen: map[string]bool{}}, nil
}

// named is where one program writes to.
func (l *logFile) named(name string) io.Writer { return &namedLog{l, name} }

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

// note keeps what a handler logged as an error. The real host puts its own words before the line.
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

// errors are the first different errors that the handlers logged.
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
