// Package sweeper finishes the batches that no event will finish any more, and replays batches after the cause of a
// failure has been removed. It leaves the import of a batch to an Importer.
package sweeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/journal"
	"o2archiver/shared/retry"
)

// Importer is what a sweep needs of the importer. It is an interface so that tests of turns and leases can replace it.
type Importer interface {
	// ImportBatch brings every record of a batch to its outcome. It must be idempotent, and return when ctx ends.
	ImportBatch(
		ctx context.Context, name, invocation string, log *slog.Logger, how importer.Delivery,
	) (importer.Result, error)

	// RefreshRecipients makes the next ImportBatch look up again what was not found before.
	RefreshRecipients(ctx context.Context) error
}

// Batches is what a sweep reads of the batches. It is *archive.Batches without what writes.
type Batches interface {
	Days(ctx context.Context) ([]string, error)
	Runs(ctx context.Context, day string) ([]string, error)
	List(ctx context.Context, folder string) ([]archive.BatchInfo, error)
	ReadManifest(ctx context.Context, folder string, each func(archive.BatchInfo)) (archive.Manifest, error)
}

// Totals writes what became of runs and their batches. It is *tallier.Tallier.
type Totals interface {
	// TallyRun makes what is written about a run right. It is idempotent; it compares lengths only, unless all is set.
	TallyRun(ctx context.Context, run string, all bool) error
}

// Options holds what a Sweeper works with.
type Options struct {
	Batches Batches
	Logs    journal.Logs       // are read
	Sweeps  *archive.Documents // the state of sweeps is read and written
	Totals  Totals
	After   time.Duration    // younger batches are left to their events, unless the input has another age
	Times   Times            // the zero value: DefaultTimes
	Now     func() time.Time // the present, by this host's clock
}

// Times holds the time limits of a sweep.
type Times struct {
	Idle  time.Duration // a short turn ends after this time without progress of its batch
	Short time.Duration // maximum length of a short turn
	Long  time.Duration // maximum length of a batch's later turn in the same sweep
	Look  time.Duration // for listing and reading one run or one batch's journal
	Lease time.Duration // after a loss of the lease, how long the lost one may still count as held
}

// DefaultTimes returns the limits for an invocation of length funchost.Deadline.
func DefaultTimes() Times {
	return Times{
		Idle: 30 * time.Second, Short: 3 * time.Minute, Long: 10 * time.Minute, Look: time.Minute,
		Lease: 18 * time.Second,
	}
}

// Sweeper runs sweeps and replays. It is safe for concurrent use: at most one sweep runs per storage account.
type Sweeper struct {
	opts     Options
	importer Importer
}

// New returns a Sweeper. It makes no request.
func New(o Options, im Importer) *Sweeper {
	if o.Times == (Times{}) {
		o.Times = DefaultTimes()
	}
	return &Sweeper{opts: o, importer: im}
}

// request is the input of a manual sweep.
type request struct {
	After  *string `json:"after,omitempty"`  // replaces Options.After, e.g. "0s"
	Replay string  `json:"replay,omitempty"` // a run's folder or a batch: create the copies that are missing
}

// Result is the answer of an invocation.
type Result struct {
	Batches  int `json:"batches"`  // batches whose journals had no end
	Finished int `json:"finished"` // of these, finished by this sweep
	Held     int `json:"held"`     // of these, left to a delivery that is processing them
	Young    int `json:"young"`    // of these, left because their events may still arrive
}

// Sweep finishes the batches whose event was lost or given up by the host: those whose journal has no end. input is the
// JSON that an administrator sends, or empty; if it names a run or a batch to replay, Sweep replays that instead.
//
// It returns nil if no batch is left that it could have finished, and at once if another sweep is running. The next
// sweep begins with what is left when ctx ends. If the input is invalid, the error matches funchost.ErrInput.
func (sw *Sweeper) Sweep(ctx context.Context, input, invocation string, log *slog.Logger) (Result, error) {
	r, after, err := sw.readInput(input)
	if err != nil {
		return Result{}, err
	}
	s := &sweep{
		opts: sw.opts, importer: sw.importer, invocation: invocation, log: log, before: sw.opts.Now().Add(-after),
		untallied: map[string]bool{},
	}
	if r.Replay != "" {
		return s.replay(ctx, r.Replay)
	}
	var lease *archive.Lease
	err = retry.Do(ctx, func(ctx context.Context) (err error) {
		lease, err = s.opts.Sweeps.Lease(ctx, StateBlob)
		return err
	})
	if errors.Is(err, archive.ErrLeased) {
		log.Info("another sweep is at work")
		return Result{}, nil
	}
	if err != nil {
		return Result{}, importer.Status(fmt.Errorf("take the sweep's lease: %w", err))
	}
	s.lease, s.full = lease, strings.TrimSpace(input) != ""
	defer func() { s.lease.Release() }()
	err = s.run(ctx)
	s.log.Info("sweep ended", "event", "import.sweepEnded", "batches", s.res.Batches,
		"finished", s.res.Finished, "held", s.res.Held, "young", s.res.Young)
	return s.res, importer.Status(err)
}

// RequestReplay saves a replay that a command asks for; the next Sweep begins it, and later ones continue it. It is
// safe to call again with the same command, also after the replay has ended. If there is no run or batch of that name,
// the error matches funchost.ErrInput.
func (sw *Sweeper) RequestReplay(ctx context.Context, command, what string, only importer.Selection) error {
	s := &sweep{opts: sw.opts, importer: sw.importer}
	return s.request(ctx, command, what, only)
}

// NamedBatches returns the batches of the run, or the one batch, of that name, in the order of their names. If there is
// none, the error matches funchost.ErrInput; whether the one batch exists is not asked.
func (sw *Sweeper) NamedBatches(ctx context.Context, what string) ([]string, error) {
	return (&sweep{opts: sw.opts}).named(ctx, what)
}

// SavedReplays returns the replays that are open, and the latest that ended.
func (sw *Sweeper) SavedReplays(ctx context.Context) (Replays, error) {
	return (&sweep{opts: sw.opts}).savedReplays(ctx)
}

// readInput parses the input, and returns with it the age from which on batches are swept.
func (sw *Sweeper) readInput(input string) (r request, after time.Duration, err error) {
	const form = `sweep understands {"after":"0s"} and {"replay":"2026/11/23/<run>"}`
	after = sw.opts.After
	if strings.TrimSpace(input) != "" {
		d := json.NewDecoder(strings.NewReader(input))
		d.DisallowUnknownFields()
		err := d.Decode(&r)
		if _, more := d.Token(); err != nil || !errors.Is(more, io.EOF) {
			return r, 0, fmt.Errorf("%w: the input can't be read: %s", funchost.ErrInput, form)
		}
	}
	if r.After != nil {
		if after, err = time.ParseDuration(*r.After); err != nil || after < 0 {
			return r, 0, fmt.Errorf("%w: after is not a duration: %s", funchost.ErrInput, form)
		}
	}
	return r, after, nil
}
