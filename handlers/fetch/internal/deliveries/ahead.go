package deliveries

import (
	"context"
	"iter"
	"sync"

	"golang.org/x/sync/semaphore"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/shared/source/delivery/zipread"
)

const (
	workers  = 8       // messages that are described at a time
	maxAhead = 4 << 20 // bytes of the messages that are described and in no batch yet; a larger one is alone
)

// ahead is a message that is being described before it is needed.
type ahead struct {
	size int64     // of maxAhead
	item chan item // gets one item
}

// describeAll returns an iterator over the messages of the ZIP, from an entry on and in their order. It describes
// several at a time, and goes on while the caller writes a batch. An item with an error is the last one. No goroutine
// outlives the iteration.
func (r *reading) describeAll(ctx context.Context, from int) iter.Seq[item] {
	return func(yield func(item) bool) {
		own, cancel := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		room, begun := semaphore.NewWeighted(maxAhead), make(chan ahead, firsts.MaxRecords)
		all.Go(func() {
			defer close(begun)
			permits := make(chan struct{}, workers)
			for at := from; at < len(r.zip.Entries); at++ {
				e := r.zip.Entries[at]
				if e.Kind != zipread.Message {
					continue
				}
				next := ahead{size: max(0, min(e.Size, maxAhead)), item: make(chan item, 1)}
				if room.Acquire(own, next.size) != nil {
					return
				}
				permits <- struct{}{}
				all.Go(func() {
					defer func() { <-permits }()
					next.item <- r.describeMessage(own, e, at)
				})
				select {
				case begun <- next:
				case <-own.Done():
					return
				}
			}
		})
		for next := range begun {
			if it := <-next.item; !yield(it) || it.err != nil {
				return
			}
			room.Release(next.size)
		}
		if ctx.Err() != nil {
			yield(item{err: context.Cause(ctx)})
		}
	}
}
