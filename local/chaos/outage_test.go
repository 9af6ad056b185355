package chaos

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/journal"
)

// outages are how long a service is away.
func outages() time.Duration {
	if form.Long {
		return 10 * time.Minute
	}
	return 10 * time.Second
}

// sweepEvery stands for the hour between two runs of sweep's timer, and sweepAfter for SWEEP_AFTER.
const (
	sweepEvery = 15 * time.Second
	sweepAfter = "20s"
)

// outageOfEach takes Graph away in the middle of a day, and then the storage. No one intervenes: when they
// are back, everything is finished.
func outageOfEach(t *testing.T) {
	w := newWorld(t, sampleDay())
	w.env = append(w.env, "SWEEP_AFTER="+sweepAfter)
	w.startApps()
	ctx, cancel := context.WithTimeout(t.Context(), 2*outages()+patient)
	defer cancel()
	var group sync.WaitGroup
	defer func() {
		cancel()
		group.Wait()
	}()
	group.Go(func() {
		known := map[string]bool{}
		for ctx.Err() == nil {
			for _, b := range w.batches(context.WithoutCancel(ctx)) {
				if !known[b.Name] {
					known[b.Name] = true
					group.Go(func() { w.deliver(ctx, w.imports, b) })
				}
			}
			wait(ctx, 300*time.Millisecond)
		}
	})
	w.outage(ctx, w.fetch, w.imports)
	cancel()
	group.Wait()
	// An outage is far shorter than the time that the host gives the handler: it holds on, and no event is given up.
	if given := w.imports.Poisoned(); len(given) > 0 {
		t.Errorf("%d events were given up, the first one of %s", len(given), given[0].BlobName)
	}
}

// outageInTheRealHost is the same in the real host, which is without its storage for that time, too.
func outageInTheRealHost(t *testing.T) {
	host.NeedFunc(t)
	w := newWorld(t, sampleDay())
	w.follow(t.Name())
	w.env = append(w.env, "SWEEP_AFTER="+sweepAfter)
	ctx, cancel := context.WithTimeout(t.Context(), 2*outages()+patient)
	defer cancel()
	fetch, imports := w.keep(ctx, "fetch"), w.keep(ctx, "import")
	w.outage(ctx, fetch, imports)
	cancel()
	t.Logf("%d hosts of fetch and %d of import were started", fetch.stop(), imports.stop())
}

// outage goes through the day.
func (w *world) outage(ctx context.Context, fetch, imports host.Host) {
	w.t.Helper()
	var group sync.WaitGroup
	ended, end := context.WithCancel(ctx)
	timers := func(h host.Host, function string, again func(error) bool, every time.Duration) {
		group.Go(func() {
			for ended.Err() == nil {
				_, err := h.Run(ended, function, "")
				if !again(err) {
					return
				}
				wait(ended, every)
			}
		})
	}
	timers(fetch, "fetch", func(err error) bool { return err != nil }, time.Second)
	timers(imports, "sweep", func(error) bool { return true }, sweepEvery)
	away := func(services ...string) {
		for begun := w.messages(); ctx.Err() == nil && w.messages() < begun+500; {
			wait(ctx, 200*time.Millisecond)
		}
		for _, s := range services {
			w.plan.Down(s, true)
		}
		wait(ctx, time.Second) // what was under way when Graph went is done
		before := w.messages()
		wait(ctx, outages())
		if after := w.messages(); services[0] == "graph" && after != before {
			w.t.Errorf("%d messages were created while Graph was away", after-before)
		}
		for _, s := range services {
			w.plan.Down(s, false)
		}
	}
	away("graph")
	away("blob", "table")
	back := time.Now()
	for ctx.Err() == nil && !w.done(ctx) {
		wait(ctx, time.Second)
	}
	w.t.Logf("finished %v after the storage was back; %d calls found nobody", time.Since(back).Round(time.Second),
		w.plan.Hit())
	over := ctx.Err()
	end()
	group.Wait()
	if wrong := w.check(); len(wrong) > 0 || over != nil {
		w.t.Errorf("after the outages (%v):\n%s\nwhat was logged last:\n%s", over, strings.Join(wrong, "\n"),
			w.log.problems())
	}
}

// messages is how many there are in all mailboxes.
func (w *world) messages() (n int) {
	for _, u := range w.day.users {
		n += len(w.graph.Messages(u.ID))
	}
	return n
}

// givenUpBatches lets every event fail until the host gives it up, in half a second: the administrator's mapping can't
// be read. When it can, sweep's timer finishes everything.
func givenUpBatches(t *testing.T) {
	w := newWorld(t, texts())
	w.spoil(t)
	w.env = append(w.env, "SWEEP_AFTER=1s")
	w.startApps()
	w.givenUp(t.Context(), w.fetch, w.imports, func() bool {
		for _, b := range w.batches(t.Context()) {
			w.deliver(t.Context(), w.imports, b)
		}
		return len(w.imports.Poisoned()) == w.open(t.Context())
	})
}

// givenUpInTheRealHost is the same with the real poison queue.
func givenUpInTheRealHost(t *testing.T) {
	host.NeedFunc(t)
	w := newWorld(t, texts())
	w.follow(t.Name())
	w.spoil(t)
	w.env = append(w.env, "SWEEP_AFTER=1s")
	fetch, imports := w.realApp("fetch"), w.realApp("import")
	w.givenUp(t.Context(), fetch, imports, func() bool {
		for range 60 {
			if w.log.count("Moving message to queue 'webjobs-blobtrigger-poison'") == w.open(t.Context()) {
				return true
			}
			wait(t.Context(), 500*time.Millisecond)
		}
		return false
	})
}

// spoil puts a mapping in place that can't be read.
func (w *world) spoil(t *testing.T) {
	t.Helper()
	if _, err := w.store.Mapping().Write(t.Context(),
		[]byte("External User ID,Microsoft 365 User Mailbox\n4.47701E+11,jane@contoso.example\n")); err != nil {
		t.Fatal(err)
	}
}

func (w *world) givenUp(ctx context.Context, fetch, imports host.Host, gaveUp func() bool) {
	w.t.Helper()
	if _, err := fetch.Run(ctx, "fetch", ""); err != nil {
		w.t.Fatal(err)
	}
	if !gaveUp() || w.open(ctx) == 0 {
		w.t.Errorf("the host did not give up the events of the %d open batches\n%s", w.open(ctx), w.log.problems())
	}
	if n := w.messages(); n > 0 {
		w.t.Errorf("%d messages were imported without a mapping", n)
	}
	if _, err := w.store.Mapping().Write(ctx,
		[]byte("External User ID,Microsoft 365 User Mailbox\n447700900199,jane@contoso.example\n")); err != nil {
		w.t.Fatal(err)
	}
	for range 70 { // the mapping is read again a minute after it was read last
		if _, err := imports.Run(ctx, "sweep", ""); err != nil && !errors.Is(err, host.ErrFailed) {
			w.t.Fatal(err)
		}
		if w.done(ctx) {
			break
		}
		wait(ctx, 2*time.Second)
	}
	if wrong := w.check(); len(wrong) > 0 {
		w.t.Errorf("%s\n%s", strings.Join(wrong, "\n"), w.log.problems())
	}
}

// open is how many batches have no end of their journal. One of them all of which needs no mailbox needs no mapping
// either.
func (w *world) open(ctx context.Context) (n int) {
	w.t.Helper()
	for _, b := range w.batches(ctx) {
		done, err := journal.Tail(ctx, w.store.Logs(), b.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		if !done {
			n++
		}
	}
	return n
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
