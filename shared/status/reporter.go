package status

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

const (
	// writeEvery is the minimum interval between two writes of the progress, but for the first and the last one of an
	// invocation.
	writeEvery = 10 * time.Second

	// writeAnyway is the interval after which the progress is written although nothing has changed: its age tells
	// whether the process is alive.
	writeAnyway = time.Minute

	// writeTime is how long one write may take, with the retries of the SDK.
	writeTime = 5 * time.Second

	// pauseAfterFailure is how long nothing is written after a write that failed.
	pauseAfterFailure = time.Minute
)

// Options holds what a Writer works with.
type Options struct {
	Documents *archive.Documents // the container status
	Batches   *archive.Batches   // with the manifests
	Source    string
	Next      func(now time.Time) time.Time // the next planned run; nil: unknown
	Now       func() time.Time
}

// Writer writes the documents of one source. A nil Writer writes nothing. It is safe for concurrent use.
type Writer struct {
	Options

	mu       sync.Mutex
	repaired map[string]time.Time // when Repair last looked for missing documents, by the intake
}

// NewWriter returns a Writer. It makes no request.
func NewWriter(o Options) *Writer { return &Writer{Options: o} }

// Reporter writes what one invocation shows. Nothing that it does fails the invocation: a failure is logged, once.
// CloseRun, Repair and End wait for storage, each write for at most writeTime, and nothing is tried for a minute after
// a failure. A nil Reporter reports nothing. It is safe for concurrent use.
//
// Another invocation may write the progress at the same time, if each of them reads a folder of its own. The document
// is then that of the one that wrote last.
type Reporter struct {
	w          *Writer
	log        *slog.Logger
	invocation string
	stop, done chan struct{} // nil: not begun; done is closed when the background writes have ended

	mu      sync.Mutex
	now     Progress // without State, and what write adds
	parts   []string // names of the engines, in the order in which they first reported
	states  map[string]State
	changed bool
	failed  time.Time // when a write last failed; zero: none has since
	told    bool      // that a write failed
}

// Reporter returns the Reporter of an invocation. It writes nothing before Begin.
func (w *Writer) Reporter(invocation string, log *slog.Logger) *Reporter {
	if w == nil {
		return nil
	}
	return &Reporter{w: w, log: log, invocation: invocation, states: map[string]State{}}
}

// Begin starts to write the progress, in the background. It is called when the invocation has the right to work, so
// that one that waits for another hides nothing of it. End MUST be called then. Further calls have no effect.
func (r *Reporter) Begin(ctx context.Context) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		return
	}
	now := r.w.Now().UTC()
	r.now = Progress{Invocation: r.invocation, Source: r.w.Source, Began: now, Moved: now}
	r.stop, r.done = make(chan struct{}), make(chan struct{})
	r.changed = true
	go r.keepWriting(context.WithoutCancel(ctx))
}

// Observe returns a context in which what package retry waits for is shown.
func (r *Reporter) Observe(ctx context.Context) context.Context {
	if r == nil {
		return ctx
	}
	return retry.WithObserver(ctx, r.Wait)
}

// Wait notes the error that the invocation waits for, until something moves.
func (r *Reporter) Wait(err error) {
	if r == nil {
		return
	}
	text := cutText(err.Error())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = r.changed || r.now.Waits != text
	r.now.Waits = text
}

// Report notes the state of an engine. It does not wait for storage. part names the engine if one invocation has
// several.
func (r *Reporter) Report(part string, s State) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.parts, part) {
		r.parts = append(r.parts, part)
	} else if reflect.DeepEqual(r.states[part], s) {
		return
	}
	r.states[part] = s
	r.now.Moved, r.now.Waits, r.changed = r.w.Now().UTC(), "", true
}

// End writes the progress for the last time. err is why the invocation ended before all was done, or nil.
func (r *Reporter) End(ctx context.Context, err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	stop := r.stop
	r.mu.Unlock()
	if stop == nil {
		return
	}
	close(stop)
	<-r.done
	r.mu.Lock()
	r.now.Ended, r.now.Waits = r.w.Now().UTC(), ""
	if err != nil {
		r.now.Failed = err.Error()
	}
	r.mu.Unlock()
	r.writeProgress(context.WithoutCancel(ctx))
}

