// Package deliveries is the intake of what a vendor delivers as ZIPs of e-mail messages (EML): it lists a store, copies
// each new ZIP into the archive, reads it there, and writes its messages as batches, as package collector does with the
// items of a site. A second Intake does so with the folder imports, for ZIPs of messages of other archives.
//
// The State is saved only by the holder of its lease. Each step may be repeated after a crash: a copy that exists is
// found, and the batches of a ZIP are a function of its bytes and of its plan, so that a second attempt writes the same
// bytes under the same names.
//
//	a crash after          leaves                      what the next run does
//	a try was counted      nothing else                begins; the least tried ZIP comes first
//	part of the copy       blocks without a name       continues behind the last block that was saved
//	the copy               a copy; no hash in State    finds the copy and its hash
//	media                  media that nothing names    the same: they are there already
//	a batch                a batch beyond Progress     the same batch: it is there already
//	the report             a report, no manifest       writes both again
//	the manifest           an open ZIP                 the same manifest: the first one stays
//
// No log line and no error has the name of a ZIP or of an EML, an address, a number or a text.
package deliveries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"o2archiver/handlers/fetch/internal/leased"
	"o2archiver/shared/archive"
	"o2archiver/shared/arrival"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery/zipread"
	"o2archiver/shared/status"
)

// Store is where the vendor delivers, as package arrival describes it: an SFTP server or the landing container. Both
// operations MUST end when ctx does.
type Store interface {
	List(ctx context.Context) (arrival.Listing, error)
	Open(ctx context.Context, path string, offset int64) (io.ReadCloser, error)
}

// Pause reports whether the administrator wants nothing further to be read. It is asked before each ZIP and after each
// batch.
type Pause interface {
	Paused(ctx context.Context) (bool, error)
}

// Options holds what an Intake works with.
type Options struct {
	Store       Store
	Server      string // host of the Store, as it is configured; "": it is no server. For the log
	Deliveries  *archive.Deliveries
	Batches     *archive.Batches
	Media       *archive.Media
	Checkpoints *archive.Documents
	Reports     *archive.Documents // of ZIPs; the container status
	Pause       Pause              // nil: never paused
	Reporter    *status.Reporter   // of the invocation; nil: nothing is shown of the work
	Rules       Rules
	Now         func() time.Time // the present, by this host's clock
}

// Intake reads what is delivered. Only the instance that holds the state's lease works at any time.
type Intake struct {
	Options
	form     form
	limits   workLimits
	contents zipread.Limits
}

// workLimits holds the limits of one unit of work, so that none blocks the others.
type workLimits struct {
	turn      time.Duration // of a ZIP while others wait; checked after each batch
	read      time.Duration // of reading a ZIP in one turn
	others    time.Duration // of reading the listed files of a ZIP that are no messages; checked before each of them
	content   int64         // bytes of those files that are read, also checked before each
	copied    time.Duration // of one copy, in addition to its size at leastRate
	longest   time.Duration // of one copy, whatever its size
	leastRate int64         // bytes per second
	listing   time.Duration
	lease     time.Duration // of waiting for another holder of the lease
	storage   time.Duration // of one operation of the archive, with its retries
	lists     int64         // bytes of the manifests in one ZIP that are read; one may be larger
}

// New returns an Intake. It makes no request.
func New(o Options) *Intake {
	return &Intake{Options: o, form: o.Rules.form(), contents: zipread.DefaultLimits(), limits: workLimits{
		turn: 4 * time.Minute, read: 12 * time.Minute, others: time.Minute, content: 1 << 30, copied: time.Minute,
		longest: 12 * time.Minute, leastRate: 64 << 10, listing: 5 * time.Minute, lease: 5 * time.Minute,
		storage: 5 * time.Minute, lists: 32 << 20}}
}

// Result is what a run returns. It holds counts, no content.
type Result struct {
	Listed   Listed `json:"listed"`
	Read     int    `json:"read"`   // ZIPs read to their end
	Same     int    `json:"same"`   // ZIPs with the bytes of an earlier one
	Others   int    `json:"others"` // ZIPs that were broken, replaced or gone
	Open     int    `json:"open"`   // ZIPs not finished
	Received int    `json:"received"`
	Records  int    `json:"records"`
	Paused   bool   `json:"paused,omitempty"`

	// These are set by Run's caller.
	Refused bool    `json:"refused,omitempty"` // the server refused the credentials
	Imports *Result `json:"imports,omitempty"` // of the folder imports, if it was read in the same run
}

// finished returns the number of ZIPs that the run has finished.
func (res *Result) finished() int { return res.Read + res.Same + res.Others }

