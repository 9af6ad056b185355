package mailbox

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// bodyBudget bounds the memory that all imports together hold for bodies. The SDK copies a body about six times until
// it is sent, so the most is some 100 MB for each of the two counted levels.
type bodyBudget struct{ places [3]*semaphore.Weighted } // by level

// The levels of bodies. Small bodies are not counted. The buffer of an upload counts as medium.
const (
	small = iota
	medium
	large
)

const (
	smallBody    = 64 << 10  // bytes of JSON
	mediumBody   = 512 << 10 // bytes of JSON: a picture of the size that phones send
	mediumPlaces = 24        // medium bodies at a time
	largePlaces  = 4         // large bodies at a time
)

// newBodyBudget returns a budget with all its places free.
func newBodyBudget() *bodyBudget {
	return &bodyBudget{[3]*semaphore.Weighted{
		medium: semaphore.NewWeighted(mediumPlaces), large: semaphore.NewWeighted(largePlaces)}}
}

// levelOf returns the level of a body of size bytes of JSON.
func levelOf(size int64) int {
	switch {
	case size <= smallBody:
		return small
	case size <= mediumBody:
		return medium
	}
	return large
}

// holding is the memory of one import: one place of one level, or none.
type holding struct {
	memory *bodyBudget
	level  int
}

// acquire waits for a place of level and then releases the smaller one that the import holds. It does nothing if the
// import has a place of that level or a larger one. An import that holds a medium place may wait for a large one, but
// never the other way round, which avoids deadlock.
func (h *holding) acquire(ctx context.Context, level int) error {
	if level <= h.level {
		return nil
	}
	if err := h.memory.places[level].Acquire(ctx, 1); err != nil {
		return &Error{Kind: Unavailable, Code: "NotSent", cause: context.Cause(ctx)}
	}
	h.releaseTo(level)
	return nil
}

// releaseTo releases the place that the import holds. level is what it holds from now on: a level whose place the
// caller has acquired, or small.
func (h *holding) releaseTo(level int) {
	if h.level != small {
		h.memory.places[h.level].Release(1)
	}
	h.level = level
}
