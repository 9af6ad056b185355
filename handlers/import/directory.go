package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/mailbox"
	"o2archiver/shared/usermap"
)

const (
	validFor   = time.Hour        // how long a mailbox counts as there without being asked for again
	invalidFor = 10 * time.Minute // and how long an address counts as nobody's
	assumedFor = time.Minute      // and a mailbox as there that did not answer
	maxKnown   = 200_000          // addresses remembered; beyond that everything is asked again

	// waitFor bounds how long one question waits for what does not answer. It is less than a sweep's short turn.
	waitFor  = 20 * time.Second
	askAbout = 1000 // addresses of one question: what was answered is remembered, however the next one ends
)

// directory answers usermap's question, which addresses belong to a user with a mailbox, from the tenant. It
// remembers the answers.
type directory struct {
	boxes *mailbox.Client
	now   func() time.Time
	many  int           // mailboxes asked at once for one batch
	wait  time.Duration // how long a question waits for addresses or mailboxes that do not answer

	mu     sync.Mutex
	known  map[string]answer        // by lower-case address
	asking map[string]chan struct{} // closed when the question that is under way for the address has ended
}

type answer struct {
	mailbox string // object id; "": no valid user
	refused string // why the directory does not look the address up
	open    error  // there is no answer: until then it is not asked again
	until   time.Time
}

func newDirectory(boxes *mailbox.Client, many int, now func() time.Time) *directory {
	return &directory{boxes: boxes, now: now, many: many, wait: waitFor, known: map[string]answer{}, asking: map[string]chan struct{}{}}
}

// Mailboxes implements usermap.Directory. It waits for a while where Graph is away. What another batch is asking
// already is not asked again: the batches of a new day begin together and are about the same people.
func (d *directory) Mailboxes(ctx context.Context, addresses []string) (map[string]string, error) {
	found := make(map[string]string, len(addresses))
	partial := &usermap.Partial{Open: map[string]error{}, Refused: map[string]string{}}
	for begin := 0; begin < len(addresses); begin += askAbout {
		part := addresses[begin:min(begin+askAbout, len(addresses))]
		open := len(partial.Open)
		if err := d.mailboxes(ctx, part, found, partial); err != nil {
			return nil, err
		}
		if len(partial.Open)-open < len(part) {
			continue
		}
		for _, address := range addresses[begin+len(part):] { // nothing is answered, so nothing more is asked now
			partial.Open[address] = partial.Open[part[0]]
		}
		break
	}
	if len(partial.Open) > 0 || len(partial.Refused) > 0 {
		return found, partial
	}
	return found, nil
}

// mailboxes adds the answers about some addresses to found, and what is no answer to partial.
func (d *directory) mailboxes(ctx context.Context, addresses []string, found map[string]string, partial *usermap.Partial) error {
	for {
		ours, others := d.remembered(addresses, found, partial)
		if err := d.ask(ctx, ours, found, partial); err != nil {
			return err
		}
		if len(others) == 0 {
			return nil
		}
		// Ours are answered by now, so nobody waits in a circle. Should the others' question have failed, it is ours
		// in the next round.
		addresses = addresses[:0:0]
		for address, ended := range others {
			select {
			case <-ended:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			addresses = append(addresses, address)
		}
	}
}

// ask asks the tenant about the addresses, which remembered has marked as ours, and adds the answers. One that gets
// none within the time is open, and keeps none of the others from its answer.
func (d *directory) ask(ctx context.Context, unknown []string, found map[string]string, partial *usermap.Partial) error {
	if len(unknown) == 0 {
		return nil
	}
	defer d.claimQuestions(unknown)
	users, answers, err := d.lookUp(ctx, unknown)
	if err != nil {
		return err
	}
	there := map[string]time.Duration{}
	for _, u := range users {
		there[u.ID] = 0
	}
	if err := d.askMailboxes(ctx, there); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) > maxKnown {
		clear(d.known)
	}
	for _, address := range unknown {
		a, ok := answers[address]
		if u := users[address]; !ok {
			a = answer{until: d.now().Add(invalidFor)}
			if there[u.ID] > 0 {
				a = answer{mailbox: u.ID, until: d.now().Add(there[u.ID])}
			}
		}
		d.known[address] = a
		a.tell(address, found, partial)
	}
	return nil
}

