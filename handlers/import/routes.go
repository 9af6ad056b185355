package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/handlers/import/internal/recipients"
	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/message"
	"o2archiver/shared/settings"
)

// engines holds what the functions of the app run.
type engines struct {
	batches  *archive.Batches // knows the addresses in events
	importer *importer.Importer
	sweeper  *sweeper.Sweeper
}

// bounds holds limits of the engines that no setting changes. A zero field stands for the engine's default.
type bounds struct {
	lookUp time.Duration       // recipients.DirectoryOptions.Wait
	memory *semaphore.Weighted // importer.Options.Memory
	sweep  sweeper.Times
}

// build builds the engines. It makes no request.
func (c config) build(cl clients, b bounds, now func() time.Time) *engines {
	numbers := message.NewNumberCache()
	c.mapOptions.E164 = numbers.E164
	im := importer.New(importer.Options{
		Batches: cl.batches, Media: cl.media, Logs: cl.logs, Ledger: cl.ledger, Boxes: cl.boxes,
		Users: recipients.NewDirectory(cl.boxes, recipients.DirectoryOptions{
			Concurrency: c.concurrency, Wait: b.lookUp, Now: now,
		}),
		Mapping: recipients.NewMapping(cl.mapping, recipients.MappingOptions{
			Custom: c.mapOptions.Custom, Region: c.mapOptions.Region, Now: now,
		}),
		MapOptions: c.mapOptions, Numbers: numbers, Form: c.form, MaxItem: c.maxItem,
		UploadSessions: settings.UploadSessions(c.cloud), Concurrency: c.concurrency, InDoubt: c.inDoubt,
		Memory: b.memory, Now: now,
	})
	sw := sweeper.New(sweeper.Options{
		Batches: cl.batches, Logs: cl.logs, Sweeps: cl.sweeps, After: c.sweepAfter, Times: b.sweep, Now: now,
	}, im)
	return &engines{batches: cl.batches, importer: im, sweeper: sw}
}

// routes returns the app's functions by route. broken is why there are no engines, or nil.
func routes(e *engines, broken error) map[string]funchost.Func {
	guard := func(f funchost.Func) funchost.Func {
		return func(ctx context.Context, inv *funchost.Invocation) (any, error) {
			if broken != nil {
				return nil, fmt.Errorf("%w: %w", funchost.ErrSettings, broken)
			}
			return f(ctx, inv)
		}
	}
	return map[string]funchost.Func{
		// POST /import: success only if every record of the batch has its outcome, or if the event is not of this
		// archive. The host retries anything else.
		"import": guard(
			func(ctx context.Context, inv *funchost.Invocation) (any, error) { return e.handleEvent(ctx, inv) }),
		// POST /sweep: success if no batch is left that it could have finished.
		"sweep": guard(func(ctx context.Context, inv *funchost.Invocation) (any, error) {
			input, _ := inv.Input("timer")
			return e.sweeper.Sweep(ctx, input, inv.ID, inv.Log)
		}),
	}
}

// handleEvent imports the batch of one BlobCreated event. It uses only the blob's address, and only if that is the
// address of a batch of this archive.
func (e *engines) handleEvent(ctx context.Context, inv *funchost.Invocation) (importer.Result, error) {
	uri, _ := inv.Meta("Uri")
	name, err := e.batches.FromURI(uri)
	if errors.Is(err, archive.ErrForeign) {
		// The host has no permanent failure: the error is answered with success, so that it is not retried, and logged.
		const refused = "the event's blob is not a batch of this archive's storage account; nothing was read"
		inv.Log.Error(refused, "event", "import.eventRefused")
		return importer.Result{Refused: refused}, nil
	}
	if err != nil {
		return importer.Result{}, err
	}
	res, err := e.importer.ImportBatch(ctx, name, inv.ID, inv.Log, importer.Delivery{Wait: true})
	if errors.Is(err, importer.ErrMissing) {
		inv.Log.Error("the event's batch does not exist (any more)", "event", "import.batchMissing", "batch", name)
		return importer.Result{Batch: name, Refused: importer.ErrMissing.Error()}, nil
	}
	return res, err
}
