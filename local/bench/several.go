package main

import (
	"context"
	"fmt"
	"time"

	"o2archiver/shared/archive"
)

const (
	severalCopies    = 2000 // for each number of processes, or -copies if that is less
	severalMailboxes = 100
	severalAtOnce    = 8 // in each process: a small machine's processors can serve four of them
)

// several imports with one, two and four processes concurrently, as instances of the app run: they share nothing but
// storage and Graph. The work is the same each time: the same texts between the same people at the same times, on a day
// of its own and with IDs of its own, because otherwise there would be nothing to write after the first time.
func (w *world) several(ctx context.Context, r *report) error {
	copies, mailboxes := min(severalCopies, w.o.copies), min(severalMailboxes, w.o.mailboxes)
	group := fmt.Sprintf("Import by several processes: %d copies into %d mailboxes each time, C = %d in each, L = %v",
		copies, mailboxes, severalAtOnce, w.o.latency)
	_ = w.imports.Stop()
	var alone counts
	for _, n := range []int{1, 2, 4} {
		batches, err := w.stage(ctx, day{from: w.day.from.Add(-time.Duration(30+n) * 24 * time.Hour),
			items: copies, mailboxes: mailboxes, prefix: fmt.Sprintf("by%d-", n)})
		if err != nil {
			return err
		}
		if err := w.startGraph(w.o.latency); err != nil {
			return err
		}
		processes := make([]*app, n)
		for i := range processes {
			if processes[i], err = w.host(ctx, "import", w.settings(severalAtOnce)); err != nil {
				return err
			}
		}
		did, err := w.importBatches(ctx, batches, processes...)
		if err != nil {
			return err
		}
		if n == 1 {
			alone = did
		}
		w.reportSeveral(r, group, n, did, alone)
		for _, p := range processes {
			_ = p.Stop()
		}
	}
	return nil
}

func (w *world) reportSeveral(r *report, group string, n int, did, alone counts) {
	ideal := float64(n*severalAtOnce) / w.latency.Seconds()
	name := fmt.Sprintf("%d processes: ", n)
	if n == 1 {
		name = "1 process: "
	}
	r.add(group, name+"copies, from the first event to the last answer", did.rate(), "copies/s",
		compareWith(ideal, "C/L of all"))
	r.add(group, name+"copies, the middle 80 % of them", did.middle, "copies/s", compareWith(ideal, "C/L of all"))
	r.add(group, name+"time per copy", 1e3/did.rate(), "ms", compareWith(1e3/ideal, "L/C of all"))
	r.add(group, name+"efficiency, from first to last", 100*did.rate()/alone.rate()/float64(n), "%",
		compareWith(100, "as many times one process"))
	r.add(group, name+"efficiency, the middle 80 %", 100*did.middle/alone.middle/float64(n), "%",
		compareWith(100, "as many times one process"))
	r.add(group, name+"share of answers 429", did.share(), "%", atMost(throttled, "of the requests"))
	r.add(group, name+"CPUs busy, whatever with", did.load.busy(did.took), "", noLimit())
}

// stage fetches a day generated for one measurement, and returns its batches.
func (w *world) stage(ctx context.Context, d day) ([]archive.BatchInfo, error) {
	site := newSite()
	site.Generate(d.items, d.archived, d.json)
	batches, _, _, err := w.backfill(ctx, site, d.from, d.from.Add(24*time.Hour))
	if err == nil && countRecords(batches) != d.items {
		err = w.broken("fetch", fmt.Errorf("it staged %d items of %d", countRecords(batches), d.items))
	}
	return batches, err
}
