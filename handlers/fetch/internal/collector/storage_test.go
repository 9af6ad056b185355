package collector

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
)

func TestSecondFetchIsBusy(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.many("m", 3)
		lease, err := w.Store.Checkpoints().Lease(t.Context(), schedule.CheckpointName)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.try(w.collector, "")
		if !errors.Is(err, funchost.ErrBusy) || funchost.Status(err) != 409 {
			t.Errorf("error %v, want busy", err)
		}
		w.items(0)

		// The second one waits for a while, and the first one ends meanwhile.
		var asked atomic.Int32
		f := w.faulty(func(r *http.Request) archivetest.Fault {
			if r.Header.Get("x-ms-lease-action") == "acquire" && asked.Add(1) == 2 {
				lease.Release()
			}
			return archivetest.Pass
		})
		f.leaseWait = time.Minute
		if res, err := w.try(f, ""); err != nil || res.Received != 3 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// Storage that is away for longer than the lease lasts takes the lease away, too.
func TestLeaseIsLost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, pagesOf(100))
		w.many("m", 250)
		var batches atomic.Int32
		f := w.faulty(func(r *http.Request) archivetest.Fault {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/batches/") && batches.Add(1) == 2 {
				w.BreakLease(schedule.CheckpointName)
			}
			return archivetest.Pass
		})
		if res, err := w.try(f, ""); err != nil || res.Received != 250 || res.Slices != 1 {
			t.Errorf("%+v, %v", res, err)
		}
		if diff := cmp.Diff(numbered("m", 250), w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		w.balanced()
		if !w.Log.Has(slog.LevelWarn, "lease was lost") {
			t.Error("the log does not tell")
		}
	})
}

// outage is a way to storage on which so many requests fail, from the first one on for which begins holds. The lease is
// renewed all the time.
type outage struct {
	way    http.RoundTripper
	begins func(*http.Request) bool
	mu     sync.Mutex
	begun  bool
	left   int
}

func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.begun = o.begun || o.begins(r)
	fails := o.begun && o.left > 0 && r.Header.Get("x-ms-lease-action") != "renew"
	if fails {
		o.left--
	}
	o.mu.Unlock()
	if fails {
		return nil, noWay{}
	}
	return o.way.RoundTrip(r)
}

// noWay is an error after which the SDK makes no tries of its own: they would cost seconds, and are staging's to test.
type noWay struct{}

func (noWay) Error() string { return "no way to the storage" }
func (noWay) NonRetriable() {}

func TestStorageIsAway(t *testing.T) {
	t.Parallel()
	put := func(container string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/"+container) &&
				r.URL.Query().Get("comp") == ""
		}
	}
	for name, first := range map[string]func(*http.Request) bool{
		"from the start":       func(*http.Request) bool { return true },
		"the checkpoint":       put("checkpoints/fetch.json"),
		"a batch":              put("batches/"),
		"the manifest":         func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/manifest.json") },
		"an attachment":        put("media/"),
		"bytes of no record":   put("media/raw/"),
		"the waiting room":     put("checkpoints/waiting/"),
		"listing":              func(r *http.Request) bool { return r.URL.Query().Get("comp") == "list" },
		"emptying the waiting": func(r *http.Request) bool { return r.Method == http.MethodDelete },
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t, pagesOf(100))
			w.many("m", 150)
			w.site.Add(w.ago(time.Hour), []byte(`{"no":"JSON",}`))
			p := w.long("a", "segment-0815-4711", "alpha-text beta-text", time.Hour)
			p[1]["archivedTime"] = w.ago(time.Second).Format(time.RFC3339) // of the second page
			w.add(append(p, w.mms("n", 2*time.Hour, item{"content": "QUJD"}))...)
			s := w.OpenWith(&outage{way: w.Storage, begins: first, left: 1})
			if res, err := w.try(w.newCollector(s, fetchtest.Password), ""); err != nil || res.Records != 154 ||
				res.Slices != 1 {
				t.Errorf("%+v, %v", res, err)
			}
			if n := len(w.one().entries()); n != 153 {
				t.Errorf("%d entries, want 153", n)
			}
			w.balanced()
		}))
	}
}

// Storage that refuses is no storage that is away.
func TestStorageDenies(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		another := base64.StdEncoding.EncodeToString([]byte("another key"))
		w.Connection = strings.ReplaceAll(w.Connection, archivetest.Key, another)
		s := w.OpenWith(w.Storage)
		if _, err := w.try(w.newCollector(s, fetchtest.Password), ""); !errors.Is(err, archive.ErrDenied) ||
			funchost.Status(err) != 500 {
			t.Errorf("error %v, want denied", err)
		}
	})
}

// The invocation's time is up in the middle of a slice.
func TestDeadline(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, pagesOf(100))
		w.many("m", 250)
		ctx, cancel := context.WithCancelCause(t.Context())
		f := w.faulty(func(r *http.Request) archivetest.Fault {
			if strings.HasSuffix(r.URL.Path, "/00002.ndjson") {
				cancel(funchost.ErrDeadline)
			}
			return archivetest.Pass
		})
		res, err := w.invoke(ctx, f, "", "")
		if !errors.Is(err, funchost.ErrDeadline) || res.Slices != 0 || res.Open != 1 {
			t.Errorf("%+v, %v", res, err)
		}
		open := w.checkpoint().Open
		if len(open) != 1 || open[0].Progress.Received != 100 || open[0].Tries != 1 || open[0].Slow != 1 {
			t.Errorf("open slices: %+v", open)
		}
		w.run()
		if diff := cmp.Diff(numbered("m", 250), w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		w.balanced()
	})
}
