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
	Custom bool             // whether the CSV file is used at all
	Region string           // two-letter country code for numbers in national form
	Now    func() time.Time // the cache's clock
}

// Mapping is the administrator's CSV file, cached for MappingAge. It is safe for concurrent use.
type Mapping struct {
	file *archive.Mapping
	o    MappingOptions

	lock    lock.Mutex     // guards the fields below
	checked time.Time      // when storage was last checked; zero: never
	etag    string         // of the file that table was read from
	table   *usermap.Table // nil: there is no file
}

// NewMapping returns a Mapping that has not been read yet.
func NewMapping(file *archive.Mapping, o MappingOptions) *Mapping {
	return &Mapping{file: file, o: o, lock: lock.New()}
}

// Refresh makes the next call of Current check storage for another file.
func (m *Mapping) Refresh(ctx context.Context) error {
	if err := m.lock.Lock(ctx); err != nil {
		return err
	}
	defer m.lock.Unlock()
	m.checked = time.Time{}
	return nil
}

// Current returns the administrator's mapping, or nil if there is none or it is not to be used. While storage is
// unavailable it waits until ctx ends. If the file is invalid, the error matches funchost.ErrSettings, so that nothing
// is imported into the wrong mailbox or into none; the batches wait for a later sweep.
func (m *Mapping) Current(ctx context.Context) (*usermap.Table, error) {
	if !m.o.Custom {
		return nil, nil
	}
	if err := m.lock.Lock(ctx); err != nil {
		return nil, fmt.Errorf("read settings/mapping.csv: %w", err)
	}
	defer m.lock.Unlock()
	if !m.checked.IsZero() && m.o.Now().Sub(m.checked) < MappingAge {
		return m.table, nil
	}
	var data []byte
	var etag string
	err := retry.Do(ctx, func(ctx context.Context) (err error) {
		data, etag, err = m.file.Read(ctx, m.etag)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrNotModified):
	case errors.Is(err, archive.ErrNotFound):
		m.table, m.etag = nil, ""
	case err != nil:
		return nil, fmt.Errorf("read settings/mapping.csv: %w", err)
	default:
		table, err := usermap.ParseCSV(bytes.NewReader(data), m.o.Region)
		if err != nil {
			return nil, fmt.Errorf(
				"%w: settings/mapping.csv can't be used, so nothing is imported until it is replaced: %w",
				funchost.ErrSettings, err)
		}
		m.table, m.etag = table, etag
	}
	m.checked = m.o.Now()
	return m.table, nil
}
