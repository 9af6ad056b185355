package archivetest

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Lines collects the output of a log. It is safe for concurrent use.
type Lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Has reports whether a line of that level holds the text.
func (l *Lines) Has(level slog.Level, text string) bool {
	return l.Count(`"level":"`+level.String()+`"`, text) > 0
}

// Count returns the number of lines that hold all the texts.
func (l *Lines) Count(texts ...string) (n int) {
	for line := range strings.Lines(l.String()) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}
