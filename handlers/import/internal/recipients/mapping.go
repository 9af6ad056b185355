package recipients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/lock"
	"o2archiver/shared/retry"
	"o2archiver/shared/usermap"
)

// MappingAge is how long a mapping is used before storage is checked for another one.
const MappingAge = time.Minute

// MappingOptions holds the administrator's settings for the mapping.
type MappingOptions struct {
	Region string           // two-letter country code for numbers in national form
	Now    func() time.Time // the cache's clock
}

// Mapping is the administrator's CSV file, cached for MappingAge. It is safe for concurrent use.
type Mapping struct {
	file  *archive.Mapping
	o     MappingOptions
	cache *lock.Cached[parsedMapping]
}

// parsedMapping is a file as it was read.
type parsedMapping struct {
	etag  string
	table *usermap.Table // nil: there is no file
}

// NewMapping returns a Mapping that has not been read yet.
func NewMapping(file *archive.Mapping, o MappingOptions) *Mapping {
	return &Mapping{file: file, o: o, cache: lock.NewCached[parsedMapping](MappingAge, o.Now)}
}

// Refresh makes the next call of Current check storage for another file.
func (m *Mapping) Refresh(ctx context.Context) error { return m.cache.Expire(ctx) }

// Current returns the administrator's mapping, or nil if there is none. While storage is unavailable it waits until ctx
// ends. If the file is invalid, the error matches funchost.ErrSettings, so that nothing is imported into the wrong
// mailbox or into none; the batches wait for a later sweep.
func (m *Mapping) Current(ctx context.Context) (*usermap.Table, error) {
	now, err := m.cache.Get(ctx, m.read)
	if err != nil {
		return nil, fmt.Errorf("read settings/mapping.csv: %w", err)
	}
	return now.table, nil
}

func (m *Mapping) read(ctx context.Context, former parsedMapping, _ bool) (parsedMapping, error) {
	var data []byte
	var etag string
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		data, etag, err = m.file.Read(ctx, former.etag)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrNotModified):
		return former, nil
	case errors.Is(err, archive.ErrNotFound):
		return parsedMapping{}, nil
	case err != nil:
		return former, err
	}
	table, err := usermap.ParseCSV(bytes.NewReader(data), m.o.Region)
	if err != nil {
		return former, fmt.Errorf("%w: it can't be used, so nothing is imported until it is replaced: %w",
			funchost.ErrSettings, err)
	}
	return parsedMapping{etag, table}, nil
}