var (
	errPaused   = errors.New("fetch is paused")
	errTurnOver = errors.New("the turn of the ZIP is over")
	errCopied   = errors.New("the ZIP was copied, and is read when the others are copied")
	errLater    = errors.New("the ZIP has to wait for a later run")
	errSlow     = retry.NewTransient("the ZIP takes longer than it may")
	errListing  = retry.NewTransient("the listing takes longer than it may")
)

// maxAway is the number of consecutive ZIPs that cannot be reached before the store counts as unavailable.
const maxAway = 3

// maxState is the maximum size in bytes of the State, and of the Past, which holds a million ZIPs then.
const maxState = 64 << 20

// run holds what one run has found and done. It is kept if the lease is lost; only the State and the Past are loaded
// again with each lease.
type run struct {
	*Intake
	state *State
	past  *Past

	pastTag string // ETag of the document of the Past
	lease   *archive.Lease
	log     *slog.Logger
	files   map[string]arrival.File // of the last listing, by key; nil: it failed
	places  map[string]bool         // where the files of the last listing are; nil: it failed
	lists   int                     // listings so far
	copied  map[string]int          // by key: value of lists when this run had the copy
	turns   map[string]int          // by key
	passed  map[string]bool         // keys of ZIPs that have no further turn
	away    int                     // consecutive ZIPs that could not be reached
	began   time.Time               // when the current turn began
	active  string                  // key of the ZIP whose turn it is
	counted map[string]int64        // by key: messages of the ZIPs that were opened in this run
	fresh   map[string]bool         // runs of the ZIPs that were closed under this lease without being read
	shown   bool                    // the State notes documents that were written since it was saved
	res     Result
	failed  []error
}

// ReadDays does what Run does, and also reads the ZIPs named for days, although they lie before Rules.From. A ZIP that
// was read is not read again: its copy is in the archive, and its batches are a function of its bytes.
func (d *Intake) ReadDays(ctx context.Context, days Days, log *slog.Logger) (Result, error) {
	own := *d
	own.Rules.Also = days
	return own.Run(ctx, log)
}

// Run lists the store, plans the new ZIPs and works on the open ones. A ZIP that fails stays open for the next run and
// does not delay the others. Run returns an error that matches funchost.ErrBusy if another instance is at work.
func (d *Intake) Run(ctx context.Context, log *slog.Logger) (Result, error) {
	log = log.With("intake", d.form.name)
	ctx = d.Reporter.Observe(retry.WithProgressLog(ctx, log))
	r := &run{Intake: d, log: log, copied: map[string]int{}, turns: map[string]int{}, passed: map[string]bool{},
		counted: map[string]int64{}}
	state := leased.Document{In: d.Checkpoints, Name: d.form.state, Title: "the deliveries", Wait: d.limits.lease,
		Patience: d.limits.storage + d.limits.lease}
	err := state.Work(ctx, log, func(own context.Context, lease *archive.Lease) error {
		r.Reporter.Begin(ctx)
		r.lease, r.state = lease, &State{} // another holder of the lease may have changed it
		return r.work(own)
	})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	}
	return r.res, leased.Status(err)
}

func (r *run) work(ctx context.Context) error {
	r.fresh, r.shown = map[string]bool{}, false
	if err := r.load(ctx); err != nil {
		return err
	}
	err := r.planAndProcess(ctx)
	r.res.Open = len(r.state.Open)
	r.log.Info("the intake of deliveries ended", "event", "fetch.deliveriesEnded", "read", r.res.Read,
		"same", r.res.Same, "others", r.res.Others, "open", r.res.Open, "received", r.res.Received,
		"records", r.res.Records)
	r.report()
	r.Reporter.Repair(ctx, r.repairs())
	return err
}

// planAndProcess plans what is new and works on it, until nothing is left to plan or no ZIP of a plan was finished.
func (r *run) planAndProcess(ctx context.Context) error {
	for {
		finished := r.res.finished()
		if err := r.plan(ctx); err != nil {
			return err
		}
		if err := r.processZIPs(ctx); err != nil {
			return err
		}
		if r.res.Listed.Later == 0 || r.res.Paused || r.away >= maxAway || r.res.finished() == finished {
			if r.shown {
				if err := r.save(ctx); err != nil {
					return err
				}
			}
			return errors.Join(r.failed...)
		}
	}
}

