package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// errUnreadable reports that the blob of a deferred item does not hold a valid one. Another try would read the same, so
// it must not fail the window that takes the item: the item goes into the window's batches as an entry that import
// quarantines.
var errUnreadable = errors.New("a deferred item can't be read")

// errInArchiveTier reports that the blob of a deferred item is in the archive tier: it can't be read until an operator
// has rehydrated it. The item stays deferred, and so do the other parts of its long SMS, whatever their age. It is not
// considered again by this invocation, and does not fail the windows that select it.
var errInArchiveTier = errors.New("a deferred item is in the archive tier")

// readDeferred reads a deferred item. It returns errUnreadable if the blob is missing or does not hold a valid item,
// and errInArchiveTier if it can't be read for now.
func (c *Collector) readDeferred(ctx context.Context, key string) (deferred, error) {
	var item deferred
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error { return c.deferred.Get(ctx, key, &item) })
	switch {
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge), errors.Is(err, archive.ErrNotFound):
		return deferred{}, fmt.Errorf("%w: %w", errUnreadable, err)
	case errors.Is(err, archive.ErrArchived):
		return deferred{}, fmt.Errorf("%w: %w", errInArchiveTier, err)
	case err != nil:
		return deferred{}, fmt.Errorf("read a deferred item: %w", err)
	case len(item.Entry.Items) != 1:
		return deferred{}, fmt.Errorf("%w: it does not hold one item", errUnreadable)
	case archive.IsDeferredFor(waitsForParts, key) && item.Part == nil:
		return deferred{}, fmt.Errorf("%w: it is no part of a long SMS", errUnreadable)
	}
	return item, nil
}

// passOver marks an item that can't be read, for good or for now, so that no selection considers it. It returns every
// other error.
func (r *deferredItems) passOver(key string, err error) error {
	if errors.Is(err, errInArchiveTier) {
		r.archived[key] = true
		return nil
	}
	if !errors.Is(err, errUnreadable) {
		return err
	}
	x := r.items[key]
	x.Unreadable = true
	r.items[key] = x
	return nil
}

// selectUnreadable appends to selected the keys of the items that can't be read, each as an entry of its own, up to
// space keys in all. An item of a window that may be read again from its beginning is left to a later window, as in
// candidatesFor.
func (r *deferredItems) selectUnreadable(state *savedState, win *activeWindow, selected [][]string,
	space int) [][]string {
	for _, set := range selected {
		space -= len(set)
	}
	reserved, unread := state.Reserved(win.Window), state.UnfinishedFolders(win.Window)
	for _, key := range slices.Sorted(maps.Keys(r.items)) {
		x := r.items[key]
		if !x.Unreadable || reserved[key] || unread[x.Run] || space <= 0 || state.mayReadAgain(key, win.Window) {
			continue
		}
		selected = append(selected, []string{key})
		space--
	}
	return selected
}

// groupsInArchiveTier returns the groups of long SMS of which a part is in the archive tier.
func (r *deferredItems) groupsInArchiveTier() map[string]bool {
	groups := map[string]bool{}
	for key := range r.archived {
		if group := r.items[key].Group; group != "" {
			groups[group] = true
		}
	}
	return groups
}

// logArchived reports the items that were not read because they are in the archive tier.
func (inv *invocation) logArchived(log *slog.Logger) {
	for _, key := range slices.Sorted(maps.Keys(inv.archived)) {
		log.Error("a deferred item is in the archive tier; it stays deferred until its blob is rehydrated",
			"event", "fetch.itemArchived", "item", key)
	}
}

// mayReadAgain reports whether another open window that has not been read to its end may have created the key. It
// serves items of which only the key is known.
func (s *savedState) mayReadAgain(key string, but *schedule.Window) bool {
	return slices.ContainsFunc(s.Open, func(o schedule.Window) bool {
		may := strings.HasPrefix(key, archive.DeferredPrefix(waitsForMedia, o.To)) ||
			strings.HasPrefix(key, archive.DeferredPrefix(waitsForParts, o.To))
		return may && o.Folder != but.Folder && !o.Progress.Read
	})
}

// unreadable returns the entry of an item that can't be read, and stores the bytes of its blob. Import quarantines the
// entry; the item itself is fetched again when an operator requests a backfill of its window. Called again, it returns
// the same entry.
func (c *Collector) unreadable(ctx context.Context, state *savedState, win *activeWindow, key string, cause error,
	log *slog.Logger) (record.Entry, error) {
	// Saving proves that the lease is still held. Without it, another instance may have archived the item and deleted
	// its blob.
	if err := state.save(ctx); err != nil {
		return record.Entry{}, err
	}
	entry := record.Entry{Version: 1, Fault: "it was deferred, and could not be read back"}
	err := retry.DoFor(ctx, storagePatience, func(ctx context.Context) error {
		body, err := c.deferred.Open(ctx, key)
		if err != nil {
			return err
		}
		defer body.Close()
		name, sha, _, err := c.media.KeepRaw(ctx, archive.RawDeferredName(win.Folder, key), body)
		entry.RawBlob, entry.RawHash = name, sha
		return err
	})
	switch {
	case errors.Is(err, archive.ErrNotFound):
		entry.RawBlob, entry.RawHash = "", ""
		entry.Fault += ", and its blob is gone"
	case err != nil:
		return record.Entry{}, fmt.Errorf("keep the bytes of an item that can't be read: %w", err)
	default:
		entry.Fault += "; the bytes of its blob are kept"
	}
	err = retry.DoFor(ctx, storagePatience, func(ctx context.Context) error { return c.deferred.DeleteParts(ctx, key) })
	if err != nil {
		return record.Entry{}, err
	}
	log.Error("a deferred item can't be read and is quarantined: run a backfill of its window",
		"event", "fetch.itemUnreadable", "item", key, "error", cause.Error())
	return entry, nil
}
