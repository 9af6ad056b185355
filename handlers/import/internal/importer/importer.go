// Package importer imports batches: it parses each line into a record, plans one copy for each mailbox that the record
// goes to, and creates the copies in the mailboxes, each exactly once.
//
// The state is persisted in two places: in the ledger, with one row per copy, which decides between processes, and in
// the batch's journal, with one line per outcome, which is the proof. The package knows nothing of sweeps.
package importer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"o2archiver/handlers/import/internal/recipients"
	"o2archiver/handlers/import/internal/tallier"
	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/message"
	"o2archiver/shared/retry"
	"o2archiver/shared/tally"
)

const (
	// MaxLines is the maximum number of lines of a batch that are read; fetch writes at most 100. One outcome in the
	// journal stands for all further lines.
	MaxLines = 10_000

	// MaxMemory is the maximum number of bytes reserved for rendered messages at any time.
	MaxMemory = 48 << 20
)

// Batches reads batches. It is *archive.Batches without what writes.
type Batches interface {
	Read(ctx context.Context, name string) (data []byte, etag string, err error)
}

// Media opens attachments. It is *archive.Media without what writes.
type Media interface {
	Open(ctx context.Context, name string) (body io.ReadCloser, size int64, err error)
}

// Tally is what an Importer tells of each batch whose journal has its end, while it holds the journal's lease. It does
// not fail, and takes seconds at most.
type Tally interface {
	NoteBatch(ctx context.Context, log *slog.Logger, done tallier.Imported)
}

// Options are what an Importer works with. All clients are required.
type Options struct {
	Batches Batches
	Media   Media
	Logs    journal.Logs
	Ledger  *ledger.Ledger
	Boxes   *mailbox.Client       // its request timeout must be RequestTimeout(InDoubt)
	Users   *recipients.Directory // is notified of mailboxes that no longer exist

	TrialUsers *recipients.Directory // of dry runs: writes nothing

	Mapping *recipients.Mapping
	Tally   Tally

	Rules          *RuleReader          // is asked once for each delivery of a batch
	Region         string               // two-letter country of numbers in national form
	Numbers        *message.NumberCache // numbers already parsed: the most expensive step of a text
	Form           Form
	UploadSessions bool          // whether the cloud's mailboxes take files larger than mailbox.MaxSinglePost
	Concurrency    int           // maximum number of concurrent requests to Graph in this process
	InDoubt        time.Duration // how long a claim's holder counts as alive

	Memory *semaphore.Weighted // bytes reserved for rendered messages; nil: a semaphore of MaxMemory
	Now    func() time.Time    // the present, by this host's clock
}

// Importer imports batches. It is safe for concurrent use, also with other processes on the same storage account.
type Importer struct{ opts Options }

// New returns an Importer. It makes no request.
func New(o Options) *Importer {
	if o.Memory == nil {
		o.Memory = semaphore.NewWeighted(MaxMemory)
	}
	return &Importer{opts: o}
}

// RefreshRecipients drops cached answers about addresses without a mailbox, and makes the next batch check storage for
// a new mapping and other rules. It is called before a replay, because an administrator may have corrected any of them.
func (im *Importer) RefreshRecipients(ctx context.Context) error {
	im.opts.Users.Refresh()
	im.opts.TrialUsers.Refresh()
	return errors.Join(im.opts.Mapping.Refresh(ctx), im.opts.Rules.refresh(ctx))
}

// Result is the answer of an invocation. It holds counts and nothing of any message's content.
type Result struct {
	Batch   string         `json:"batch,omitempty"`
	Refused string         `json:"refused,omitempty"` // why the event is not for this app
	Paused  bool           `json:"paused,omitempty"`  // the batch is left to sweep
	Totals  journal.Totals `json:"totals"`
}

// Selection are the records that a replay processes again, of those that have their outcome. The zero Selection has
// all. A record without an outcome is processed in any case.
type Selection struct {
	Lines  []int        `json:"lines,omitempty"`  // of the batch
	Reason tally.Reason `json:"reason,omitempty"` // why they were not archived
}

// IsSame reports whether two selections are the same.
func (s Selection) IsSame(o Selection) bool {
	return s.Reason == o.Reason && slices.Equal(s.Lines, o.Lines)
}

// has reports whether a record with that outcome is selected.
func (s Selection) has(r journal.Record) bool {
	return (len(s.Lines) == 0 || slices.Contains(s.Lines, r.Line)) &&
		(s.Reason == "" || r.Outcome != journal.Archived && tally.ReasonOf(r) == s.Reason)
}

// ErrMissing means that there is no batch of that name. It refers to the batch alone: anything else that is missing is
// a fault of the environment.
var ErrMissing = errors.New("the batch is not there (any more)")

// Delivery holds how a batch is to be processed.
type Delivery struct {
	Wait       bool // wait for another delivery that holds the batch's journal; otherwise return journal.ErrHeld
	Replay     bool // map all records again, and create the copies that are missing
	Only       Selection
	OnProgress func() // called after each step of the batch, possibly concurrently; may be nil
}

// ImportBatch brings every record of a batch to its outcome. It is idempotent: it may be called for the same batch at
// any time and any number of times, also concurrently in several processes.
//
// It returns nil only if every record has its outcome in the batch's journal and the journal has its end. Otherwise the
// copies that were created stay, and a later call continues. While storage or Graph is unavailable it waits and retries
// until ctx ends; if it loses the journal's lease meanwhile, it starts over. The error matches ErrMissing,
// journal.ErrHeld, or the error of funchost for the host's status (see Status).
func (im *Importer) ImportBatch(
	ctx context.Context, name, invocation string, log *slog.Logger, how Delivery,
) (res Result, err error) {
	log = log.With("run", archive.RunOf(name), "batch", name)
	ctx = retry.WithProgressLog(ctx, log)
	rules, err := im.opts.Rules.current(ctx)
	if err != nil {
		return Result{}, Status(err)
	}
	err = retry.Do(ctx, func(ctx context.Context) (err error) {
		res, err = im.importOnce(ctx, name, invocation, log, how, rules)
		return err
	})
	if err != nil {
		return Result{}, Status(err)
	}
	return res, nil
}