// keepWriting writes the progress at once, then every writeEvery if it has changed, or every writeAnyway, until End.
func (r *Reporter) keepWriting(ctx context.Context) {
	defer close(r.done)
	ticks := time.NewTicker(writeEvery)
	defer ticks.Stop()
	for quiet := writeAnyway; ; quiet += writeEvery {
		if r.isDue(quiet) {
			r.writeProgress(ctx)
			quiet = 0
		}
		select {
		case <-r.stop:
			return
		case <-ticks.C:
		}
	}
}

// isDue reports whether the progress is to be written, quiet after the last write.
func (r *Reporter) isDue(quiet time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return (r.changed || quiet >= writeAnyway) && !r.isPausing()
}

// isPausing reports whether a write failed a moment ago. r.mu must be held.
func (r *Reporter) isPausing() bool {
	return !r.failed.IsZero() && time.Since(r.failed) < pauseAfterFailure
}

func (r *Reporter) writeProgress(ctx context.Context) {
	r.mu.Lock()
	p := r.now
	states := make([]State, 0, len(r.parts))
	for _, part := range r.parts {
		states = append(states, r.states[part])
	}
	r.changed = false
	r.mu.Unlock()
	p.State, p.At = mergeStates(states), r.w.Now().UTC()
	if r.w.Next != nil {
		p.Next = r.w.Next(p.At)
	}
	r.write(ctx, func(ctx context.Context) error {
		_, err := r.w.Documents.Put(ctx, progressName, p.clean(), "*", nil)
		return err
	})
}

// pauses is isPausing for a caller that does not hold r.mu.
func (r *Reporter) pauses() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.isPausing()
}

// write runs op, with a limit of time, notes whether it failed, and reports whether it did not.
func (r *Reporter) write(ctx context.Context, op func(context.Context) error) bool {
	own, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	err := op(own)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.failed = time.Time{}
	case ctx.Err() != nil: // the process ends
	default:
		r.failed, r.changed = time.Now(), true
		if !r.told {
			r.told = true
			r.log.Warn("the documents about fetch's progress could not be written; the work goes on, and the next run "+
				"writes what is missing", "event", "fetch.statusLate", "error", err.Error())
		}
	}
	return err == nil
}

// CloseRun writes the document of a run whose manifest is written, and reports whether nothing is left to write. After
// a failure Repair does, if the run was planned in the last repairDays; RepairRun does whenever it was.
func (r *Reporter) CloseRun(ctx context.Context, folder string, d Detail) bool {
	if r == nil {
		return true
	}
	return !r.pauses() && r.write(ctx, func(ctx context.Context) error { return r.w.writeRun(ctx, folder, d) })
}

// CloseUnread writes the document of a ZIP that was not read, for which IsUnread holds, when its outcome is saved, and
// reports whether nothing is left to write. After a failure the caller has to remember that, and call RepairUnread.
func (r *Reporter) CloseUnread(ctx context.Context, run Run) bool {
	if r == nil {
		return true
	}
	return !r.pauses() && r.write(ctx, func(ctx context.Context) error { return r.w.putRun(ctx, run) })
}

// writeRun writes the document of a run from its manifest, of which the first one stays.
func (w *Writer) writeRun(ctx context.Context, folder string, d Detail) error {
	batches := 0
	m, err := w.Batches.ReadManifest(ctx, folder, func(archive.BatchInfo) { batches++ })
	if err != nil {
		return err
	}
	return w.putRun(ctx, RunOf(folder, m, batches, d))
}

// putRun writes the document of a run.
func (w *Writer) putRun(ctx context.Context, run Run) error {
	run.Version = 1
	facts, err := factsOf(run)
	if err != nil {
		return err
	}
	if _, err := w.Documents.PutWithFacts(ctx, nameOf(run.Run), run, facts, "*"); err != nil {
		return fmt.Errorf("write the document of a run: %w", err)
	}
	return nil
}
