package mailbox

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// bodyBudget bounds what all imports together hold of bodies. The SDK copies a body about six times on
// its way to the wire, so the worst is some 100 MB for each of the two sorts.
type bodyBudget struct{ places [3]*semaphore.Weighted }

// The sorts of body: the small ones are not counted. An upload's buffer counts as medium.
const (
	small = iota
	medium
	large
)

const (
	smallBody    = 64 << 10  // bytes of JSON
	mediumBody   = 512 << 10 // bytes of JSON: a picture as phones send it
	mediumPlaces = 24
	largePlaces  = 4
)

func newBodyBudget() *bodyBudget {
	return &bodyBudget{[3]*semaphore.Weighted{medium: semaphore.NewWeighted(mediumPlaces), large: semaphore.NewWeighted(largePlaces)}}
}

func levelOf(size int64) int {
	switch {
	case size <= smallBody:
		return small
	case size <= mediumBody:
		return medium
	}
	return large
}

// holding is one import's share: one place of one sort, or none.
type holding struct {
	memory *bodyBudget
	level  int
}

// take waits for a place of at least that sort. Who has a medium one may wait for a large one, never the
// other way round, so that no circle of waiters can arise.
func (h *holding) take(ctx context.Context, level int) error {
	if level <= h.level {
		return nil
	}
	if err := h.memory.places[level].Acquire(ctx, 1); err != nil {
		return &Error{Kind: Unavailable, Code: "NotSent", cause: context.Cause(ctx)}
	}
	h.put(level)
	return nil
}

// put gives the place back and makes level, which the caller has a place of, the import's share.
func (h *holding) put(level int) {
	if h.level != small {
		h.memory.places[h.level].Release(1)
	}
	h.level = level
}
