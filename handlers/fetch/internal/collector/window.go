package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/status"
)

const (
	pageLimit   = 1000 // items requested per page, unless the window has a limit of its own
	pageTries   = 4    // of one page that is cut off while it is read
	maxRestarts = 3    // of one window whose cursor expires, within one invocation
)

// activeWindow is a window during one turn, with the state that is not persisted. Every turn begins with a new one.
type activeWindow struct {
	*schedule.Window // a part of the checkpoint

	inv              *invocation
	mediaUnavailable int  // consecutive attachments that were unavailable
	onlyTexts        bool // no attachment is requested for now: see pageReading
	earlier          *earlierAttempt
	watch            *cycleDetector
	firsts           *firsts.Firsts     // nil: not read yet
	state            *savedState        // to be reported after each batch
	reading          *schedule.Progress // with the page that is read; nil: none is
}

// fetchWindow reads the pages of the window that have not been read, selects and writes deferred items, closes the run
// with its manifest, and deletes the deferred items that were written. It may be called again after any failure: data
// that is already in storage is found there and not written twice.
func (c *Collector) fetchWindow(ctx context.Context, state *savedState, win *activeWindow, log *slog.Logger) error {
	if win.Started.IsZero() {
		win.Started = c.now().UTC()
	}
	restarts := 0
	win.state = state
	for !win.Progress.Read {
		err := c.readPageWithRetry(ctx, win, log)
		switch {
		case errors.Is(err, errEndless):
			// The pages repeat or do not end, so the progress counts items more than once. The next invocation reads
			// the window again from its beginning.
			win.restart()
		case errors.Is(err, client.ErrCursorExpired):
			// Restart in any case: this cursor will never be valid again.
			win.restart()
			if restarts++; restarts <= maxRestarts {
				log.Warn("the cursor expired: the window starts again at its beginning")
				err = nil
			}
		}
		if err != nil {
			return err
		}
		win.reading = nil
		if err := state.save(ctx); err != nil {
			return err
		}
		if win.Progress.Read {
			continue
		}
		c.noteTotal(ctx, win)
		if win.inv.isTurnOver(win.Window, state.Open) {
			return errTurnOver
		}
		if err := c.checkPause(ctx); err != nil {
			return err
		}
	}
	win.onlyTexts = false
	if err := c.writeDeferred(ctx, state, win, log); err != nil {
		return err
	}
	if err := c.closeWindow(ctx, state, win.Window, log); err != nil {
		return err
	}
	return c.deleteWritten(ctx, win)
}

// errTurnOver reports that a window without a fault has used up its time while others wait.
var errTurnOver = errors.New("the window's turn is over")

// restart resets the window's progress to its beginning. Data that is already in storage is found there and not
// written twice.
func (win *activeWindow) restart() {
	win.Progress = schedule.Progress{Counts: schedule.Counts{Restarts: win.Progress.Restarts + 1}}
	win.earlier, win.watch = nil, newCycleDetector(&win.Progress)
}

// judgePage reports whether a page is requested again in the same turn after err, and the pause before that.
func judgePage(err error) (again bool, after time.Duration) {
	switch {
	case errors.Is(err, client.ErrTooLong), errors.As(err, &errNoItem{}):
		return false, 0
	case errors.Is(err, archive.ErrUnavailable):
		// Storage operations that can be repeated have been retried for long. An upload that streams from the page
		// can't be repeated without the page.
		return true, time.Minute
	}
	return errors.Is(err, client.ErrUnavailable), 0
}

// readPageWithRetry reads one page. A page that is cut off is requested again from the same cursor, and its batches
// have the same numbers, so nothing of it is written twice.
func (c *Collector) readPageWithRetry(ctx context.Context, win *activeWindow, log *slog.Logger) error {
	try := 0
	pauses := retry.Policy{First: time.Second, Max: 4 * time.Second, Tries: pageTries, Judge: judgePage,
		OnRetry: func(err error) {
			log.Warn("a page was cut off and is requested again", "try", try, "error", err.Error())
		}}
	return pauses.Do(ctx, func(ctx context.Context) error {
		try++
		p, err := c.readPage(ctx, win)
		if err == nil {
			win.Progress = *p
			return nil
		}
		win.earlier = nil
		if errors.Is(err, client.ErrTooLong) {
			// The same page would take as long again: the next turn requests fewer items.
			win.Limit = max(1, win.pageLimit()/4)
		}
		return err
	})
}

// errNoItem wraps the error of a page of which no item arrived. The client has already retried the request.
type errNoItem struct{ error }

func (e errNoItem) Unwrap() error { return e.error }

