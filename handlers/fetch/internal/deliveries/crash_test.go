package deliveries

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/arrival"
)

// delivered is a world with two ZIPs that are to be read.
func delivered(t *testing.T) *world {
	w := newWorld(t)
	w.shelf.put(nameOf(1), makeZIP("a", 120), old)
	w.shelf.put(nameOf(2), sample(t, "password"), old)
	return w
}

// TestKilledAtEveryWrite lets the process die after its n-th write, and start again: the batches are those of a process
// that did not die. The step keeps it short: between two batches are hundreds of writes of media.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	killAtEveryWrite(t, delivered, 12, 13, 100)
}

// The same with ZIPs of the folder imports.
func TestImportKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	killAtEveryWrite(t, func(t *testing.T) *world {
		w := newImports(t)
		for name, content := range threeZIPs(t) {
			w.shelf.put(name, content, old)
		}
		return w
	}, 7, 11, 30)
}

// A process that dies at any of its reads of the archive leaves what the next one goes on with.
func TestKilledAtEveryRead(t *testing.T) {
	t.Parallel()
	isRead := func(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }
	killAtEvery(t, delivered, 40, 3, 8, func(w *world, n int, kill func()) (Store, *archive.Store, func() bool) {
		death := archivetest.DieAfter(n, isRead, kill)
		return w.store, w.OpenWith(w.Storage.Through(death.Rule)), death.Dead
	})
}

// A process that dies at any call of the store, of which one ZIP needs several blocks, does so too.
func TestKilledAtEveryCallOfTheStore(t *testing.T) {
	t.Parallel()
	build := func(t *testing.T) *world {
		w := newWorld(t)
		w.shelf.put(nameOf(1), storedZIP(5*mebibyte), old)
		w.shelf.put(nameOf(2), makeZIP("a", 12), old)
		return w
	}
	killAtEvery(t, build, 6, 12, 60, func(w *world, n int, kill func()) (Store, *archive.Store, func() bool) {
		store := &dyingStore{Store: w.store, left: n, kill: kill}
		return store, w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
			if store.dead() && r.Header.Get("X-Ms-Lease-Action") != "release" {
				return archivetest.Reset
			}
			return archivetest.Pass
		})), store.dead
	})
}

// dyingStore is a store at whose call the process dies, when so many calls were made.
type dyingStore struct {
	Store
	kill func()

	mu   sync.Mutex
	left int
}

func (d *dyingStore) dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left < 0
}

func (d *dyingStore) call() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left < 0 {
		return context.Canceled
	}
	if d.left--; d.left < 0 {
		d.kill()
		return context.Canceled
	}
	return nil
}

func (d *dyingStore) List(ctx context.Context) (arrival.Listing, error) {
	if err := d.call(); err != nil {
		return arrival.Listing{}, err
	}
	return d.Store.List(ctx)
}

func (d *dyingStore) Open(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	if err := d.call(); err != nil {
		return nil, err
	}
	r, err := d.Store.Open(ctx, path, offset)
	return &dyingReader{r, d}, err
}

type dyingReader struct {
	io.ReadCloser
	d *dyingStore
}

func (r *dyingReader) Read(p []byte) (int, error) {
	if err := r.d.call(); err != nil {
		return 0, err
	}
	return r.ReadCloser.Read(p)
}

func killAtEveryWrite(t *testing.T, build func(t *testing.T) *world, first, step, least int) {
	t.Helper()
	killAtEvery(t, build, first, step, least, func(w *world, n int, kill func()) (Store, *archive.Store, func() bool) {
		death := archivetest.DieAfter(n, fetchtest.IsWrite, kill)
		return w.store, w.OpenWith(w.Storage.Through(death.Rule)), death.Dead
	})
}

// killAtEvery lets a process die after each of its first calls, and then after each one that is step further, in the
// short form three times as far. dying returns the store and the archive of a process that dies after its n-th call,
// and whether it is dead.
func killAtEvery(t *testing.T, build func(t *testing.T) *world, first, step, least int,
	dying func(w *world, n int, kill func()) (Store, *archive.Store, func() bool)) {
	t.Helper()
	if !soak.ForTest(t).Long {
		step *= 3
	}
	var want map[string]string
	var outcomes []string
	inBubble(t, func(t *testing.T) {
		w := build(t)
		w.run()
		want, outcomes = w.batches(), slices.Sorted(slices.Values(strings.Fields(w.outcomes())))
	})
	n := 0
	for more := true; more; n++ {
		if n >= first {
			n += step - 1
		}
		inBubble(t, func(t *testing.T) {
			w := build(t)
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			alive := w.store
			store, archived, dead := dying(w, n, kill)
			w.store = store
			res, err := w.try(ctx, w.intake(archived))
			// One that dies when all is done, but for what is shown of it, has no error.
			if done := res.Read > 0 && res.Open == 0; (err == nil) == dead() && !(dead() && done) {
				t.Errorf("killed: %v, error %v", dead(), err)
			}
			w.store = alive
			w.run()
			if diff := cmp.Diff(want, w.batches()); diff != "" {
				t.Errorf("the batches differ (%d, want %d)", len(w.batches()), len(want))
			}
			if got := slices.Sorted(slices.Values(strings.Fields(w.outcomes()))); !slices.Equal(got, outcomes) {
				t.Errorf("outcomes %q, want %q", got, outcomes)
			}
			w.CheckRuns(1)
			more = dead()
		})
		if t.Failed() {
			t.Fatalf("killed after call %d", n)
		}
	}
	if n < least {
		t.Errorf("only %d calls", n)
	}
}
