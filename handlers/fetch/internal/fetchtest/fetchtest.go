// Package fetchtest is the test environment shared by the tests of command fetch and of its internal packages.
package fetchtest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
)

// The credentials for the test's site.
const (
	Username = "archive-acme"
	Password = "pa55-of-the-site"
)

// World is the archive's storage, without a checkpoint and deferred items, and a log. At the end of the test it checks
// that no line of the log and no error holds a secret. Tests that use a World must not run in parallel: the names of
// the checkpoint and of the deferred items are fixed.
type World struct {
	T     *testing.T
	Store *archive.Store // without faults
	Log   *Lines

	secrets map[string]bool // texts that no log line and no error may hold
	said    []string        // errors
}

// NewWorld returns a World on this test binary's Azurite.
func NewWorld(t *testing.T) *World {
	t.Helper()
	w := &World{T: t, Log: &Lines{}, secrets: map[string]bool{}}
	w.Secret(Password)
	w.Store = w.Open(azurite.ForTest(t).ConnectionString())
	w.Empty()
	t.Cleanup(w.checkSecrets)
	return w
}

// Open returns the archive's storage for a connection string.
func (w *World) Open(connection string) *archive.Store {
	w.T.Helper()
	return w.open(archive.Config{ConnectionString: connection})
}

// OpenWith returns the archive's storage, with its requests sent through a transport.
func (w *World) OpenWith(way http.RoundTripper) *archive.Store {
	w.T.Helper()
	return w.open(archive.Config{
		ConnectionString: azurite.ForTest(w.T).ConnectionString(), HTTP: &http.Client{Transport: way},
	})
}

func (w *World) open(c archive.Config) *archive.Store {
	w.T.Helper()
	s, err := archive.Open(c)
	if err != nil {
		w.T.Fatal(err)
	}
	return s
}

// Empty creates the containers, and deletes the checkpoint and the deferred items of earlier tests.
func (w *World) Empty() {
	w.T.Helper()
	ctx := context.Background()
	_, err := w.Store.PutJSON(ctx, archive.Checkpoints, schedule.CheckpointName, struct{}{}, "*", nil)
	if errors.Is(err, archive.ErrNotFound) { // the first test of all
		err = w.Store.CreateContainers(ctx)
	}
	keys, lerr := w.Store.Waiting(ctx)
	for _, key := range keys {
		lerr = errors.Join(lerr, w.Store.DeleteWaiting(ctx, key))
	}
	if err = errors.Join(err, lerr); err != nil {
		w.T.Fatal(err)
	}
}

// Secret registers texts that no log line and no error may hold. Texts of fewer than 6 bytes are ignored.
func (w *World) Secret(texts ...string) {
	for _, text := range texts {
		if len(text) >= 6 { // a shorter text may be in a log by chance
			w.secrets[text] = true
		}
	}
}

// NoteError records an error, which is checked for secrets at the end of the test.
func (w *World) NoteError(err error) { w.said = append(w.said, err.Error()) }

func (w *World) checkSecrets() {
	var state schedule.Checkpoint
	_, err := w.Store.GetJSON(context.Background(), archive.Checkpoints, schedule.CheckpointName, &state)
	if err == nil {
		for _, s := range state.Open {
			w.said = append(w.said, s.Failed)
		}
	}
	all := w.Log.String() + strings.Join(w.said, "\n")
	for text := range w.secrets {
		if strings.Contains(all, text) {
			w.T.Errorf("a log line or an error holds %q", text)
		}
	}
}

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
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"level":"`+level.String()+`"`) && strings.Contains(line, text) {
			return true
		}
	}
	return false
}