// lookUp asks which users have the addresses. answers are those about addresses that are open or refused.
func (d *directory) lookUp(ctx context.Context, unknown []string) (users map[string]mailbox.User, answers map[string]answer, _ error) {
	asking, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	err := retryImport(asking, func(ctx context.Context) (err error) {
		users, err = d.boxes.LookUp(ctx, unknown)
		return err
	})
	var partial *mailbox.Partial
	answers = map[string]answer{}
	switch {
	case err == nil:
		return users, nil, nil
	case ctx.Err() != nil, !errors.As(err, &partial) && asking.Err() == nil && !errors.Is(err, errNoFinalAnswer):
		return nil, nil, err
	case partial == nil: // nothing is answered: the next question is asked at once
		for _, address := range unknown {
			answers[address] = answer{open: err, until: d.now().Add(-time.Second)}
		}
		return nil, answers, nil
	}
	for address, err := range partial.Open {
		answers[address] = answer{open: err, until: d.now().Add(assumedFor)}
	}
	for address, e := range partial.Refused {
		answers[address] = answer{refused: fmt.Sprintf("HTTP %d, %s", e.Status, e.Code), until: d.now().Add(invalidFor)}
	}
	return users, answers, nil
}

// tell adds the answer about an address to where it belongs.
func (a answer) tell(address string, found map[string]string, partial *usermap.Partial) {
	switch {
	case a.mailbox != "":
		found[address] = a.mailbox
	case a.open != nil:
		partial.Open[address] = a.open
	case a.refused != "":
		partial.Refused[address] = a.refused
	}
}

// askMailboxes puts into there for each user how long a mailbox may be counted on, 0 where there is none: the
// directory knows guests, unlicensed users and users with a mailbox on the premises too, and only the mailbox itself
// says which it is. The answer costs the request for the folder, which an import needs anyway.
//
// A mailbox counts as missing only by a final answer. One that is away or refuses without such an answer, while it is being moved for
// instance, counts as there after a while: its copies then wait for it, and no others.
func (d *directory) askMailboxes(ctx context.Context, there map[string]time.Duration) error {
	asking, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(d.many)
	for _, id := range slices.Sorted(maps.Keys(there)) {
		group.Go(func() error {
			err := retryImport(asking, func(ctx context.Context) error { return d.boxes.Ready(ctx, id) })
			var graph *mailbox.Error
			answered := errors.As(err, &graph) && !isTransient(graph)
			until := validFor
			switch {
			case answered && graph.Kind == mailbox.NoMailbox:
				return nil
			case err == nil, answered: // there is a mailbox, and what is wrong with it is the outcome of the copy
			case ctx.Err() == nil && (asking.Err() != nil || errors.Is(err, errNoFinalAnswer)):
				until = assumedFor
			default:
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			there[id] = until
			return nil
		})
	}
	return group.Wait()
}

func (d *directory) remembered(
	addresses []string, found map[string]string, partial *usermap.Partial,
) (ours []string, others map[string]chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	others = map[string]chan struct{}{}
	mark := make(chan struct{})
	for _, address := range addresses {
		a, ok := d.known[address]
		switch ended := d.asking[address]; {
		case ok && !d.now().After(a.until):
			a.tell(address, found, partial)
		case ended == mark: // named twice
		case ended != nil:
			others[address] = ended
		default:
			ours = append(ours, address)
			d.asking[address] = mark
		}
	}
	return ours, others
}

// claimQuestions ends the question for the addresses, whatever came of it.
func (d *directory) claimQuestions(addresses []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.asking[addresses[0]]) // they have one channel
	for _, address := range addresses {
		delete(d.asking, address)
	}
}

// refresh makes the next batch ask again for all addresses that were nobody's: somebody has done something about
// them.
func (d *directory) refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.known, func(_ string, a answer) bool { return a.mailbox == "" })
}

// forget makes the next batch ask again for the addresses of a mailbox that turned out to be gone.
func (d *directory) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.known, func(_ string, a answer) bool { return a.mailbox == id })
}
