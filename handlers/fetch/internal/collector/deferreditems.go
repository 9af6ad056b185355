package collector

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
)

const (
	// maxRoom bounds the items of the waiting room, of each reason, that one invocation looks at: the oldest ones.
	maxRoom = 200_000

	// maxLearned bounds the items without facts, which the version before wrote, that one invocation reads.
	maxLearned = 5000
)

// deferredFacts are what has to be known of an item that waits to choose it. They are kept beside the item and come with the listing
// of the waiting room, so that only what is chosen is read.
type deferredFacts struct {
	Run   string `json:"r"`           // folder of the window that set it aside
	Since int64  `json:"s"`           // waiting.Since, Unix seconds
	Aside int64  `json:"a,omitempty"` // when it was set aside, Unix seconds
	Tries int    `json:"t,omitempty"` // waiting.Tries
	Ready bool   `json:"y,omitempty"`

	// Of a piece of a long SMS.
	Group  string `json:"g,omitempty"`
	Number int    `json:"n,omitempty"`
	Total  int    `json:"m,omitempty"`
	ID     string `json:"i,omitempty"` // hash of piece.ID
	Sent   int64  `json:"e,omitempty"` // Unix nanoseconds; 0 if that is not known
	Size   int    `json:"z,omitempty"`
	Short  bool   `json:"h,omitempty"`
	Files  int    `json:"f,omitempty"` // attachments, and Ready says whether they are settled

	Thread string    `json:"d,omitempty"`
	Sides  [3]string `json:"p,omitzero"`

	Unreadable bool `json:"-"` // its blob was read, and holds no item
}

func factsOf(w *deferred) deferredFacts {
	x := deferredFacts{Run: w.Run, Since: w.Since.Unix(), Tries: w.Tries, Ready: w.Ready}
	if !w.Aside.IsZero() {
		x.Aside = w.Aside.Unix()
	}
	if p := w.Piece; p != nil {
		x.Group, x.Number, x.Total, x.Size, x.Short = p.Group, p.Number, p.Total, p.Size, p.Short
		x.Files, x.Thread, x.Sides = p.Files, p.Thread, p.Sides
		x.ID = fmt.Sprintf("%016x", shortHash(p.ID))
		if !p.Sent.IsZero() {
			x.Sent = p.Sent.UnixNano()
		}
	}
	return x
}

func (x deferredFacts) encodeFacts() string {
	line, _ := json.Marshal(x) // numbers and texts of ASCII
	return string(line)
}

func (x deferredFacts) sinceTime() time.Time { return time.Unix(x.Since, 0).UTC() }
func (x deferredFacts) asideTime() time.Time { return time.Unix(x.Aside, 0).UTC() }

// partOf returns the piece without its item, which is not needed to choose.
func (x deferredFacts) partOf(key string) longsms.Part {
	p := longsms.Part{Group: x.Group, Number: x.Number, Total: x.Total, ID: x.ID, Size: x.Size, Short: x.Short, Files: x.Files,
		Thread: x.Thread, Sides: x.Sides, Key: key}
	if x.Sent != 0 {
		p.Sent = time.Unix(0, x.Sent).UTC()
	}
	return p
}

// deferredItems is the waiting room as one holder of the lease knows it: nothing else changes it meanwhile.
type deferredItems struct {
	items map[string]deferredFacts // by key
}

// openRoom returns the waiting room, listed once by each holder of the lease.
func (c *Collector) openRoom(ctx context.Context, inv *invocation) (*deferredItems, error) {
	if inv.room != nil {
		return inv.room, nil
	}
	r := &deferredItems{}
	var unknown []string
	err := onStorage(ctx, func(ctx context.Context) error {
		r.items, unknown = map[string]deferredFacts{}, nil
		for _, reason := range []string{waitsForMedia, waitsForPieces} {
			_, err := c.store.EachWaiting(ctx, reason+"-", maxRoom, func(key, line string, put time.Time) {
				var x deferredFacts
				if json.Unmarshal([]byte(line), &x) != nil {
					x = deferredFacts{}
					unknown = append(unknown, key)
				}
				x.Aside = cmp.Or(x.Aside, put.Unix())
				r.items[key] = x
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, key := range unknown[:min(len(unknown), maxLearned)] {
		if err := c.learnFacts(ctx, r, key); err != nil {
			return nil, err
		}
	}
	inv.room = r
	return r, nil
}

// learnFacts reads an item that was put without its facts, and puts them beside it.
func (c *Collector) learnFacts(ctx context.Context, r *deferredItems, key string) error {
	item, err := c.readDeferred(ctx, key)
	if err != nil {
		return r.passOver(key, err)
	}
	if item.Aside.IsZero() {
		item.Aside = r.items[key].asideTime()
	}
	return c.replaceDeferred(ctx, r, key, &item)
}

// replaceDeferred writes an item of the waiting room back, with its facts.
func (c *Collector) replaceDeferred(ctx context.Context, r *deferredItems, key string, item *deferred) error {
	x := factsOf(item)
	err := onStorage(ctx, func(ctx context.Context) error { return c.store.ReplaceWaiting(ctx, key, item, x.encodeFacts()) })
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		return fmt.Errorf("note what became of an item of the waiting room: %w", err)
	}
	r.items[key] = x
	return nil
}

// candidatesFor returns the keys of a reason's items that a window may take, in order: not those that another open window has
// chosen, nor those of one that may have to be read again from its beginning.
func (r *deferredItems) candidatesFor(state *savedState, s *schedule.Window, reason string) []string {
	promised, unread := state.Reserved(s), state.UnfinishedFolders(s)
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(r.items)) {
		x := r.items[key]
		if strings.HasPrefix(key, reason+"-") && !promised[key] && !unread[x.Run] && x.Run != "" && !x.Unreadable {
			keys = append(keys, key)
		}
	}
	return keys
}

// isDue reports whether an item has waited long enough for what the source still owes. It is judged by windows of its own
// kind, for the time of a backfill has nothing to do with that of the days: a piece set aside in a window of 2024 is not
// overdue because today's window lies two years later, as long as the backfill has windows to read.
func (s *savedState) isDue(x deferredFacts, by *schedule.Window) bool {
	since := x.sinceTime()
	if schedule.BackfillOf(x.Run) == schedule.BackfillOf(by.Folder) {
		owed := x.Group != "" && s.isOwedByOther(x, by) && by.To.Before(since.Add(maxPatience))
		return !by.To.Before(since.Add(patienceWithSource)) && !owed
	}
	// What it waits for was in none of its backfill's windows. It may still come, within as long as from now on. A
	// window of the backfill that may hold it is waited for longer, but not forever: it may be one that always fails.
	patience := patienceWithSource
	if x.Group != "" && s.isOwedByOther(x, by) {
		patience = maxPatience
	}
	return by.Kind == schedule.Daily && schedule.BackfillOf(x.Run) != "" && !by.To.Before(x.asideTime().Add(patience))
}

// isOwedByOther reports whether another window of the same kind, not yet read to its end, may hold what the item waits for.
func (s *savedState) isOwedByOther(x deferredFacts, but *schedule.Window) bool {
	return slices.ContainsFunc(s.Open, func(o schedule.Window) bool {
		return o.Folder != but.Folder && !o.Progress.Read && schedule.BackfillOf(o.Folder) == schedule.BackfillOf(x.Run) &&
			o.From.Before(x.sinceTime().Add(patienceWithSource)) && o.To.After(x.sinceTime().Add(-patienceWithSource))
	})
}
