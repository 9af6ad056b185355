// Package recipients finds the mailboxes that messages go to: it looks up in the tenant which addresses have a mailbox,
// and reads the administrator's mapping. Both are cached. It knows nothing of batches and copies.
package recipients

import (
	"cmp"
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
	validFor   = time.Hour        // how long a mailbox counts as present without another look-up
	invalidFor = 10 * time.Minute // how long an address counts as one without a mailbox
	assumedFor = time.Minute      // how long a mailbox that did not answer counts as present
	maxKnown   = 200_000          // addresses in the cache; beyond that it is cleared

	// defaultWait is shorter than a short turn of a sweep.
	defaultWait = 20 * time.Second
)

// QuestionSize is the number of addresses looked up together. The answers are cached even if the next look-up fails.
const QuestionSize = 1000

// DirectoryOptions holds the limits of a Directory.
type DirectoryOptions struct {
	Concurrency int              // mailboxes checked concurrently for one batch
	Wait        time.Duration    // how long a look-up waits for answers; 0: 20 seconds
	Now         func() time.Time // the cache's clock
}

// Directory looks up in the tenant which addresses belong to a user with a mailbox, and caches the answers. It
// implements usermap.Directory, and is safe for concurrent use.
type Directory struct {
	boxes *mailbox.Client
	ready func(ctx context.Context, id string) error // checks a mailbox
	now   func() time.Time
	many  int
	wait  time.Duration

	mu     sync.Mutex
	known  map[string]answer        // by lower-case address
	asking map[string]chan struct{} // by address: closed when the current look-up of the address has ended
}

// answer is the cached answer about one address.
type answer struct {
	mailbox string // object id; "": no valid user
	refused string // why the directory refuses to look the address up
	open    error  // why there is no answer; the address is not looked up again before until
	until   time.Time
}

// NewDirectory returns a Directory with an empty cache. It makes no request.
func NewDirectory(boxes *mailbox.Client, o DirectoryOptions) *Directory {
	return &Directory{
		boxes: boxes, ready: boxes.Ready, now: o.Now, many: o.Concurrency, wait: cmp.Or(o.Wait, defaultWait),
		known: map[string]answer{}, asking: map[string]chan struct{}{},
	}
}

// NewTrialDirectory is NewDirectory for dry runs: nothing is written, and a mailbox without the folder gets none.
func NewTrialDirectory(boxes *mailbox.Client, o DirectoryOptions) *Directory {
	d := NewDirectory(boxes, o)
	d.ready = boxes.Exists
	return d
}

// Mailboxes implements usermap.Directory. It waits up to DirectoryOptions.Wait while Graph is unavailable. An address
// that another batch is looking up is not looked up again: the batches of a new day start together and concern the same
// people.
func (d *Directory) Mailboxes(ctx context.Context, addresses []string) (map[string]string, error) {
	found := make(map[string]string, len(addresses))
	partial := &usermap.Partial{Open: map[string]error{}, Refused: map[string]string{}}
	for begin := 0; begin < len(addresses); begin += QuestionSize {
		part := addresses[begin:min(begin+QuestionSize, len(addresses))]
		open := len(partial.Open)
		if err := d.mailboxes(ctx, part, found, partial); err != nil {
			return nil, err
		}
		if len(partial.Open)-open < len(part) {
			continue
		}
		for _, address := range addresses[begin+len(part):] { // no address was answered, so no more are looked up now
			partial.Open[address] = partial.Open[part[0]]
		}
		break
	}
	if len(partial.Open) > 0 || len(partial.Refused) > 0 {
		return found, partial
	}
	return found, nil
}

