// Package collector fetches the items that the TeleMessage site holds for the planned windows. It reads the pages of a
// window, writes batches, attachments and deferred items, and finally writes the window's manifest.
//
// A Collector can neither read nor write a mailbox. Package schedule plans the windows; their progress is persisted as
// a schedule.Checkpoint, which is written only under its lease. Every step may be repeated after a crash: data that is
// already in storage is found there and not written twice.
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

	"o2archiver/handlers/fetch/internal/leased"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/status"
)

const (
	// leaseWait is how long a daily run waits for a lease that another instance holds. It is longer than the lease of a
	// killed instance remains valid, and than the turn of a command (package commands), which ends between two ticks of
	// its timer: so commands cannot keep a day from being planned.
	leaseWait = 5 * time.Minute

	// awayTries is the number of consecutive windows that must fail before the site is considered unavailable. One more
	// window is then tried, and the invocation ends only if that one fails too. It is the window with the fewest tries
	// of all, so windows that always fail cannot prevent others from being read.
	awayTries = 2

	// maxIdle is the number of consecutive runs that may begin to read a window and end without either progress or an
	// error, before an alert reports the window.
	maxIdle = 3

	// maxBackfillRuns is the number of runs that may advance a window of a backfill before an alert reports it. A daily
	// window that advances without end is reported by the watermark.
	maxBackfillRuns = 7
)

// Options holds what a Collector works with.
type Options struct {
	Site *client.Client
	// SignIn reads the credentials at the site anew, before the first window of each run. An error that matches
	// funchost.ErrUnavailable passes by itself. nil means that the credentials never change.
	SignIn      func(context.Context) error
	Batches     *archive.Batches
	Media       *archive.Media
	Deferred    *archive.Deferred
	Checkpoints *archive.Documents
	Pause       Pause            // nil: never paused
	Status      *status.Writer   // nil: nothing is shown of the work
	From        time.Time        // start of the first run ever; zero: 24 hours before that run
	Now         func() time.Time // the present, by this host's clock
}

// Pause reports whether the administrator wants no further page to be read. It is asked before each page.
type Pause interface {
	Paused(ctx context.Context) (bool, error)
}

// Collector implements the function fetch. Only the instance that holds the checkpoint's lease works at any time.
type Collector struct {
	site        *client.Client
	signIn      func(context.Context) error // nil: the credentials at the site never change
	batches     *archive.Batches
	media       *archive.Media
	deferred    *archive.Deferred
	checkpoints *archive.Documents
	paused      Pause
	status      *status.Writer
	from        time.Time
	now         func() time.Time

	limits    workLimits
	leaseWait time.Duration // how long to wait for another holder of the lease
}

// New returns a Collector. It makes no request.
func New(o Options) *Collector {
	return &Collector{
		site: o.Site, signIn: o.SignIn, batches: o.Batches, media: o.Media, deferred: o.Deferred,
		checkpoints: o.Checkpoints, paused: o.Pause, status: o.Status, from: o.From, now: o.Now, leaseWait: leaseWait,
	}
}

// Result is what an invocation returns. It holds counts and a time, no content.
type Result struct {
	Slices    int       `json:"slices"` // windows finished
	Open      int       `json:"open"`   // windows not finished
	Received  int       `json:"received"`
	Records   int       `json:"records"`
	Waiting   int       `json:"setAside"`
	Watermark time.Time `json:"watermark"`
	Refused   bool      `json:"refused,omitempty"` // the site refused the credentials
	Paused    bool      `json:"paused,omitempty"`  // the administrator paused fetch
}

// request is what an invocation is asked for.
type request struct {
	id      string // of the invocation or of its command
	plan    func(ctx context.Context, state *savedState, now time.Time, log *slog.Logger) error
	command string        // work only on the windows of this command; "": on all
	wait    time.Duration // how long to wait for a lease that another instance holds
}

// Run plans the windows up to now, or those of the backfill that input requests, and processes the open windows. A
// window that fails stays open for the next run and does not prevent the following ones from being tried. id is the
// invocation's ID: it distinguishes an invocation that the host retries from a new one.
func (c *Collector) Run(ctx context.Context, id, input string, log *slog.Logger) (Result, error) {
	id = cmp.Or(id, rand.Text())
	r := request{id: id, plan: c.planDays, wait: c.leaseWait}
	if input = strings.TrimSpace(input); input != "" && input != "{}" {
		wanted, err := schedule.ParseRange(input)
		if err != nil {
			return Result{}, err
		}
		r.plan = func(_ context.Context, state *savedState, now time.Time, _ *slog.Logger) error {
			return state.PlanBackfill(id, wanted, now)
		}
	}
	return c.run(ctx, r, log)
}

