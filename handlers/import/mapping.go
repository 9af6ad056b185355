package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"o2archiver/shared/funchost"
	"o2archiver/shared/patience"
	"o2archiver/shared/staging"
	"o2archiver/shared/usermap"
)

// mappingAge is how long a mapping is used before storage is asked whether there is another.
const mappingAge = time.Minute

// mapping keeps the administrator's CSV.
type mapping struct {
	mu      sync.Mutex
	checked time.Time
	etag    string
	table   *usermap.Table // nil: there is none
}

// current is the administrator's mapping, or nil where there is none. A file that can't be read stops the import, so
// that nothing lands in the wrong mailbox or in none; the batches wait for sweep.
func (im *importer) current(ctx context.Context) (*usermap.Table, error) {
	if !im.config.mapping.Custom {
		return nil, nil
	}
	m := &im.mapping
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.checked.IsZero() && im.now().Sub(m.checked) < mappingAge {
		return m.table, nil
	}
	var data []byte
	var etag string
	err := patience.Do(ctx, judge, func(ctx context.Context) (err error) {
		data, etag, err = im.store.Mapping(ctx, m.etag)
		return err
	})
	switch {
	case errors.Is(err, staging.ErrNotModified):
	case errors.Is(err, staging.ErrNotFound):
		m.table, m.etag = nil, ""
	case err != nil:
		return nil, fmt.Errorf("read settings/mapping.csv: %w", err)
	default:
		table, err := usermap.ParseCSV(bytes.NewReader(data), im.config.mapping.Region)
		if err != nil {
			return nil, fmt.Errorf("%w: settings/mapping.csv can't be used, so nothing is imported until it is replaced: %w", funchost.ErrSettings, err)
		}
		m.table, m.etag = table, etag
	}
	m.checked = im.now()
	return m.table, nil
}
