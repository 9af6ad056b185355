package firsts

import (
	"context"
	"fmt"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

// Run is a run whose batches are read again.
type Run struct {
	Batches  *archive.Batches
	Folder   string
	Patience time.Duration // how long one operation is retried while storage is unavailable
}

// Each calls use with each batch of the run that is wanted, in the order in which they were written: a second batch of
// a number (00001-b) follows the first one. It passes over a batch that is not usable. Batches are read again only to
// find the first of two records and the results for attachments: without the batch, import decides which record was
// first, and attachments are requested again. Import refuses the batch itself, and sweep reports it.
func (r Run) Each(ctx context.Context, wanted func(number int) bool,
	use func(number int, name string, data []byte)) error {
	var batches []archive.BatchInfo
	err := retry.DoFor(ctx, r.Patience, func(ctx context.Context) (err error) {
		batches, err = r.Batches.List(ctx, r.Folder)
		return err
	})
	if err != nil {
		return fmt.Errorf("list the run's batches: %w", err)
	}
	slices.SortFunc(batches, func(a, b archive.BatchInfo) int { return archive.CompareBatches(a.Name, b.Name) })
	for _, b := range batches {
		number, ok := archive.BatchNumber(b.Name)
		if !ok || !wanted(number) {
			continue
		}
		var data []byte
		err := retry.DoFor(ctx, r.Patience, func(ctx context.Context) (err error) {
			data, _, err = r.Batches.Read(ctx, b.Name)
			return err
		})
		switch {
		case archive.IsUnusable(err):
		case err != nil:
			return fmt.Errorf("read a batch of an earlier try: %w", err)
		default:
			use(number, b.Name, data)
		}
	}
	return nil
}