// RunDue is Run for a command: it plans the windows up to now, once for each command, and processes the open ones. It
// returns an error that matches funchost.ErrBusy at once if another instance is fetching.
func (c *Collector) RunDue(ctx context.Context, command string, log *slog.Logger) (Result, error) {
	plan := func(ctx context.Context, state *savedState, now time.Time, log *slog.Logger) error {
		return state.Once(command, func() error { return c.planDays(ctx, state, now, log) })
	}
	return c.run(ctx, request{id: command, plan: plan}, log)
}

// Backfill plans the windows of a command's range, if they were not planned before, and processes those that are still
// open. Result.Open is then their number. It MUST be called again until that is 0. It returns an error that matches
// funchost.ErrInput if the range cannot be fetched, and funchost.ErrBusy at once if another instance is fetching.
func (c *Collector) Backfill(ctx context.Context, command string, wanted schedule.Range, log *slog.Logger) (
	Result, error) {
	plan := func(_ context.Context, state *savedState, now time.Time, _ *slog.Logger) error {
		return state.PlanCommand(command, wanted, now)
	}
	return c.run(ctx, request{id: command, plan: plan, command: command}, log)
}

func (c *Collector) run(ctx context.Context, r request, log *slog.Logger) (Result, error) {
	ctx = retry.WithProgressLog(ctx, log)
	var res Result
	inv := newInvocation(c.limits)
	inv.command, inv.reporter = r.command, c.status.Reporter(r.id, log)
	ctx = inv.reporter.Observe(ctx)
	checkpoint := leased.Document{In: c.checkpoints, Name: schedule.CheckpointName, Title: "the checkpoint",
		Wait: r.wait, Patience: storagePatience}
	err := checkpoint.Work(ctx, log, func(own context.Context, lease *archive.Lease) error {
		inv.reporter.Begin(ctx)
		inv.active, inv.deferredItems = nil, nil // another holder of the lease may have changed the deferred items
		return c.planAndWork(own, lease, r, inv, &res, log)
	})
	inv.logArchived(log)
	inv.reporter.End(ctx, err)
	if res.Refused = errors.Is(err, client.ErrCredentials); res.Refused {
		logRefusal(err, log)
		return res, nil
	}
	if errors.Is(err, client.ErrUnavailable) { // not transient, because the client has retried; a later run helps
		err = fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	}
	return res, leased.Status(err)
}

// logRefusal logs that the site refused the credentials. Run then reports a success to the host: the host would retry a
// failure three more times, and each try may bring the account closer to being locked. An alert queries the logged
// event instead.
func logRefusal(err error, log *slog.Logger) {
	log.Error("the site refuses the credentials: nothing is fetched until the user name and the password are right, "+
		"and then everything that is due; this run does not try again. The user name is TELEMESSAGE_USERNAME; "+
		"the portal (Settings, Source) or infra/password stores the password (on one machine: "+
		"TELEMESSAGE_PASSWORD)",
		"event", "fetch.credentialsRefused", "error", err.Error())
}

// planAndWork loads the checkpoint, plans windows, saves the checkpoint and processes the open windows.
func (c *Collector) planAndWork(ctx context.Context, lease *archive.Lease, r request, inv *invocation,
	res *Result, log *slog.Logger) error {
	state, err := c.loadCheckpoint(ctx, lease, inv)
	if err != nil {
		if errors.Is(err, archive.ErrContent) || errors.Is(err, archive.ErrTooLarge) {
			log.Error("the checkpoint can't be read: nothing is fetched before its former version has been restored",
				"event", "fetch.checkpointUnreadable", "error", err.Error())
		}
		return err
	}
	anew := state.Planned.IsZero()
	if anew { // a run that is paused must not decide where the first one begins
		if err := c.checkPause(ctx); err != nil {
			return inv.notePause(err, state, res, log)
		}
	}
	if err := r.plan(ctx, state, c.planningTime(lease, log), log); err != nil {
		return err
	}
	if anew && !state.Planned.IsZero() {
		// This is the first run ever, or the checkpoint was lost, and with it its open windows. An alert queries this
		// event.
		log.Warn("there is no checkpoint: fetching starts anew", "event", "fetch.beganAnew", "from", state.Watermark())
	}
	if err := state.save(ctx); err != nil {
		return err
	}
	err = c.processWindows(ctx, state, inv, res, log)
	res.Open, res.Watermark = len(state.Open), state.Watermark()
	daily := state.CountOpenDaily()
	log.Info("fetch ended", "event", "fetch.ended", "slices", res.Slices, "open", daily,
		"open_backfill", res.Open-daily,
		"received", res.Received, "records", res.Records, "set_aside", res.Waiting, "watermark", res.Watermark)
	if r.command != "" {
		res.Open = state.CountOpen(r.command)
	}
	inv.reporter.Repair(ctx, status.Source{IsOpen: state.isOpen})
	return err
}