// readPage reads one page and writes its batches. It returns the progress after the page and does not change
// win.Progress.
func (c *Collector) readPage(ctx context.Context, win *activeWindow) (_ *schedule.Progress, err error) {
	if win.earlier == nil {
		if win.earlier, err = c.readEarlierAttempt(ctx, win); err != nil {
			return nil, err
		}
	}
	after := win.Progress
	w := c.newWriter(win, &after)
	r := &pageReading{Collector: c, s: win, after: &after, writer: w, parts: longsms.NewGroups()}
	win.watch.page = win.watch.page[:0]
	next, err := c.site.Items(ctx, win.From, win.To, win.Progress.Cursor, win.pageLimit(),
		func(it client.Item) error { return r.takeItem(ctx, it) })
	if errors.Is(err, client.ErrUnavailable) && r.index == 0 {
		return nil, errNoItem{err}
	}
	if err != nil {
		return nil, err
	}
	if err := c.checkEnded(win.Window); err != nil {
		return nil, err
	}
	if err := win.watch.checkPage(&after, next); err != nil {
		return nil, err
	}
	if err := c.checkCount(ctx, win.Window, win.Progress.Received, after.Received); err != nil {
		return nil, err
	}
	if err := r.finishPage(ctx); err != nil {
		return nil, err
	}
	if err := c.writeLongMessages(ctx, win, &after, w, r.parts); err != nil {
		return nil, err
	}
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	after.Cursor, after.Read = next, next == ""
	return &after, nil
}

// pageLimit returns the number of items to request for the next page.
func (win *activeWindow) pageLimit() int { return cmp.Or(win.Limit, pageLimit) }

// countTries is how often a window's count is requested, not counting the client's own retries. After that the count is
// treated as unknown: a site that never answers must not keep a window open for ever.
const countTries = 3

// countAtSource returns the number of items that the site counts in the window; known reports whether there is one. A
// try is counted and saved before the request, so that a try during which the invocation ends is counted as well.
func (c *Collector) countAtSource(ctx context.Context, state *savedState, win *schedule.Window, log *slog.Logger) (
	total int64, known bool, err error) {
	if win.Counts < countTries {
		win.Counts++
		if err := state.save(ctx); err != nil {
			return 0, false, err
		}
		total, known, err = c.site.Count(ctx, win.From, win.To)
		switch {
		case err == nil:
			return total, known, nil
		case win.Counts < countTries, ctx.Err() != nil, errors.Is(err, client.ErrCredentials):
			return 0, false, fmt.Errorf("ask the site for its count: %w", err)
		}
	}
	reason := "earlier invocations requested it and received no count"
	if err != nil {
		reason = err.Error()
	}
	log.Error("the site's count is not known, so the number of received items can't be checked",
		"event", "fetch.countUnknown", "tries", win.Counts, "received", win.Progress.Received, "error", reason)
	return 0, false, nil
}

// closeWindow writes the manifest, with the site's own count, and logs an error if the numbers differ. The manifest is
// created only if it is absent: the first one stays.
func (c *Collector) closeWindow(ctx context.Context, state *savedState, win *schedule.Window, log *slog.Logger) error {
	total, known, err := c.countAtSource(ctx, state, win, log)
	if err != nil {
		return err
	}
	m := archive.Manifest{
		Version: 1, Kind: win.Kind, From: win.From, To: win.To, Started: win.Started, Finished: c.now().UTC(),
		Received: win.Progress.Received, Deferred: win.Progress.Deferred, Taken: win.Progress.Taken,
		Records: win.Progress.Records,
		Derived: win.Progress.Derived, Incomplete: win.Progress.Incomplete, Restarts: win.Progress.Restarts,
	}
	if known {
		m.SourceTotal = &total
	}
	var batches, staged int
	err = retry.DoFor(ctx, storagePatience, func(ctx context.Context) (err error) {
		batches, staged, err = c.batches.WriteManifest(ctx, win.Folder, m)
		return err
	})
	if err != nil {
		return err
	}
	state.inv.reporter.CloseRun(ctx, win.Folder, status.Detail{})
	log.Info("window fetched", "event", "fetch.windowFetched", "from", win.From, "to", win.To,
		"received", m.Received, "records", m.Records, "batches", batches, "set_aside", m.Deferred, "taken", m.Taken,
		"incomplete", m.Incomplete, "source_total", m.SourceTotal)
	if known && total != int64(m.Received) {
		log.Error("the site's own count differs from what it sent", "event", "fetch.countDiffers",
			"received", m.Received, "source_total", total)
	}
	if expected := m.Received - m.Deferred + m.Taken; staged != expected || m.Records != expected {
		log.Error("the batches differ from what was received: a page changed between two reads",
			"event", "fetch.batchesDiffer", "expected", expected, "records", m.Records, "staged", staged)
	}
	return nil
}
