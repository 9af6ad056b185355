// Package collector fetches what the TeleMessage site holds of the planned windows: it reads the pages of a window, and writes
// batches, attachments and deferred items, and at the end the window's manifest.
//
// A Collector can neither read nor write a mailbox. What is done when is planned by the package schedule; what is saved is its
// Checkpoint, under a lease. Each step may be repeated after a crash: what was written already is found and not written twice.
package collector

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
	"o2archiver/shared/telemessage"
)

const (
	// leaseWait outlasts the lease of an instance that was killed.
	leaseWait = 90 * time.Second

	// leaseTries is how often one invocation takes the lease: each time that storage was away for longer than the lease
	// lasts, it has to be taken again.
	leaseTries = 10

	// awayTries is after how many windows in a row a site counts as away: then one more is tried, and only if that fails, too, is the
	// site left alone. The one more is the least tried of all, so that no windows that always fail keep others from being read.
	awayTries = 2

	// maxIdle is how many runs in a row may begin to read a window, and end without bringing it further or saying why,
	// before an alert asks for it.
	maxIdle = 3
)

// errLeaseLost: another instance may be at work on the checkpoint, or soon will be.
var errLeaseLost = errors.New("the checkpoint's lease was lost")

// Options is what a Collector works with.
type Options struct {
	Site  *telemessage.Client
	Store *archive.Store
	From  time.Time        // where the very first run begins; zero: 24 hours before it
	Now   func() time.Time // the present, by this host's clock
}

// Collector does the work of the function fetch. One instance does at a time: the one that holds the checkpoint's lease.
type Collector struct {
	site  *telemessage.Client
	store *archive.Store
	from  time.Time
	now   func() time.Time

	limits    workLimits
	leaseWait time.Duration                              // how long to wait for another holder
	pause     func(context.Context, time.Duration) error // between two readings of a page
}

// New returns a Collector. It makes no request.
func New(o Options) *Collector {
	return &Collector{site: o.Site, store: o.Store, from: o.From, now: o.Now, leaseWait: leaseWait, pause: retry.Sleep}
}

// Result is what an invocation returns: counts, no content.
type Result struct {
	Slices    int       `json:"slices"` // finished
	Open      int       `json:"open"`   // still owed
	Received  int       `json:"received"`
	Records   int       `json:"records"`
	Waiting   int       `json:"setAside"`
	Watermark time.Time `json:"watermark"`
}

// Run plans the windows up to now, or those of the backfill that input asks for, and works through those that are open. A
// window that fails stays open and is tried again by the next run; it does not keep the next ones from being tried. id
// tells an invocation that the host tries again from a new one.
func (c *Collector) Run(ctx context.Context, id, input string, log *slog.Logger) (Result, error) {
	id = cmp.Or(id, rand.Text())
	ctx = retry.WithProgressLog(ctx, log)
	var res Result
	inv := newInvocation(c.limits)
	for try := 1; ; try++ {
		err := c.runWithLease(ctx, id, input, inv, &res, log)
		if !errors.Is(err, errLeaseLost) || ctx.Err() != nil || try == leaseTries {
			return res, asStatus(err, log)
		}
		log.Warn("the checkpoint's lease was lost and is taken again: storage was away for longer than it lasts", "error", err.Error())
	}
}

// runWithLease is Run for as long as the checkpoint's lease is held.
func (c *Collector) runWithLease(outer context.Context, id, input string, inv *invocation, res *Result, log *slog.Logger) error {
	lease, err := c.acquireLease(outer)
	if err != nil {
		return err
	}
	defer lease.Release()
	inv.room = nil // another holder may have changed it
	ctx, cancel := mergeContexts(outer, lease.Context())
	defer cancel(nil)

	err = c.planAndWork(ctx, lease, id, input, inv, res, log)
	if err != nil && lease.Context().Err() != nil && outer.Err() == nil {
		return fmt.Errorf("%w: %w", errLeaseLost, err)
	}
	return err
}

func (c *Collector) planAndWork(ctx context.Context, lease *archive.Lease, id, input string, inv *invocation, res *Result, log *slog.Logger) error {
	state, err := c.loadCheckpoint(ctx, lease)
	if err != nil {
		if errors.Is(err, archive.ErrContent) || errors.Is(err, archive.ErrTooLarge) {
			log.Error("the checkpoint can't be read: nothing is fetched before its former version has been restored",
				"event", "fetch.checkpointUnreadable", "error", err.Error())
		}
		return err
	}
	now := c.planningTime(lease, log)
	anew := state.Planned.IsZero()
	if input = strings.TrimSpace(input); input != "" && input != "{}" {
		err = state.PlanBackfill(id, input, now)
	} else {
		err = c.planDays(ctx, state, now, log)
	}
	if err != nil {
		return err
	}
	if anew && !state.Planned.IsZero() {
		// The very first run, or the checkpoint was lost, and with it what it owed: an alert looks for this line.
		log.Warn("there is no checkpoint: fetching begins anew", "event", "fetch.beganAnew", "from", state.Watermark())
	}
	if err := state.save(ctx); err != nil {
		return err
	}
	err = c.processWindows(ctx, state, inv, res, log)
	res.Open, res.Watermark = len(state.Open), state.Watermark()
	owed := state.CountOwed()
	log.Info("fetch ended", "event", "fetch.ended", "slices", res.Slices, "open", owed, "open_backfill", res.Open-owed,
		"received", res.Received, "records", res.Records, "set_aside", res.Waiting, "watermark", res.Watermark)
	return err
}

