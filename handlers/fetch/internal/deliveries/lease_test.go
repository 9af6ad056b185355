package deliveries

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/leased"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
)

// A lease that is lost is acquired again, and the run does what it began.
func TestLeaseIsLost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		want := newWorld(t)
		want.shelf.put(nameOf(1), makeZIP("a", 350), old)
		want.run()
		for _, at := range []string{"deliveries/", "batches/", "manifest.json", StateName} {
			w := newWorld(t)
			w.shelf.put(nameOf(1), makeZIP("a", 350), old)
			var seen atomic.Int32
			store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
				if archivetest.IsWrite(r) && strings.Contains(r.URL.Path, at) && seen.Add(1) == 2 {
					w.BreakLease(StateName)
				}
				return archivetest.Pass
			}))
			res, err := w.try(t.Context(), w.intake(store))
			if err != nil || res.Read != 1 || res.Received != 350 || res.Open != 0 {
				t.Errorf("%s: %+v, %v", at, res, err)
			}
			if seen.Load() > 1 && !w.Log.Has(slog.LevelWarn, "lease of the deliveries was lost") {
				t.Errorf("%s: the log does not tell", at)
			}
			if diff := cmp.Diff(want.batches(), w.batches()); diff != "" {
				t.Errorf("%s: the batches differ", at)
			}
		}
	})
}

// A lease that another instance takes over, or that is lost again and again, ends the run.
func TestLeaseIsTaken(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 350), old)
		var taken *archive.Lease
		store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
			if strings.HasSuffix(r.URL.Path, "/00002.ndjson") && taken == nil { // one request after the other
				w.BreakLease(StateName)
				var err error
				if taken, err = w.Store.Checkpoints().Lease(t.Context(), StateName); err != nil {
					t.Error(err)
				}
			}
			return archivetest.Pass
		}))
		began := time.Now()
		_, err := w.try(t.Context(), w.intake(store))
		if !errors.Is(err, funchost.ErrBusy) || time.Since(began) > 6*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		taken.Release()
		for at, want := range map[string]error{".ndjson": nil, StateName: leased.ErrLost} {
			store = w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
				if archivetest.IsWrite(r) && strings.Contains(r.URL.Path, at) {
					w.BreakLease(StateName)
				}
				return archivetest.Pass
			}))
			_, err = w.try(t.Context(), w.intake(store))
			if !errors.Is(err, want) || err != nil && !errors.Is(err, funchost.ErrUnavailable) {
				t.Errorf("lost again and again at %s: %v", at, err)
			}
		}
		if w.run(); w.outcomes() != Complete || len(w.entries()) != 350 {
			t.Errorf("%s, %d entries", w.outcomes(), len(w.entries()))
		}
	})
}