// mailboxes adds the answers about some addresses to found, and those about open or refused addresses to partial.
func (d *Directory) mailboxes(ctx context.Context, addresses []string, found map[string]string,
	partial *usermap.Partial) error {
	for {
		ours, others := d.remembered(addresses, found, partial)
		if err := d.ask(ctx, ours, found, partial); err != nil {
			return err
		}
		if len(others) == 0 {
			return nil
		}
		// This call's own look-up has ended by now, so two calls cannot deadlock by waiting for each other. If the
		// other look-up failed, this call repeats it in the next round.
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

// ask looks up the addresses that remembered has marked as this call's, and adds the answers. An address without an
// answer in time is open, and delays none of the others.
func (d *Directory) ask(ctx context.Context, unknown []string, found map[string]string,
	partial *usermap.Partial) error {
	if len(unknown) == 0 {
		return nil
	}
	defer d.endQuestion(unknown)
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
		u := users[address]
		if !ok {
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

// lookUp returns the users who have the addresses, and in answers the addresses that are open or refused.
func (d *Directory) lookUp(ctx context.Context, unknown []string) (
	users map[string]mailbox.User, answers map[string]answer, _ error) {
	asking, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	err := mailbox.Retry(asking, func(ctx context.Context) (err error) {
		users, err = d.boxes.LookUp(ctx, unknown)
		return err
	})
	var partial *mailbox.Partial
	answers = map[string]answer{}
	switch {
	case err == nil:
		return users, nil, nil
	case ctx.Err() != nil,
		!errors.As(err, &partial) && asking.Err() == nil && !errors.Is(err, mailbox.ErrNoFinalAnswer):
		return nil, nil, err
	case partial == nil: // no address was answered: expired at once, so that the next look-up asks again
		for _, address := range unknown {
			answers[address] = answer{open: err, until: d.now().Add(-time.Second)}
		}
		return nil, answers, nil
	}
	for address, err := range partial.Open {
		answers[address] = answer{open: err, until: d.now().Add(assumedFor)}
	}
	for address, e := range partial.Refused {
		answers[address] = answer{
			refused: fmt.Sprintf("HTTP %d, %s", e.Status, e.Code), until: d.now().Add(invalidFor)}
	}
	return users, answers, nil
}

// tell adds the answer about an address to found or partial.
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

// askMailboxes sets for each user in there how long a mailbox counts as present, or 0 if there is none. The directory
// also has guests, unlicensed users and users with a mailbox on premises; only a request to the mailbox itself
// distinguishes them. It is the request for the folder, which an import needs anyway.
//
// A mailbox counts as missing only after a final answer. If the wait ends without one, for example while the mailbox is
// being moved, it counts as present: its own copies then wait for it, and no others.
func (d *Directory) askMailboxes(ctx context.Context, there map[string]time.Duration) error {
	asking, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(d.many)
	for _, id := range slices.Sorted(maps.Keys(there)) {
		group.Go(func() error {
			err := mailbox.Retry(asking, func(ctx context.Context) error { return d.ready(ctx, id) })
			graph, answered := errors.AsType[*mailbox.Error](err)
			if answered {
				again, _ := graph.Transient()
				answered = !again
			}
			until := validFor
			switch {
			case answered && graph.Kind == mailbox.NoMailbox:
				return nil
			case err == nil, answered: // there is a mailbox; a fault of it becomes the outcome of the copy
			case ctx.Err() == nil && (asking.Err() != nil || errors.Is(err, mailbox.ErrNoFinalAnswer)):
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

// remembered adds the cached answers. Of the other addresses, ours are those that this call has to look up, and others
// those that another call is looking up.
func (d *Directory) remembered(
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
		case ended == mark: // the address occurs twice
		case ended != nil:
			others[address] = ended
		default:
			ours = append(ours, address)
			d.asking[address] = mark
		}
	}
	return ours, others
}

// endQuestion marks the look-up of the addresses as ended, whether or not it succeeded.
func (d *Directory) endQuestion(addresses []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.asking[addresses[0]]) // the addresses share one channel
	for _, address := range addresses {
		delete(d.asking, address)
	}
}

// Refresh drops the answers about all addresses without a mailbox, so that the next batch looks them up again. It is
// called when an administrator may have corrected them.
func (d *Directory) Refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.known, func(_ string, a answer) bool { return a.mailbox == "" })
}

// Forget drops the answers about a mailbox that no longer exists, so that the next batch looks the addresses up again.
func (d *Directory) Forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.known, func(_ string, a answer) bool { return a.mailbox == id })
}
