package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
	"o2archiver/shared/usermap"
)

// mappingAge is how long a mapping is used before storage is asked whether there is another.
const mappingAge = time.Minute

// mappingCache keeps the administrator's CSV.
type mappingCache struct {
	turn chan struct{} // holds one value while somebody reads what follows, or waits for storage to do so

	checked time.Time
	etag    string
	table   *usermap.Table // nil: there is none
}

func newMapping() *mappingCache { return &mappingCache{turn: make(chan struct{}, 1)} }

// lockRefresh waits for the turn, but no longer than ctx.
func (m *mappingCache) lockRefresh(ctx context.Context) (release func(), err error) {
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// refresh has storage asked by the next batch.
func (m *mappingCache) refresh(ctx context.Context) error {
	release, err := m.lockRefresh(ctx)
	if err != nil {
		return err
	}
	defer release()
	m.checked = time.Time{}
	return nil
}

// currentMapping is the administrator's mapping, or nil where there is none. A file that can't be read stops the import, so
// that nothing lands in the wrong mailbox or in none; the batches wait for sweep.
func (im *importer) currentMapping(ctx context.Context) (*usermap.Table, error) {
	if !im.config.mapOptions.Custom {
		return nil, nil
	}
	m := im.mapping
	release, err := m.lockRefresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("read settings/mapping.csv: %w", err)
	}
	defer release()
	if !m.checked.IsZero() && im.now().Sub(m.checked) < mappingAge {
		return m.table, nil
	}
	var data []byte
	var etag string
	err = retry.Do(ctx, judgeError, func(ctx context.Context) (err error) {
		data, etag, err = im.store.Mapping(ctx, m.etag)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrNotModified):
	case errors.Is(err, archive.ErrNotFound):
		m.table, m.etag = nil, ""
	case err != nil:
		return nil, fmt.Errorf("read settings/mapping.csv: %w", err)
	default:
		table, err := usermap.ParseCSV(bytes.NewReader(data), im.config.mapOptions.Region)
		if err != nil {
			return nil, fmt.Errorf("%w: settings/mapping.csv can't be used, so nothing is imported until it is replaced: %w", funchost.ErrSettings, err)
		}
		m.table, m.etag = table, etag
	}
	m.checked = im.now()
	return m.table, nil
}