// processZIPs works on the open ZIPs, turn by turn, until none is left to try in this run.
func (r *run) processZIPs(ctx context.Context) error {
	for r.away < maxAway {
		i := r.state.nextZIP(r.turns, r.passed)
		if i < 0 {
			break
		}
		z := &r.state.Open[i]
		log := r.log.With("run", z.Folder)
		err := r.checkPause(ctx)
		var end ending
		if err == nil {
			if err = r.beginTurn(ctx, z, log); err != nil {
				return err
			}
			end, err = r.takeTurn(ctx, z, log)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		z.Began, r.active = "", ""
		switch {
		case err == nil:
			r.away = 0
			finished := *z
			r.closeZIP(i, end)
			if err := r.save(ctx); err != nil {
				return err
			}
			r.showClosed(ctx)
			r.count(&finished, end.outcome)
			continue
		case errors.Is(err, errPaused):
			r.res.Paused = true
			log.Warn("fetch is paused: no further delivery is read until it is started again", "event", "fetch.paused")
			return r.save(ctx)
		case errors.Is(err, errTurnOver):
			r.away = 0
			log.Info("the ZIP has used its time: it continues in its next turn", "tries", z.Tries,
				"copied", z.partSize(), "batches", z.Progress.Batches)
		case errors.Is(err, errCopied):
			r.away = 0
		case errors.Is(err, errLater):
			r.passed[z.Key] = true
		default:
			r.noteFailure(z, err, log)
		}
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// beginTurn starts a turn. The first turn in a run is a try, which is saved before the work begins: a ZIP during which
// the process dies has one try more than the others, which come first in the next run.
func (r *run) beginTurn(ctx context.Context, z *ZIP, log *slog.Logger) error {
	r.began, r.active = time.Now(), z.Key
	if r.turns[z.Key]++; r.turns[z.Key] > 1 {
		return nil
	}
	far := fmt.Sprintf("%d bytes, %d entries", z.partSize(), z.Progress.Next)
	if z.Tries >= failuresTold && z.Began == far {
		log.Error("the process ended each time while it worked on a delivery, which did not advance",
			"event", "fetch.deliveryFailed", "tries", z.Tries)
	}
	z.Began = far
	z.Tries++
	return r.save(ctx)
}

// takeTurn does what is left to do for a ZIP, as far as its turn goes.
func (r *run) takeTurn(ctx context.Context, z *ZIP, log *slog.Logger) (ending, error) {
	if !z.Agreed {
		if err := r.copyZIP(ctx, z); err != nil {
			return ending{}, err
		}
	}
	if r.state.HasBytes(z) || r.past.HasBytes(z) {
		log.Info("the ZIP has the bytes of an earlier one: nothing is read", "event", "fetch.deliverySame")
		return ending{outcome: Same}, nil
	}
	own, cancel := context.WithTimeoutCause(ctx, r.limits.read, errSlow)
	defer cancel()
	before := z.Progress.Next
	end, err := r.readZIP(own, z, log)
	switch {
	case err == nil || own.Err() == nil || ctx.Err() != nil:
	case z.Progress.Next > before:
		err = errTurnOver // a large ZIP that advances
	default:
		err = errSlow
	}
	return end, err
}

// count adds a finished ZIP to the result.
func (r *run) count(z *ZIP, outcome string) {
	switch outcome {
	case Complete, Incomplete:
		r.res.Read++
		r.res.Received += z.Progress.Received
		r.res.Records += z.Progress.Records
	case Same:
		r.res.Same++
	default:
		r.res.Others++
	}
}

// failuresTold is the number of tries after which a ZIP that fails is reported to the administrator.
const failuresTold = 3

func (r *run) noteFailure(z *ZIP, err error, log *slog.Logger) {
	z.Failed = err.Error()
	r.passed[z.Key] = true
	r.failed = append(r.failed, err)
	// A file that may not be read, or is another one than listed, says nothing about the store.
	if again, _ := retry.IsTransient(err); again && !z.Agreed {
		r.away++
	} else {
		r.away = 0
	}
	if z.Tries < failuresTold {
		log.Warn("a delivery failed; the next run tries it again", "event", "fetch.deliveryDelayed",
			"tries", z.Tries, "error", err.Error())
		return
	}
	log.Error("a delivery fails again and again; each run tries it, after the others", "event", "fetch.deliveryFailed",
		"tries", z.Tries, "error", err.Error())
}

// othersWait reports whether another ZIP may have a turn in this run.
func (r *run) othersWait(z *ZIP) bool {
	for i := range r.state.Open {
		if o := &r.state.Open[i]; o.Key != z.Key && !r.passed[o.Key] {
			return true
		}
	}
	return false
}

// checkPause returns errPaused if nothing further is to be read.
func (r *run) checkPause(ctx context.Context) error {
	if r.Pause == nil {
		return nil
	}
	paused, err := r.Pause.Paused(ctx)
	if err != nil {
		return fmt.Errorf("ask whether fetch is paused: %w", err)
	}
	if paused {
		return errPaused
	}
	return nil
}
