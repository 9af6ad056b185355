package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

const (
	maxHistory  = 1000 // numbers that are tried for a former document
	updateTries = 5    // writes of one update
)

// LoadConnector reads the document, with retries, and without a cache. Without one it returns a Connector that
// has but its Pauses: there were none.
func LoadConnector(ctx context.Context, docs *archive.Documents) (c Connector, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return loadConnector(ctx, docs)
}

// UpdateConnector changes the document in docs, the container settings, and returns the new one. change receives the
// document as it is, or the zero Connector if there is none; what it may expect of it, such as a number N that a person
// has seen, it has to compare. It may be called several times, because another writer may be faster. Its error is
// returned as it is, and nothing is written then, nor if the new document is no valid one (ErrConnector).
//
// What change does by SetPaused is noted with its command, in the same write; what it does to Paused by itself is noted
// as done without one.
//
// The former document is kept under HistoryName before it is replaced. A process that dies between the two writes
// leaves a copy of the document that is in force.
func UpdateConnector(ctx context.Context, docs *archive.Documents, change func(*Connector) error) (
	c Connector, err error) {
	for range updateTries {
		var raw json.RawMessage
		var facts, etag string
		err = retry.DoFor(ctx, patience, func(ctx context.Context) (err error) {
			facts, etag, err = docs.GetLargeWithFacts(ctx, connectorBlob, &raw, maxConnector)
			return err
		})
		c = Connector{Pauses: Pauses{Known: true}}
		switch {
		case errors.Is(err, archive.ErrNotFound):
		case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
			return c, fmt.Errorf("%w as it is, so it is not changed: %w", ErrConnector, err)
		case err != nil:
			return c, fmt.Errorf("read settings/connector.json: %w", err)
		default:
			if c, err = parseStored(raw, facts); err != nil {
				return Connector{}, err
			}
		}
		before := c
		before.Paused = maps.Clone(c.Paused)
		if err := change(&c); err != nil {
			return Connector{}, err
		}
		c.noteOthers(before)
		c.Version = 1
		if err := c.Check(); err != nil {
			return Connector{}, err
		}
		if etag != "" {
			n, err := keepFormer(ctx, docs, max(1, c.N), raw)
			if err != nil {
				return Connector{}, fmt.Errorf("keep the former settings/connector.json: %w", err)
			}
			c.N = n
		}
		c.N++
		err = retry.DoFor(ctx, patience, func(ctx context.Context) error {
			_, err := docs.PutLargeWithFacts(ctx, connectorBlob, c, maxConnector, c.Pauses.encode(), etag)
			return err
		})
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, archive.ErrTooLarge):
			return Connector{}, fmt.Errorf("%w: it would be larger than %d bytes", ErrConnector, maxConnector)
		case !errors.Is(err, archive.ErrChanged) && !errors.Is(err, archive.ErrExists):
			return Connector{}, fmt.Errorf("write settings/connector.json: %w", err)
		}
	}
	return Connector{}, fmt.Errorf("write settings/connector.json: another writer was faster each time: %w", err)
}

// keepFormer writes a former document under the first number from n on that is free, or has it already, and returns
// the number. A number is taken if a script has changed the document, which keeps no history.
func keepFormer(ctx context.Context, docs *archive.Documents, n int, raw json.RawMessage) (int, error) {
	var err error
	for end := n + maxHistory; n < end; n++ {
		err = retry.DoFor(ctx, patience, func(ctx context.Context) error {
			_, err := docs.Put(ctx, HistoryName(n), raw, "", nil)
			return err
		})
		if !errors.Is(err, archive.ErrExists) {
			return n, err
		}
		var there json.RawMessage
		err = retry.DoFor(ctx, patience, func(ctx context.Context) error {
			_, err := docs.GetLarge(ctx, HistoryName(n), &there, maxConnector)
			return err
		})
		switch {
		case err == nil && sameJSON(there, raw):
			return n, nil
		case err == nil, errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
			err = archive.ErrExists
		default:
			return n, err
		}
	}
	return n, err
}

// sameJSON reports whether two texts are the same but for blanks between their members.
func sameJSON(a, b json.RawMessage) bool {
	one, errA := json.Marshal(a)
	other, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(one) == string(other)
}
