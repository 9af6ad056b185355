package commands

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
)

// script is a sweeper that notes replays, and cannot list a run after the first time.
type script struct {
	asked   int
	replays sweeper.Replays
}

func (s *script) Sweep(context.Context, string, string, *slog.Logger) (r sweeper.Result, _ error) {
	return r, nil
}

func (s *script) NamedBatches(context.Context, string) ([]string, error) { return nil, nil }

func (s *script) RequestReplay(_ context.Context, command, what string, _ importer.Selection) error {
	if s.asked++; s.asked > 1 {
		return errors.New("list the run's batches: not now")
	}
	s.replays.Open = append(s.replays.Open, sweeper.Replay{ID: command, What: what, Of: 3, Left: 2})
	return nil
}

func (s *script) SavedReplays(context.Context) (sweeper.Replays, error) { return s.replays, nil }

// never is a Pause of an app that is not paused.
type never struct{}

func (never) Run(ctx context.Context, work func(context.Context) error) (bool, error) {
	return false, work(ctx)
}

// A replay that is at work for longer than its beginning may take is not given up, and ends with its real end.
func TestReplayAtWorkIsNotGivenUp(t *testing.T) {
	storage := archivetest.ForTest(t, nil)
	store, err := archive.Open(archive.Config{ConnectionString: storage.ConnectionString(), HTTP: storage.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	sw := &script{}
	r := New(Options{Queue: control.NewQueue(control.Options{App: "import", Commands: store.Commands(),
		Answers: store.Reports(), Now: time.Now}), Sweeper: sw, Pause: never{}})
	name := control.Name(time.Now(), "00000001")
	_, err = store.Commands().Put(t.Context(), "import/"+name+".json",
		map[string]string{"kind": "replay", "what": "2026/11/23/run"}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	sweep := func() (a control.Answer) {
		t.Helper()
		if _, err := r.Sweep(t.Context(), "", "i", slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Reports().Get(t.Context(), "answers/"+name+".json", &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	for n := range maxTries + 2 {
		if a := sweep(); a.State != control.Working || a.Done != 1 || a.Of != 3 {
			t.Fatalf("sweep %d: %+v", n+1, a)
		}
	}
	sw.replays = sweeper.Replays{Ended: []sweeper.EndedReplay{{ID: name, Why: sweeper.ReplayDone, Batches: 3}}}
	if a := sweep(); a.State != control.Done || a.Done != 3 {
		t.Errorf("at its end: %+v", a)
	}
}
