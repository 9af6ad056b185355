package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/mailbox"
	"o2archiver/shared/patience"
)

const (
	validFor   = time.Hour        // how long a mailbox counts as there without being asked for again
	invalidFor = 10 * time.Minute // and how long an address counts as nobody's
	maxKnown   = 200_000          // addresses remembered; beyond that everything is asked again
)

// directory answers usermap's question, which addresses belong to a user with a mailbox, from the tenant. It remembers the answers.
type directory struct {
	boxes *mailbox.Client
	now   func() time.Time

	mu    sync.Mutex
	known map[string]answer // by lower-case address
}

type answer struct {
	mailbox string // object id; "": no valid user
	until   time.Time
}

func newDirectory(boxes *mailbox.Client, now func() time.Time) *directory {
	return &directory{boxes: boxes, now: now, known: map[string]answer{}}
}

// Mailboxes implements usermap.Directory. It waits while Graph is away.
func (d *directory) Mailboxes(ctx context.Context, addresses []string) (map[string]string, error) {
	found, unknown := d.remembered(addresses)
	if len(unknown) == 0 {
		return found, nil
	}
	var users map[string]mailbox.User
	err := patience.Do(ctx, judge, func(ctx context.Context) (err error) {
		users, err = d.boxes.LookUp(ctx, unknown)
		return err
	})
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, u := range users {
		ids[u.ID] = false
	}
	if err := d.askMailboxes(ctx, ids); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) > maxKnown {
		clear(d.known)
	}
	for _, address := range unknown {
		a := answer{until: d.now().Add(invalidFor)}
		if u, ok := users[address]; ok && ids[u.ID] {
			a = answer{mailbox: u.ID, until: d.now().Add(validFor)}
			found[address] = u.ID
		}
		d.known[address] = a
	}
	return found, nil
}

// askMailboxes notes for each user whether there is a mailbox: the directory knows guests, unlicensed users and users with a
// mailbox on the premises too, and only the mailbox itself says which it is. The answer costs the
// request for the folder, which an import needs anyway.
func (d *directory) askMailboxes(ctx context.Context, ids map[string]bool) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		group.Go(func() error {
			err := patience.Do(ctx, judge, func(ctx context.Context) error {
				slot, err := d.boxes.Slot(ctx, id)
				if err != nil {
					return err
				}
				defer slot.Release()
				_, err = slot.Folder(ctx)
				return err
			})
			var graph *mailbox.Error
			if errors.As(err, &graph) && graph.Kind != mailbox.NoMailbox && !again(graph) {
				err = nil // there is a mailbox, and what is wrong with it is the outcome of the copy
			}
			if errors.As(err, &graph) && graph.Kind == mailbox.NoMailbox {
				return nil
			}
			if err == nil {
				mu.Lock()
				ids[id] = true
				mu.Unlock()
			}
			return err
		})
	}
	return group.Wait()
}

func (d *directory) remembered(addresses []string) (found map[string]string, unknown []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found = map[string]string{}
	for _, address := range addresses {
		switch a, ok := d.known[address]; {
		case !ok || d.now().After(a.until):
			unknown = append(unknown, address)
		case a.mailbox != "":
			found[address] = a.mailbox
		}
	}
	return found, unknown
}

// forget makes the next batch ask again for the addresses of a mailbox that turned out to be gone.
func (d *directory) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.known, func(_ string, a answer) bool { return a.mailbox == id })
}
