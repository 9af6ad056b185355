package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"o2archiver/shared/archive"
)

const missingName = "missing.json"

// maxMissing is the number of days in the document of missing files: more than ten years.
const maxMissing = 4_000

// MissingFiles is the document of the days of which files of the vendor never came. Unlike the progress it keeps what
// is no longer looked at: such a day does not become whole by its age.
type MissingFiles struct {
	Version int   `json:"v"` // 1
	Days    []Gap `json:"days"`
}

// with returns the document with the days from since on replaced by those of gaps.
func (m MissingFiles) with(since time.Time, gaps []Gap) MissingFiles {
	days := slices.DeleteFunc(slices.Clone(m.Days), func(g Gap) bool { return !g.Day.Before(since) })
	for _, g := range gaps {
		if !g.Day.Before(since) {
			days = append(days, Gap{Day: g.Day.UTC(), Missing: g.Missing})
		}
	}
	slices.SortFunc(days, func(a, b Gap) int { return a.Day.Compare(b.Day) })
	return MissingFiles{Version: 1, Days: days[max(0, len(days)-maxMissing):]}
}

func (m MissingFiles) same(o MissingFiles) bool {
	return slices.EqualFunc(m.Days, o.Days, func(a, b Gap) bool { return a.Day.Equal(b.Day) && a.Missing == b.Missing })
}

// MissingFiles returns the days of which files never came; none before fetch has found any.
func (r *Reader) MissingFiles(ctx context.Context) (MissingFiles, error) {
	m, _, err := readMissing(ctx, r.documents)
	return m, err
}

// readMissing returns the document with its ETag, "" if there is none. One that can't be read is one without days:
// fetch writes those that it still looks at anew.
func readMissing(ctx context.Context, documents *archive.Documents) (m MissingFiles, etag string, err error) {
	etag, err = documents.GetLarge(ctx, missingName, &m, maxSize)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return MissingFiles{}, "", nil
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		return MissingFiles{}, "*", nil
	case err != nil:
		return MissingFiles{}, "", fmt.Errorf("read which files are missing: %w", err)
	}
	return m, etag, nil
}

// NoteMissing writes which files of the days from since on never came. The days before stay as they are. The caller
// holds the lease on the checkpoint of the deliveries, and calls it in each run: a write that failed is made up for.
func (r *Reporter) NoteMissing(ctx context.Context, since time.Time, gaps []Gap) {
	if r == nil || r.pauses() {
		return
	}
	r.write(ctx, func(ctx context.Context) error {
		old, etag, err := readMissing(ctx, r.w.Documents)
		if err != nil {
			return err
		}
		m := old.with(since, gaps)
		if m.same(old) && etag != "*" {
			return nil
		}
		_, err = r.w.Documents.Put(ctx, missingName, m, etag, nil)
		return err
	})
}
