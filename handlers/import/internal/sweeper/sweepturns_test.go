package sweeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/handlers/import/internal/importtest"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
)

// Earlier days are looked at in rotation, some in each sweep.
func TestSweepGoesRound(t *testing.T) {
	t.Parallel()
	s := &sweep{opts: Options{Now: time.Now}, untallied: map[string]bool{},
		state: State{Day: "2026/08/01", Finished: map[string]string{"2019/01/01": "x"}}}
	var names []string
	first := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for d := first; d.Before(time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)); d = d.AddDate(0, 0, 1) {
		names = append(names, d.Format("2006/01/02"))
	}
	names = append(names, "2026/08/01", "2026/08/02")
	seen := map[string]bool{}
	for range 2 {
		s.days = nil
		order := s.orderRuns(names, map[string]bool{"2021/12/24": true})
		if len(order) != earlierAtOnce+3 {
			t.Errorf("%d days are looked at", len(order))
		}
		for _, d := range order {
			seen[d.name] = true
		}
	}
	if len(seen) != len(names) || len(s.state.Finished) != 0 {
		t.Errorf("%d of %d days were looked at, %v are kept", len(seen), len(names), s.state.Finished)
	}
	// Where the time is over, the next sweep goes on there.
	s.resumeAt("2026/08/02")
	if order := s.orderRuns(names, nil); order[0].name != "2026/08/02" {
		t.Errorf("it goes on at %s", order[0].name)
	}
}

// A day with very many runs makes no state that is too large to be read.
func TestSweepStateStaysSmall(t *testing.T) {
	t.Parallel()
	n := State{Finished: map[string]string{}}
	for i := range maxClosed {
		n.Closed = append(n.Closed, fmt.Sprintf("2026/11/22/run-%05d", i), fmt.Sprintf("2026/11/23/run-%05d", i))
	}
	n.Finished["2026/11/22"] = "all of them"
	n.shrink()
	if len(n.Closed) != maxClosed || !strings.HasPrefix(n.Closed[0], "2026/11/23/") {
		t.Errorf("%d runs from %s on", len(n.Closed), n.Closed[0])
	}
	n.Closed = append(n.Closed, n.Closed...)
	for i := range maxDays + 10 {
		n.Finished[time.Date(1960, 1, i, 0, 0, 0, 0, time.UTC).Format("2006/01/02")] = "x"
	}
	if n.shrink(); len(n.Closed) != maxClosed || len(n.Finished) != maxDays {
		t.Errorf("%d runs, %d days", len(n.Closed), len(n.Finished))
	}
}

// turnCounter is an importer that counts the turns of batches.
type turnCounter struct{ turns atomic.Int64 }

func (c *turnCounter) ImportBatch(
	context.Context, string, string, *slog.Logger, importer.Delivery,
) (importer.Result, error) {
	c.turns.Add(1)
	return importer.Result{}, nil
}

func (c *turnCounter) RefreshRecipients(context.Context) error { return nil }

// The lease of the state can be lost while storage is unavailable. The sweep acquires it again and goes on, unless
// another one has it.
func TestSweepLosesItsLease(t *testing.T) {
	t.Parallel()
	store, im := importtest.Store(t), &turnCounter{}
	o := Options{Batches: store.Batches(), Logs: store.Logs(), Sweeps: store.Sweeps(), Now: time.Now,
		Times: DefaultTimes()}
	o.Times.Lease = time.Second
	s := &sweep{opts: o, importer: im, log: slog.New(slog.DiscardHandler), before: time.Now(),
		untallied: map[string]bool{}}
	take := func() *archive.Lease {
		lease, err := store.Sweeps().Lease(t.Context(), StateBlob)
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	saved := func() (state State) {
		if _, err := store.Sweeps().Get(t.Context(), StateBlob, &state); err != nil {
			t.Fatal(err)
		}
		return state
	}
	s.lease = take()
	s.lease.Release()
	s.state.After = "somewhere"
	if err := s.save(t.Context()); err != nil || saved().After != "somewhere" {
		t.Errorf("the lease was not taken again: %v, %+v", err, saved())
	}
	s.open = []*openBatch{{name: "2026/11/23/run/00001.ndjson", run: &sweptRun{}}}
	s.state.Tried = map[string]int{}
	if s.shortTurns(t.Context(), time.Time{}); im.turns.Load() != 1 {
		t.Errorf("%d turns under the lease, want 1", im.turns.Load())
	}
	s.lease.Release()
	defer take().Release()
	s.noteResult(s.save(t.Context()))
	if !s.superseded() {
		t.Error("a sweep goes on beside another one")
	}
	s.open = []*openBatch{{name: "2026/11/23/run/00002.ndjson", run: &sweptRun{}}}
	if s.shortTurns(t.Context(), time.Time{}); im.turns.Load() != 1 {
		t.Error("it begins another turn")
	}
}

// A lease that was lost counts as held for some seconds. Who waits for it longer has met another sweep, and whose time
// ends meanwhile has not.
func TestSweepWaitsForALostLease(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		held, limit time.Duration
		err         error
	}{
		"free in time":      {10 * time.Second, time.Minute, nil},
		"of another sweep":  {30 * time.Second, time.Minute, errSuperseded},
		"the time ends":     {30 * time.Second, 5 * time.Second, context.DeadlineExceeded},
		"free all the time": {0, time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				storage := archivetest.ForTest(t, nil)
				store, err := archive.Open(archive.Config{ConnectionString: storage.ConnectionString(),
					HTTP: storage.Client()})
				if err != nil {
					t.Fatal(err)
				}
				if err := store.CreateContainers(t.Context()); err != nil {
					t.Fatal(err)
				}
				s := &sweep{opts: Options{Sweeps: store.Sweeps(), Times: DefaultTimes()}}
				if s.lease, err = store.Sweeps().Lease(t.Context(), StateBlob); err != nil {
					t.Fatal(err)
				}
				defer func() { s.lease.Release() }()
				s.lease.Release()
				other, err := store.Sweeps().Lease(t.Context(), StateBlob)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Release()
				if tt.held == 0 {
					other.Release()
				}
				time.AfterFunc(tt.held, other.Release)
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				began := time.Now()
				err = s.takeAgain(ctx)
				if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) ||
					errors.Is(err, errSuperseded) && tt.err != errSuperseded {
					t.Errorf("%v, want %v", err, tt.err)
				}
				if took := time.Since(began); took > min(tt.held+2*time.Second, tt.limit, s.opts.Times.Lease) {
					t.Errorf("it took %v", took)
				}
				if alive := s.lease.Context().Err() == nil; alive != (tt.err == nil) {
					t.Errorf("the sweep has a lease: %t", alive)
				}
			})
		})
	}
}
