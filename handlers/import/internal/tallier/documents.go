package tallier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
	"o2archiver/shared/tally"
)

// updateDocument changes a document with a conditional write, which is repeated if another process has changed it
// meanwhile. change returns the document to write in place of the one that was read, or nil to leave it as it is.
func updateDocument[T any](ctx context.Context, docs *archive.Documents, name string,
	change func(there *T) *T) error {
	for range writeMost {
		there := new(T)
		etag, err := docs.GetLarge(ctx, name, there, tally.MaxDocument)
		switch {
		case errors.Is(err, archive.ErrNotFound):
			there = nil
		case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
			there, etag = nil, "*" // it is written anew
		case err != nil:
			return fmt.Errorf("read a document of the reports: %w", err)
		}
		next := change(there)
		if next == nil {
			return nil
		}
		_, err = docs.PutLarge(ctx, name, next, tally.MaxDocument, etag, nil)
		if err == nil {
			return nil
		}
		if !isOverwritten(err) {
			return fmt.Errorf("write a document of the reports: %w", err)
		}
	}
	return fmt.Errorf("write a document of the reports: %w", archive.ErrChanged)
}

// putUnmapped writes the document of a batch's unmapped numbers, unless there is one of a longer journal. A document
// that has no line any more is written, too, in place of one that had.
func (t *Tallier) putUnmapped(ctx context.Context, i Imported) error {
	if !tally.IsUnmappedKept(i.Batch, t.opts.Now()) {
		return nil
	}
	doc := tally.OfUnmapped(i.Data, i.State, i.Length, t.opts.Region)
	name := tally.UnmappedName(i.Batch)
	return updateDocument(ctx, t.opts.Reports, name, func(there *tally.Unmapped) *tally.Unmapped {
		if there != nil && there.Length > i.Length {
			return nil
		}
		return &doc
	})
}

// putUsers writes a run's part of the users of its day.
func (t *Tallier) putUsers(ctx context.Context, run string, m archive.Manifest, users tally.Mailboxes) error {
	name := tally.UsersName(tally.WindowOf(run, m))
	return updateDocument(ctx, t.opts.Reports, name, func(there *tally.Users) *tally.Users {
		next := tally.Users{Version: 1, Runs: map[string]tally.Mailboxes{}}
		if there != nil {
			maps.Copy(next.Runs, there.Runs)
		}
		next.Runs[run] = users
		return &next
	})
}

// putNoMailboxes writes the document of a run's unmapped numbers from those of its batches. One without a number is
// written in place of one that had some.
func (t *Tallier) putNoMailboxes(ctx context.Context, run string, rows map[string]tally.Batch) error {
	if !tally.IsUnmappedKept(run, t.opts.Now()) {
		return nil
	}
	var group errgroup.Group
	group.SetLimit(repairsAtOnce)
	var mu sync.Mutex
	var all []tally.Unmapped
	for row, b := range rows {
		if b.Unmapped == 0 {
			continue
		}
		group.Go(func() error {
			var u tally.Unmapped
			_, err := t.opts.Reports.GetLarge(ctx, tally.UnmappedName(tally.BatchOf(run, row)), &u, tally.MaxDocument)
			if err != nil && !errors.Is(err, archive.ErrNotFound) && !errors.Is(err, archive.ErrContent) {
				return fmt.Errorf("read a document of the reports: %w", err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, u)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	next, name := tally.OfRunUnmapped(all), tally.NoMailboxesName(run)
	return updateDocument(ctx, t.opts.Reports, name, func(there *tally.NoMailboxes) *tally.NoMailboxes {
		if there == nil && len(next.Numbers) == 0 || there != nil && reflect.DeepEqual(*there, next) {
			return nil
		}
		return &next
	})
}

// noteNames adds the addresses of mailboxes that this process has not seen saved. Later ones replace earlier ones.
func (t *Tallier) noteNames(ctx context.Context, names map[string]string) error {
	fresh := map[string]string{}
	t.mu.Lock()
	for mailbox, address := range names {
		if t.saved[mailbox] != address {
			fresh[mailbox] = address
		}
	}
	t.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	seen := map[string]string{}
	err := updateDocument(ctx, t.opts.Reports, tally.NamesDocument, func(there *tally.Names) *tally.Names {
		next := tally.Names{Version: 1, Names: map[string]string{}}
		if there != nil {
			maps.Copy(next.Names, there.Names)
		}
		seen = next.Names
		changed := false
		for mailbox, address := range fresh {
			if _, known := next.Names[mailbox]; !known && len(next.Names) >= tally.MaxNames {
				continue
			}
			changed = changed || next.Names[mailbox] != address
			next.Names[mailbox] = address
		}
		if !changed {
			return nil
		}
		return &next
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved = seen
	maps.Copy(t.saved, fresh) // also those for which there was no room: they are not tried again
	return nil
}

// noteChecked adds which addresses of the mapping file belong to a valid user, and which do not. The document is read
// if this process knows of a change, and now and then for those of other processes.
func (t *Tallier) noteChecked(ctx context.Context, checked map[string]bool) error {
	if len(checked) == 0 {
		return nil
	}
	now := t.opts.Now()
	t.mu.Lock()
	known := !t.invalidRead.IsZero() && now.Sub(t.invalidRead).Abs() < readAgain &&
		t.invalid.With(checked, now) == nil
	t.mu.Unlock()
	if known {
		return nil
	}
	var seen tally.Invalid
	err := updateDocument(ctx, t.opts.Reports, tally.InvalidName, func(there *tally.Invalid) *tally.Invalid {
		seen = tally.Invalid{}
		if there != nil {
			seen = *there
		}
		next := seen.With(checked, now)
		if next != nil {
			seen = *next
		}
		return next
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.invalid, t.invalidRead = seen, now
	return nil
}

// readAgain is how long the document of invalid addresses is known: another process may have changed it since.
const readAgain = time.Hour
