package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"o2archiver/handlers/import/internal/commands"
	"o2archiver/handlers/import/internal/importer"
	"o2archiver/handlers/import/internal/recipients"
	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/message"
	"o2archiver/shared/settings"
)

// engines holds what the functions of the app run.
type engines struct {
	batches  *archive.Batches // knows the addresses in events
	importer *importer.Importer
	commands *commands.Runner // and the sweeps between them
	pause    *control.Pause
	events   *sweeper.Events
}

// bounds holds limits of the engines that no setting changes. A zero field stands for the engine's default.
type bounds struct {
	lookUp time.Duration       // recipients.DirectoryOptions.Wait
	memory *semaphore.Weighted // importer.Options.Memory
	sweep  sweeper.Times
}

// build builds the engines. It makes no request.
func (c config) build(cl clients, b bounds, now func() time.Time) *engines {
	numbers, totals := message.NewNumberCache(), c.newTallier(cl, now)
	connector := control.NewConnectorReader(control.ReaderOptions{
		Settings: cl.store.Settings(), Report: c.reportConnector, Now: now})
	look := recipients.DirectoryOptions{Concurrency: c.concurrency, Wait: b.lookUp, Now: now}
	im := importer.New(importer.Options{
		Batches: cl.batches, Media: cl.media, Logs: cl.logs, Ledger: cl.ledger, Boxes: cl.boxes, Tally: totals,
		Users: recipients.NewDirectory(cl.boxes, look), TrialUsers: recipients.NewTrialDirectory(cl.boxes, look),
		Mapping: recipients.NewMapping(cl.mapping, recipients.MappingOptions{Region: c.region, Now: now}),
		Rules:   importer.NewRuleReader(connector, c.lookup), Region: c.region, Numbers: numbers, Form: c.form,
		UploadSessions: settings.UploadSessions(c.cloud), Concurrency: c.concurrency, InDoubt: c.inDoubt,
		Memory: b.memory, Now: now,
	})
	sw := sweeper.New(sweeper.Options{
		Batches: cl.batches, Logs: cl.logs, Sweeps: cl.sweeps, Totals: totals, Times: b.sweep, After: c.sweepAfter,
		Now: now}, im)
	e := &engines{batches: cl.batches, importer: im, events: sweeper.NewEvents(cl.sweeps, now)}
	e.pause = control.NewPause(control.PauseOptions{App: settings.Import, Connector: connector, Default: c.paused})
	return e.useSweeper(cl, sw, totals, now)
}

// useSweeper builds what carries out commands around that sweeper's sweeps.
func (e *engines) useSweeper(cl clients, sw *sweeper.Sweeper, t commands.Totals, now func() time.Time) *engines {
	e.commands = commands.New(commands.Options{
		Queue: control.NewQueue(control.Options{
			App: settings.Import, Commands: cl.store.Commands(), Answers: cl.store.Reports(), Now: now}),
		Sweeper: sw, Pause: e.pause, Batches: cl.batches, Totals: t, Trial: e.importer,
		Checker: commands.NewChecker(commands.CheckOptions{
			Store: cl.store, Ledger: cl.ledger, Boxes: cl.boxes, Events: e.events, Now: now}),
	})
	return e
}

// routes returns the app's functions by route. broken is why there are no engines, or nil.
func routes(e *engines, broken error) map[string]funchost.Func {
	guard := func(f funchost.Func) funchost.Func { return f }
	if broken != nil {
		refuse := func(context.Context, *funchost.Invocation) (any, error) {
			return nil, fmt.Errorf("%w: %w", funchost.ErrSettings, broken)
		}
		guard = func(funchost.Func) funchost.Func { return refuse }
	}
	return map[string]funchost.Func{
		// Success only if every record has its outcome, the event is foreign, or import is paused.
		"import": guard(e.handleEvent),
		// Success if no batch is left that it could have finished.
		"sweep": guard(func(ctx context.Context, inv *funchost.Invocation) (any, error) {
			input, _ := inv.Input("timer")
			return e.commands.Sweep(ctx, input, inv.ID, inv.Log)
		}),
	}
}

// handleEvent imports the batch of one BlobCreated event. It uses only the blob's address, and only if that is the
// address of a batch of this archive.
func (e *engines) handleEvent(ctx context.Context, inv *funchost.Invocation) (any, error) {
	uri, _ := inv.Meta("Uri")
	name, err := e.batches.FromURI(uri)
	if errors.Is(err, archive.ErrForeign) { // answered with success: the host knows no permanent failure
		const refused = "the event's blob is not a batch of this archive's storage account; nothing was read"
		inv.Log.Error(refused, "event", "import.eventRefused")
		return importer.Result{Refused: refused}, nil
	}
	if err != nil {
		return nil, err
	}
	e.events.Note(ctx, inv.Log)
	var res importer.Result
	paused, err := e.pause.Run(ctx, func(ctx context.Context) (err error) {
		res, err = e.importer.ImportBatch(ctx, name, inv.ID, inv.Log, importer.Delivery{Wait: true})
		return err
	})
	if paused { // a success for the host, or the event would go to the poison queue: sweep imports the batch later
		res = importer.Result{Batch: name, Paused: true}
	}
	if errors.Is(err, importer.ErrMissing) {
		inv.Log.Error("the event's batch does not exist (any more)", "event", "import.batchMissing", "batch", name)
		return importer.Result{Batch: name, Refused: importer.ErrMissing.Error()}, nil
	}
	return res, err
}
