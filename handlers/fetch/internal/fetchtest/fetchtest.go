// Package fetchtest is the test environment shared by the tests of command fetch and of its internal packages.
package fetchtest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
)

// The credentials for the test's site.
const (
	Username = "archive-acme"
	Password = "pa55-of-the-site"
)

// World is the archive's storage, without a checkpoint and deferred items, and a log. At the end of the test it checks
// that no line of the log and no error holds a secret.
type World struct {
	T          *testing.T
	Storage    *archivetest.Storage // nil: Azurite
	Connection string               // connection string of the storage
	Store      *archive.Store       // without faults
	Log        *archivetest.Lines

	secrets map[string]bool // texts that no log line and no error may hold
	said    []string        // errors
}

// NewWorld returns a World with a storage account of its own, in memory.
func NewWorld(t *testing.T) *World {
	t.Helper()
	storage := archivetest.ForTest(t, nil)
	return newWorld(t, storage, storage.ConnectionString())
}

// NewWorldOnAzurite returns a World on this test binary's Azurite, which other processes can reach. Tests that use one
// must not run in parallel: the names of the checkpoint and of the deferred items are fixed.
func NewWorldOnAzurite(t *testing.T) *World {
	t.Helper()
	return newWorld(t, nil, azurite.ForTest(t).ConnectionString())
}

func newWorld(t *testing.T, storage *archivetest.Storage, connection string) *World {
	t.Helper()
	w := &World{
		T: t, Storage: storage, Connection: connection, Log: &archivetest.Lines{}, secrets: map[string]bool{},
	}
	w.Secret(Password, archivetest.Key)
	w.Store = w.OpenWith(w.Direct())
	w.Empty()
	t.Cleanup(w.checkSecrets)
	return w
}

// Direct returns the transport that sends requests to the storage unchanged.
func (w *World) Direct() http.RoundTripper {
	if w.Storage == nil {
		return http.DefaultTransport
	}
	return w.Storage
}

// OpenWith returns the archive's storage, with its requests sent through a transport.
func (w *World) OpenWith(way http.RoundTripper) *archive.Store {
	w.T.Helper()
	s, err := archive.Open(archive.Config{ConnectionString: w.Connection, HTTP: &http.Client{Transport: way}})
	if err != nil {
		w.T.Fatal(err)
	}
	return s
}

// Virtual runs a test in a bubble of testing/synctest, whose time goes on only while everything in it waits: pauses and
// time-outs take no time, and how busy the machine is changes nothing.
func Virtual(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	InBubble(t, test)
}

// InBubble is Virtual for a part of a test.
func InBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour) // a bubble begins in the year 2000
		test(t)
	})
}

// BreakLease ends the lease of a document of the checkpoints, as if its holder had been silent for long. No method of
// package archive does, so the request is made here.
func (w *World) BreakLease(name string) {
	blob := w.Storage.BlobURL().JoinPath(archive.CheckpointsContainer, name)
	blob.RawQuery = "comp=lease"
	request := &http.Request{Method: http.MethodPut, URL: blob, Header: http.Header{
		"X-Ms-Version": {"2021-12-02"}, "X-Ms-Lease-Action": {"break"}, "X-Ms-Lease-Break-Period": {"0"},
		"Authorization": {"Bearer token"},
	}}
	answer, err := w.Storage.Client().Do(request)
	if err != nil {
		w.T.Error(err)
		return
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		w.T.Errorf("break the lease: status %d", answer.StatusCode)
	}
}

// Empty creates the containers, and deletes the checkpoint and the deferred items of earlier tests.
func (w *World) Empty() {
	w.T.Helper()
	ctx := context.Background()
	_, err := w.Store.Checkpoints().Put(ctx, schedule.CheckpointName, struct{}{}, "*", nil)
	if errors.Is(err, archive.ErrNotFound) { // the first test of all
		err = w.Store.CreateContainers(ctx)
	}
	keys, lerr := w.Store.Deferred().Keys(ctx)
	for _, key := range keys {
		lerr = errors.Join(lerr, w.Store.Deferred().Delete(ctx, key))
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
	_, err := w.Store.Checkpoints().Get(context.Background(), schedule.CheckpointName, &state)
	if err == nil {
		for _, win := range state.Open {
			w.said = append(w.said, win.Failed)
		}
	}
	all := w.Log.String() + strings.Join(w.said, "\n")
	for text := range w.secrets {
		if strings.Contains(all, text) {
			w.T.Errorf("a log line or an error holds %q", text)
		}
	}
}
