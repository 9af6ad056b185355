package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
)

const (
	lookEvery = 500 * time.Millisecond // interval between two looks at the storage
	// idle is how long nothing must have happened before sweep is started: the real host takes two seconds to find a
	// blob.
	idle      = 15 * time.Second
	maxSweeps = 3 // consecutive sweeps that finish nothing
)

// driver runs a day, from the timer to the last outcome.
type driver struct {
	w       *world
	meter   *meter
	batches map[string]*batchState
	events  sync.WaitGroup
	active  atomic.Int64 // events being processed by the stand-in
}

type batchState struct {
	info archive.BatchInfo
	done bool
}

// drive fires the timer, with the input of a manual run or "", and delivers the events of new batches to the stand-in
// of the host; the real host finds them itself. It returns when every batch has the end of its journal, or when sweep
// can't finish more.
func (w *world) drive(ctx context.Context, progress io.Writer, input string) error {
	d := &driver{w: w, batches: map[string]*batchState{}, meter: newMeter(progress, time.Now)}
	fetched := make(chan error, 1)
	go func() {
		_, err := w.fetch.Run(ctx, "fetch", input)
		fetched <- err
	}()
	var fetchError error
	fetching := true
	sweeps := 0
	moved := time.Now()
	for {
		select {
		case <-ctx.Done():
			d.meter.end()
			fmt.Fprintln(progress, "Ending; adding up what there is (Ctrl-C again ends at once) …")
			return fmt.Errorf("the day was not finished: %w", context.Cause(ctx))
		case err := <-fetched:
			fetching, moved = false, time.Now()
			if err != nil {
				fetchError = fmt.Errorf("fetch did not finish: %w", err)
			}
		case <-time.After(lookEvery):
		}
		progressed, open, err := d.look(ctx, fetching)
		if err != nil {
			return err
		}
		if progressed {
			moved, sweeps = time.Now(), 0
		}
		if fetching {
			continue
		}
		if open == 0 {
			d.meter.end()
			if fetchError == nil {
				fetchError = w.openWindowError(ctx)
			}
			return fetchError
		}
		if d.active.Load() > 0 || w.options.host == "func" && time.Since(moved) < idle {
			continue
		}
		// Every event was delivered or given up, and batches are still open, so start sweep.
		if sweeps == maxSweeps {
			d.meter.end()
			return errors.Join(fetchError,
				fmt.Errorf("batches that could not be finished: %d; they stay pending for the next sweep", open))
		}
		sweeps++
		if _, err := w.imports.Run(ctx, "sweep", `{"after":"0s"}`); err != nil && !errors.Is(err, host.ErrFailed) {
			return errors.Join(fetchError, fmt.Errorf("start sweep: %w", err))
		}
		moved = time.Now()
	}
}

// openWindowError returns why windows are still open after a fetch that was a success to the host: the site refuses the
// credentials, or there is more than one invocation can do.
func (w *world) openWindowError(ctx context.Context) error {
	if isDelivery(w.options.source) {
		return w.openDeliveryError(ctx)
	}
	var checkpoint struct {
		Open []struct {
			Failed string `json:"failed"`
		} `json:"open"`
	}
	if _, err := w.store.Checkpoints().Get(ctx, "fetch.json", &checkpoint); err != nil {
		return fmt.Errorf("read the checkpoint of fetch: %w", err)
	}
	for _, window := range checkpoint.Open {
		if window.Failed != "" {
			return fmt.Errorf("fetch did not finish, %d windows of time stay open: %s",
				len(checkpoint.Open), window.Failed)
		}
	}
	return nil
}

// look lists the storage, delivers the events of new batches, and updates the meter.
func (d *driver) look(ctx context.Context, fetching bool) (progressed bool, open int, err error) {
	if err := d.list(ctx); err != nil {
		return false, 0, err
	}
	staged, done := 0, 0
	for _, b := range d.batches {
		if !b.done {
			// A journal that can't be read now is read by the next look.
			b.done, _ = journal.Tail(ctx, d.w.store.Logs(), b.info.Name)
			progressed = progressed || b.done
		}
		staged += b.info.Records
		if b.done {
			done += b.info.Records
		} else {
			open++
		}
	}
	d.meter.set(staged, done, fetching)
	return progressed, open, nil
}

// list finds new batches.
func (d *driver) list(ctx context.Context) error {
	store := d.w.store
	for b, err := range store.Batches().All(ctx) {
		if err != nil {
			return fmt.Errorf("look for batches: %w", err)
		}
		if d.batches[b.Name] != nil {
			continue
		}
		// With -storage an earlier start may have finished it.
		done, err := journal.Tail(ctx, store.Logs(), b.Name)
		d.batches[b.Name] = &batchState{info: b, done: err == nil && done}
		if !d.batches[b.Name].done {
			d.deliver(ctx, b)
		}
	}
	return nil
}

// deliver delivers a batch's event to the stand-in of the host, as Event Grid does.
func (d *driver) deliver(ctx context.Context, b archive.BatchInfo) {
	standIn, ok := d.w.imports.(*host.StandIn)
	if !ok {
		return
	}
	d.active.Add(1)
	d.events.Go(func() {
		defer d.active.Add(-1)
		// An event that the host gives up is in its poison list; sweep finds the batch by its journal.
		_, _ = standIn.Deliver(ctx, d.w.store.Batches().URI(b.Name), host.Properties{
			Length: b.Size, ContentType: "application/x-ndjson", Created: b.Created, LastModified: b.Created})
	})
}
