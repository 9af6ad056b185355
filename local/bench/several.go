package main

import (
	"context"
	"fmt"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/staging"
)

const (
	severalCopies = 1200 // for each number of processes
	severalAtOnce = 8    // in each process: four of them are still no more than the processors of a small machine can feed
	oneMailbox    = 500  // copies into a single one
	manyItems     = 1_000_000
	fewItems      = 10_000
)

// several imports with one, two and four processes beside each other, as instances of the app are: they share nothing but storage and Graph.
func (w *world) several(ctx context.Context, r *report, batches []staging.BatchInfo) error {
	group := fmt.Sprintf("Import by several processes: %d copies each time, C = %d in each, L = %v", severalCopies, severalAtOnce, w.o.latency)
	_ = w.imports.Stop()
	var alone float64
	for _, n := range []int{1, 2, 4} {
		var some []staging.BatchInfo
		if some, batches = part(batches, severalCopies); len(some) == 0 {
			return nil
		}
		processes := make([]*host.StandIn, n)
		for i := range processes {
			var err error
			if processes[i], err = w.host(ctx, "import", severalAtOnce); err != nil {
				return err
			}
		}
		before := w.graph.Requests()
		w.creates.begin()
		if err := w.deliver(ctx, some, processes...); err != nil {
			return err
		}
		after := w.graph.Requests()
		rate := w.creates.middle()
		if n == 1 {
			alone = rate
		}
		all := after.Kinds[mailboxtest.Token] - before.Kinds[mailboxtest.Token]
		name := fmt.Sprintf("%d processes", n)
		r.addOf(group, name+": copies, the middle 80 % of them", rate, "copies/s", float64(n*severalAtOnce)/w.o.latency.Seconds(), "C/L of all")
		r.add(group, name+": time per copy", 1e3/rate, "ms")
		r.addOf(group, name+": efficiency", rate/alone, "times one", float64(n), "as many as there are")
		r.add(group, name+": share of answers 429", 100*float64(after.Throttled-before.Throttled)/float64(all), "%")
		for _, p := range processes {
			_ = p.Stop()
		}
	}
	return nil
}

// oneBox imports into one mailbox, which Graph holds to a rate of its own.
func (w *world) oneBox(ctx context.Context, r *report) (err error) {
	d := day{from: w.day.from.Add(-48 * time.Hour), items: oneMailbox, mailboxes: 1, prefix: "one"}
	site := newSite()
	site.Generate(d.items, d.archived, d.json)
	batches, _, _, err := w.backfill(ctx, site, d.from, d.from.Add(24*time.Hour))
	if err != nil {
		return err
	}
	if w.imports, err = w.host(ctx, "import", w.o.concurrency); err != nil {
		return err
	}
	before := w.graph.Requests()
	w.creates.begin()
	if err := w.deliver(ctx, batches, w.imports); err != nil {
		return err
	}
	after := w.graph.Requests()
	group := fmt.Sprintf("Import into a single mailbox: %d copies, L = %v", d.items, w.o.latency)
	r.addOf(group, "copies, the middle 80 % of them", w.creates.middle(), "copies/s", 3/w.o.latency.Seconds(), "MAILBOX_PERMITS / L")
	r.add(group, "Graph's quota for a mailbox, in the long run", 10_000/600.0, "requests/s")
	r.add(group, "answers 429", float64(after.Throttled-before.Throttled), "")
	return nil
}

// million fetches few items and then many, each in a process of its own: memory must not grow with their number.
func (w *world) million(ctx context.Context, r *report) error {
	for i, n := range []int{fewItems, manyItems} {
		d := day{from: w.day.from.Add(time.Duration(-96-48*i) * time.Hour), items: n, mailboxes: w.o.mailboxes, prefix: fmt.Sprintf("many%d", i)}
		site := newSite()
		site.Generate(d.items, d.archived, d.json)
		batches, took, _, err := w.backfill(ctx, site, d.from, d.from.Add(24*time.Hour))
		if err != nil {
			return err
		}
		if got := records(batches); got != n {
			return w.broken("fetch", fmt.Errorf("it staged %d items of %d", got, n))
		}
		r.add("Fetch: many items", fmt.Sprintf("%d items", n), float64(n)/took.Seconds(), "items/s")
		peak(r, fmt.Sprintf("fetch: resident memory, peak with %d items", n), w.fetch)
	}
	return nil
}