// processWindows goes through the open windows, each in its turn.
func (c *Collector) processWindows(ctx context.Context, state *savedState, inv *invocation, res *Result, log *slog.Logger) error {
	for inv.away <= awayTries {
		i := inv.nextWindow(state.Open)
		if i < 0 {
			break
		}
		s := &state.Open[i]
		log := log.With("run", s.Folder)
		turn, err := state.beginTurn(ctx, inv, s, log)
		if err != nil {
			return err
		}
		err = c.fetchWindow(ctx, state, turn, log)
		switch {
		case err == nil:
			res.Slices++
			res.Received += s.Progress.Received
			res.Records += s.Progress.Records
			res.Waiting += s.Progress.SetAside
			inv.away = 0
			state.Open = slices.Delete(state.Open, i, i+1)
		case errors.Is(err, errTurnOver):
			log.Info("the window has had its time while others wait: it goes on in its next turn", "tries", s.Tries, "pages", s.Progress.Pages)
			inv.away = 0
			continue // saved with its last page
		case ctx.Err() != nil:
			return fmt.Errorf("%w: slice not finished, the next try goes on from its cursor: %w", funchost.ErrUnavailable, context.Cause(ctx))
		case errors.Is(err, errLeaseLost):
			return err
		default:
			s.Failed, s.Idle = err.Error(), 0
			inv.noteFailure(s, err)
			log.Error("slice failed; it stays open and is tried again by the next run", "event", "fetch.windowFailed",
				"tries", s.Tries, "error", err.Error())
		}
		if err := state.save(ctx); err != nil {
			return err
		}
		if errors.Is(err, telemessage.ErrCredentials) {
			break // every window would fail alike, and more tries may lock the account
		}
	}
	return errors.Join(inv.failures...)
}

// beginTurn counts the try of a window when it begins, as a slow one: saved before the work, so that a window in which the
// invocation ends, or the process dies, has one more than the others. fail takes the slow one back if it was none.
func (s *savedState) beginTurn(ctx context.Context, inv *invocation, window *schedule.Window,
	log *slog.Logger) (*activeWindow, error) {
	inv.began, inv.last = time.Now(), window.Kind
	turn := &activeWindow{Window: window, inv: inv, watch: newCycleDetector(&window.Progress)}
	inv.turns[window.Folder]++
	if inv.turns[window.Folder] > 1 {
		return turn, nil
	}
	window.Tries++
	window.Slow++
	if steps := window.Progress.Steps(); steps > window.Reached {
		window.Reached, window.Idle = steps, 0
	}
	if window.Idle >= maxIdle {
		// A window in which the invocation ends, or the process dies, logs nothing of itself: the next run reports it.
		log.Error("runs that began to read the window ended without bringing it further; it is tried again",
			"event", "fetch.windowStalled", "tries", window.Tries, "runs", window.Idle)
	}
	window.Idle++
	return turn, s.save(ctx)
}

// asStatus marks an error with the status that the host is to see. Credentials that are refused are a success to it: it would
// try a failure three more times, and each try may bring the account nearer to being locked. An alert asks for the line.
func asStatus(err error, log *slog.Logger) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, telemessage.ErrCredentials):
		log.Error("the site refuses the credentials: nothing is fetched until TELEMESSAGE_USERNAME and TELEMESSAGE_PASSWORD are right, "+
			"and then all that is owed; this run does not try again", "event", "fetch.credentialsRefused", "error", err.Error())
		return nil
	case errors.Is(err, telemessage.ErrUnavailable), errors.Is(err, archive.ErrUnavailable), errors.Is(err, errLeaseLost):
		return fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	}
	return err
}

// acquireLease takes the checkpoint's lease: one instance fetches at a time.
func (c *Collector) acquireLease(ctx context.Context) (*archive.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, storagePatience)
	defer cancel()
	var (
		lease *archive.Lease
		held  time.Time // by another instance, since when it is known
	)
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		lease, err = c.store.Lease(ctx, archive.Checkpoints, schedule.CheckpointName)
		if errors.Is(err, archive.ErrLeased) {
			if held = cmp.Or(held, time.Now()); time.Since(held) < c.leaseWait {
				return retry.After(err, 0)
			}
		}
		return err
	})
	switch {
	case errors.Is(err, archive.ErrLeased):
		return nil, fmt.Errorf("%w: another fetch is at work and holds the checkpoint's lease", funchost.ErrBusy)
	case err != nil:
		return nil, fmt.Errorf("take the checkpoint's lease: %w", err)
	}
	return lease, nil
}

// mergeContexts returns a context that ends with either of the two.
func mergeContexts(ctx, other context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, cancel
}
