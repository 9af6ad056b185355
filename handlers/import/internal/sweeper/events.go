package sweeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

const (
	// eventsBlob is the blob in archive.SweepsContainer that holds lastEvent.
	eventsBlob = "events.json"

	noteEvery = 10 * time.Minute // between two writes of one process
	noteTime  = 10 * time.Second // for one write: the event's batch must not wait for it

	// silence is how long no event may come before it is reported, if batches do.
	silence = 24 * time.Hour
)

// lastEvent is when the last event of a new batch came, to within noteEvery.
type lastEvent struct {
	Last time.Time `json:"last"`
}

// Events notes when the last event of a new batch came, so that sweep can report that none come any more: every batch
// would then be imported, and late. It is safe for concurrent use.
type Events struct {
	docs *archive.Documents
	now  func() time.Time

	mu    sync.Mutex
	noted time.Time
}

// NewEvents returns the Events of sweep's container. It makes no request.
func NewEvents(docs *archive.Documents, now func() time.Time) *Events {
	return &Events{docs: docs, now: now}
}

// Note notes an event. It writes at most once in noteEvery; after a failure the next event is noted.
func (e *Events) Note(ctx context.Context, log *slog.Logger) {
	e.mu.Lock()
	now := e.now()
	due := now.Sub(e.noted) >= noteEvery || now.Before(e.noted)
	if due {
		e.noted = now
	}
	e.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	if _, err := e.docs.Put(ctx, eventsBlob, lastEvent{now.UTC()}, "*", nil); err != nil {
		log.Warn("the time of the last event could not be saved", "error", err.Error())
		e.mu.Lock()
		e.noted = time.Time{} // or a short run would count as one without events
		e.mu.Unlock()
	}
}

// Last returns when the last event came, or archive.ErrNotFound if none has been noted.
func (e *Events) Last(ctx context.Context) (time.Time, error) {
	var last lastEvent
	err := retry.Do(ctx, func(ctx context.Context) error {
		_, err := e.docs.Get(ctx, eventsBlob, &last)
		return err
	})
	return last.Last, err
}

// tellNoEvents reports, once a day, that batches have come for a day and no event of any. The first sweep ever counts
// as an event: before it nothing is known.
func (s *sweep) tellNoEvents(ctx context.Context) error {
	s.mu.Lock()
	newest, told, now := s.state.Newest, s.state.Told, s.opts.Now()
	s.mu.Unlock()
	if newest.IsZero() || now.Sub(told) < silence {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Times.Look)
	defer cancel()
	last, err := NewEvents(s.opts.Sweeps, s.opts.Now).Last(ctx)
	if errors.Is(err, archive.ErrNotFound) {
		_, err = s.opts.Sweeps.Put(ctx, eventsBlob, lastEvent{now.UTC()}, "", nil)
		if errors.Is(err, archive.ErrExists) {
			err = nil
		}
		last = now
	}
	if err != nil {
		return fmt.Errorf("read the time of the last event: %w", err)
	}
	if now.Sub(last) < silence || !newest.After(last.Add(noteEvery)) || newest.After(s.before) {
		return nil
	}
	s.log.Error("no event of a new batch has come for a day, though there were batches: sweep imports them late; "+
		"run infra/hooks/postdeploy.sh, which connects the events again",
		"event", "import.noEvents", "last_event", last, "newest_batch", newest)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Told = now.UTC()
	return nil
}
