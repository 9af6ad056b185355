package collector

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/retry"
)

const (
	// maxListed is the maximum number of deferred items of each reason that one invocation lists: the oldest ones.
	maxListed = 200_000

	// maxLearned is the maximum number of items without facts, written by an earlier version, that one invocation
	// reads.
	maxLearned = 5000
)

// deferredFacts are the facts about a deferred item that the selection needs. They are stored as metadata of the item's
// blob and come with the listing, so that only selected items have to be read.
type deferredFacts struct {
	Run        string `json:"r"`           // deferred.Run: folder of the window that deferred it
	Since      int64  `json:"s"`           // deferred.Since, Unix seconds
	DeferredAt int64  `json:"a,omitempty"` // deferred.DeferredAt, Unix seconds
	Tries      int    `json:"t,omitempty"` // deferred.Tries
	Ready      bool   `json:"y,omitempty"`

	// Of a part of a long SMS.
	Group  string `json:"g,omitempty"`
	Number int    `json:"n,omitempty"`
	Total  int    `json:"m,omitempty"`
	ID     string `json:"i,omitempty"` // short hash of longsms.Part.ID
	Sent   int64  `json:"e,omitempty"` // Unix nanoseconds; 0 if unknown
	Size   int    `json:"z,omitempty"`
	Short  bool   `json:"h,omitempty"`
	Files  int    `json:"f,omitempty"` // number of attachments; Ready reports whether they are settled

	Thread string    `json:"d,omitempty"`
	Sides  [3]string `json:"p,omitzero"`

	Unreadable bool `json:"-"` // its blob was read and holds no valid item
}

func factsOf(w *deferred) deferredFacts {
	x := deferredFacts{Run: w.Run, Since: w.Since.Unix(), Tries: w.Tries, Ready: w.Ready}
	if !w.DeferredAt.IsZero() {
		x.DeferredAt = w.DeferredAt.Unix()
	}
	if p := w.Part; p != nil {
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
	line, _ := json.Marshal(x) // numbers, booleans and ASCII strings only: it can't fail
	return string(line)
}

func (x deferredFacts) sinceTime() time.Time    { return time.Unix(x.Since, 0).UTC() }
func (x deferredFacts) deferredTime() time.Time { return time.Unix(x.DeferredAt, 0).UTC() }

// partOf returns the part without its item, which the selection does not need.
func (x deferredFacts) partOf(key string) longsms.Part {
	p := longsms.Part{Group: x.Group, Number: x.Number, Total: x.Total, ID: x.ID, Size: x.Size, Short: x.Short,
		Files: x.Files, Thread: x.Thread, Sides: x.Sides, Key: key}
	if x.Sent != 0 {
		p.Sent = time.Unix(0, x.Sent).UTC()
	}
	return p
}

// deferredItems holds the facts of the deferred items. Only the holder of the checkpoint's lease changes deferred
// items, so it stays valid while the lease is held.
type deferredItems struct {
	items    map[string]deferredFacts // by key
	archived map[string]bool          // invocation.archived
}

// listDeferred returns the deferred items. They are listed once by each holder of the lease.
func (c *Collector) listDeferred(ctx context.Context, inv *invocation) (*deferredItems, error) {
	if inv.deferredItems != nil {
		return inv.deferredItems, nil
	}
	r := &deferredItems{archived: inv.archived}
	var unknown []string
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		r.items, unknown = map[string]deferredFacts{}, nil
		for _, reason := range []string{waitsForMedia, waitsForParts} {
			_, err := c.deferred.Each(ctx, reason+"-", maxListed, func(key, line string, put time.Time) {
				var x deferredFacts
				if json.Unmarshal([]byte(line), &x) != nil {
					x = deferredFacts{}
					unknown = append(unknown, key)
				}
				x.DeferredAt = cmp.Or(x.DeferredAt, put.Unix())
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
	inv.deferredItems = r
	return r, nil
}

// learnFacts reads an item that was stored without its facts, and stores them with it.
func (c *Collector) learnFacts(ctx context.Context, r *deferredItems, key string) error {
	item, err := c.readDeferred(ctx, key)
	if err != nil {
		return r.passOver(key, err)
	}
	if item.DeferredAt.IsZero() {
		item.DeferredAt = r.items[key].deferredTime()
	}
	return c.replaceDeferred(ctx, r, key, &item)
}

// replaceDeferred overwrites a deferred item and its facts. An item that no longer exists is not an error.
func (c *Collector) replaceDeferred(ctx context.Context, r *deferredItems, key string, item *deferred) error {
	x := factsOf(item)
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		return c.deferred.Replace(ctx, key, item, x.encodeFacts())
	})
	if err != nil && !errors.Is(err, archive.ErrNotFound) {
		return fmt.Errorf("record the outcome of a deferred item: %w", err)
	}
	r.items[key] = x
	return nil
}

// candidatesFor returns the sorted keys of the items of a reason that a window may take. It leaves out items that
// another open window has selected, and items deferred by a window that may be read again from its beginning.
func (r *deferredItems) candidatesFor(state *savedState, win *schedule.Window, reason string) []string {
	reserved, unread := state.Reserved(win), state.UnfinishedFolders(win)
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(r.items)) {
		x := r.items[key]
		if archive.IsDeferredFor(reason, key) && !reserved[key] && !unread[x.Run] && x.Run != "" && !x.Unreadable &&
			!r.archived[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// isDue reports whether an item has been deferred long enough, whatever it still lacks. Time is measured by the
// windows of the same kind: a part deferred by a backfill window of 2024 is not overdue merely because today's window
// is two years later, as long as the backfill still has windows to read.
func (s *savedState) isDue(x deferredFacts, by *schedule.Window) bool {
	since := x.sinceTime()
	if layout.BackfillOf(x.Run) == layout.BackfillOf(by.Folder) {
		mayCome := x.Group != "" && s.mayComeInOther(x, by) && by.To.Before(since.Add(maxDeferralTime))
		return !by.To.Before(since.Add(deferralTime)) && !mayCome
	}
	// The backfill that deferred the item had what it waits for in none of its windows. It may still arrive, so the
	// item waits for the same time again, counted from when it was deferred. It waits longer for a backfill window that
	// may hold it, but not for ever: that window may be one that always fails.
	limit := deferralTime
	if x.Group != "" && s.mayComeInOther(x, by) {
		limit = maxDeferralTime
	}
	return by.Kind == schedule.Daily && layout.BackfillOf(x.Run) != "" && !by.To.Before(x.deferredTime().Add(limit))
}

// mayComeInOther reports whether another window of the item's kind, not yet read to its end, may hold what the item
// waits for.
func (s *savedState) mayComeInOther(x deferredFacts, but *schedule.Window) bool {
	return slices.ContainsFunc(s.Open, func(o schedule.Window) bool {
		return o.Folder != but.Folder && !o.Progress.Read &&
			layout.BackfillOf(o.Folder) == layout.BackfillOf(x.Run) &&
			o.From.Before(x.sinceTime().Add(deferralTime)) && o.To.After(x.sinceTime().Add(-deferralTime))
	})
}