// processWindows works on the open windows, turn by turn, until no window is left to try in this invocation.
func (c *Collector) processWindows(ctx context.Context, state *savedState, inv *invocation, res *Result,
	log *slog.Logger) error {
	for inv.away <= awayTries {
		i := inv.nextWindow(state.Open)
		if i < 0 {
			break
		}
		if err := c.checkPause(ctx); err != nil {
			return inv.notePause(err, state, res, log)
		}
		if err := c.readCredentials(ctx, inv, log); err != nil {
			return err
		}
		win := &state.Open[i]
		log := log.With("run", win.Folder)
		turn, err := state.beginTurn(ctx, inv, win, log)
		if err != nil {
			return err
		}
		err = c.fetchWindow(ctx, state, turn, log)
		switch {
		case err == nil:
			res.Slices++
			res.Received += win.Progress.Received
			res.Records += win.Progress.Records
			res.Waiting += win.Progress.Deferred
			inv.away, inv.active, inv.closed = 0, nil, inv.closed+1
			state.Open = slices.Delete(state.Open, i, i+1)
		case errors.Is(err, errPaused):
			return inv.notePause(err, state, res, log) // the checkpoint was saved with the window's last page
		case errors.Is(err, errTurnOver):
			log.Info("the window has used its time while others wait: it continues in its next turn",
				"tries", win.Tries, "pages", win.Progress.Pages)
			inv.away = 0
			continue // the checkpoint was saved with the window's last page
		case ctx.Err() != nil:
			return fmt.Errorf("%w: window not finished; the next try continues at its cursor: %w",
				funchost.ErrUnavailable, context.Cause(ctx))
		case errors.Is(err, leased.ErrLost):
			return err
		default:
			win.Failed, win.Idle, inv.active = err.Error(), 0, nil
			inv.noteFailure(win, err)
			log.Error("window failed; it stays open, and the next run tries it again", "event", "fetch.windowFailed",
				"tries", win.Tries, "error", err.Error())
		}
		if err := state.save(ctx); err != nil {
			return err
		}
		if errors.Is(err, client.ErrCredentials) {
			break // every window would fail in the same way, and more tries may lock the account
		}
	}
	return errors.Join(inv.failures...)
}

// beginTurn starts a window's turn. The first turn in an invocation counts as a try, and as a slow one, which is saved
// before the work starts: a window during which the invocation ends or the process dies thus has one slow try more than
// the others. noteFailure subtracts the slow try if the window failed within its time.
func (s *savedState) beginTurn(ctx context.Context, inv *invocation, window *schedule.Window,
	log *slog.Logger) (*activeWindow, error) {
	inv.began, inv.last = time.Now(), window.Kind
	turn := &activeWindow{Window: window, inv: inv, watch: newCycleDetector(&window.Progress)}
	inv.active = turn
	inv.turns[window.Folder]++
	if inv.turns[window.Folder] > 1 {
		return turn, nil
	}
	window.Tries++
	window.Slow++
	if steps := window.Progress.Steps(); steps > window.Reached {
		window.Reached, window.Idle = steps, 0
	}
	switch {
	case window.Idle >= maxIdle:
		// A window during which the invocation ended or the process died could not log that: the next run reports it.
		log.Error("several runs read the window and made no progress; it is tried again",
			"event", "fetch.windowStalled", "tries", window.Tries, "runs", window.Idle)
	case window.Kind == schedule.Backfill && window.Tries > maxBackfillRuns:
		log.Error("a window of a backfill is not finished after many runs; it is tried again",
			"event", "fetch.windowStalled", "tries", window.Tries, "pages", window.Progress.Pages)
	}
	window.Idle++
	return turn, s.save(ctx)
}
