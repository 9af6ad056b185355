package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/lock"
	"o2archiver/shared/retry"
)

// connectorAge is how long a document is used before storage is asked again.
const connectorAge = time.Minute

// ReaderOptions holds what a ConnectorReader works with.
type ReaderOptions struct {
	Settings *archive.Documents // is read
	Report   func(error)        // is told why a document is not used while a former one is; nil: nothing is told
	Now      func() time.Time
}

// ConnectorReader is settings/connector.json, cached for a minute. It is safe for concurrent use.
type ConnectorReader struct {
	opts  ReaderOptions
	cache *lock.Cached[Connector]

	mu   sync.Mutex
	told string // the problem that was reported last; "": the document could be used since
}

// NewConnectorReader returns a ConnectorReader. It makes no request.
func NewConnectorReader(o ReaderOptions) *ConnectorReader {
	return &ConnectorReader{opts: o, cache: lock.NewCached[Connector](connectorAge, o.Now)}
}

// Current returns the document, which MUST NOT be changed; the zero Connector if there is none. While storage is
// unavailable it waits until ctx ends: the event of a batch that fails is tried five times within a second, and is then
// in the poison queue.
//
// If the document cannot be used, the one that was read before it stays in force. If none was, the error matches
// funchost.ErrSettings: nothing is done against the administrator's will.
func (r *ConnectorReader) Current(ctx context.Context) (Connector, error) {
	return r.cache.Get(ctx, r.read)
}

// Expire makes the next Current ask storage.
func (r *ConnectorReader) Expire(ctx context.Context) error { return r.cache.Expire(ctx) }

func (r *ConnectorReader) read(ctx context.Context, former Connector, known bool) (Connector, error) {
	c, err := loadConnector(ctx, r.opts.Settings)
	passing := errors.Is(err, archive.ErrUnavailable) || ctx.Err() != nil
	switch {
	case err == nil:
		r.setTold("")
		return c, nil
	case known && !passing:
		if r.setTold(err.Error()) && r.opts.Report != nil {
			r.opts.Report(err)
		}
		return former, nil
	case errors.Is(err, ErrConnector):
		return Connector{}, fmt.Errorf("%w: the app does nothing until the document is replaced: %w",
			funchost.ErrSettings, err)
	case errors.Is(err, archive.ErrUnavailable):
		return Connector{}, fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	}
	return Connector{}, err
}

// setTold notes a problem, and reports whether it is another than before.
func (r *ConnectorReader) setTold(problem string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	other := r.told != problem
	r.told = problem
	return other
}

// loadConnector reads the document, with retries. Without one it returns a Connector that has but its
// Pauses: there were none. If it cannot be used, the error matches ErrConnector.
func loadConnector(ctx context.Context, docs *archive.Documents) (Connector, error) {
	var raw json.RawMessage
	facts := ""
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		facts, _, err = docs.GetLargeWithFacts(ctx, connectorBlob, &raw, maxConnector)
		return err
	})
	switch {
	case err == nil:
		return parseStored(raw, facts)
	case errors.Is(err, archive.ErrNotFound):
		return Connector{Pauses: Pauses{Known: true}}, nil
	case errors.Is(err, archive.ErrTooLarge):
		return Connector{}, fmt.Errorf("%w: it is larger than %d bytes", ErrConnector, maxConnector)
	case errors.Is(err, archive.ErrContent):
		return Connector{}, fmt.Errorf("%w: it is not JSON", ErrConnector)
	}
	return Connector{}, fmt.Errorf("read settings/connector.json: %w", err)
}
