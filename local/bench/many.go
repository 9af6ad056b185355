package main

import (
	"context"
	"fmt"
	"time"
)

const (
	manyMemory = 128 // MB over idle
	growth     = 48  // MB, from few items to many: the ids of a window that are remembered, and what the collector adds
)

// million fetches few items and then many, up to a million, each time in a new process: memory must not grow with their
// number.
func (w *world) million(ctx context.Context, r *report) error {
	const group = "Fetch: many items"
	var most []float64
	for i, n := range []int{10_000, 100_000, 1_000_000} {
		d := day{from: w.day.from.Add(time.Duration(-96-48*i) * time.Hour), items: n, mailboxes: w.o.mailboxes,
			prefix: fmt.Sprintf("many%d", i)}
		site := newSite()
		site.Generate(d.items, d.archived, d.json)
		batches, took, _, err := w.backfill(ctx, site, d.from, d.from.Add(24*time.Hour))
		if err != nil {
			return err
		}
		if got := countRecords(batches); got != n {
			return w.broken("fetch", fmt.Errorf("it staged %d items of %d", got, n))
		}
		most = append(most, grownMemory(w.fetch))
		r.add(group, fmt.Sprintf("%d items", n), float64(n)/took.Seconds(), "items/s",
			atLeast(1, fetchRate, "into Azurite, in memory"))
		r.add(group, fmt.Sprintf("%d items: resident memory, highest, over idle", n), most[i], "MB",
			atMost(manyMemory, "over idle"))
	}
	r.add(group, "resident memory, growth from the first to the last", most[len(most)-1]-most[0], "MB",
		atMost(growth, "the ids of a window, of which 250,000 are remembered"))
	return nil
}
