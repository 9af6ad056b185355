package chaos

import (
	"context"
	"errors"
	"sync"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/archive"
)

const (
	maxRuns   = 4 // of the timer: the day's, and those of the days that follow
	maxSweeps = 6
	// longestLease is more than the time for which a lease stays whose holder was told that it has none.
	longestLease = 90 * time.Second
)

// run does what a day brings: the timer, the events, and sweep for what they leave; both are tried as often as the host
// tries them.
func (w *world) run(ctx context.Context) {
	w.t.Helper()
	for range maxRuns {
		_, err := w.fetch.Run(ctx, "fetch", "")
		if err != nil && !errors.Is(err, host.ErrFailed) {
			w.t.Fatal(err)
		}
		waiting, werr := w.store.Deferred().Keys(ctx)
		if werr != nil {
			w.t.Fatal(werr)
		}
		// A run that the site refuses for its credentials is answered with success, so that the host does not repeat
		// it.
		if err == nil && len(waiting) == 0 && w.fetched(ctx) && (w.day.zips == nil || w.isDelivered(ctx)) {
			break
		}
	}
	if w.day.left != nil {
		w.day.left(w)
	}
	var events sync.WaitGroup
	for _, b := range w.batches(ctx) {
		if w.day.lost != nil && w.day.lost(b.Name) {
			continue
		}
		events.Go(func() { w.deliver(ctx, w.imports, b) })
		if w.day.calm {
			events.Wait()
		}
	}
	events.Wait()
	w.sweep(ctx, w.imports)
}

// fetched reports whether the day's window has been fetched as a whole.
func (w *world) fetched(ctx context.Context) bool {
	w.t.Helper()
	s := w.summary(ctx)
	return s.Runs.All > 0 && s.Runs.Open == 0
}

// deliverer is a stand-in of the host, which gets its events from us.
type deliverer interface {
	Deliver(ctx context.Context, uri string, p host.Properties) (int, error)
}

// deliver brings an event; what the host gives up is sweep's.
func (w *world) deliver(ctx context.Context, to deliverer, b archive.BatchInfo) {
	_, err := to.Deliver(ctx, w.events.Batches().URI(b.Name), host.Properties{
		Length: b.Size, ContentType: "application/x-ndjson", Created: b.Created, LastModified: b.Created})
	if err != nil && !errors.Is(err, host.ErrFailed) && ctx.Err() == nil {
		w.t.Errorf("deliver an event: %v", err)
	}
}

// sweep runs until nothing is open.
func (w *world) sweep(ctx context.Context, in *host.StandIn) {
	w.t.Helper()
	for n, began := 0, time.Now(); n < maxSweeps || time.Since(began) < longestLease; n++ {
		s := w.summary(ctx)
		if len(s.Problems()) == 0 {
			return
		}
		time.Sleep(time.Duration(min(n, 10)) * 100 * time.Millisecond) // what is in doubt stays so for seconds
		if _, err := in.Run(ctx, "sweep", `{"after":"0s"}`); err != nil && !errors.Is(err, host.ErrFailed) {
			w.t.Fatal(err)
		}
	}
}
