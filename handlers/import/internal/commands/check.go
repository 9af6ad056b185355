package commands

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
)

// linkTime is the maximum time for checking one link.
const linkTime = time.Minute

// CheckOptions holds what a Checker works with.
type CheckOptions struct {
	Store  *archive.Store
	Ledger *ledger.Ledger
	Boxes  *mailbox.Client
	Events *sweeper.Events
	Now    func() time.Time
}

// Checker checks what import needs. What it writes it removes again.
type Checker struct{ opts CheckOptions }

// NewChecker returns a Checker. It makes no request.
func NewChecker(o CheckOptions) *Checker { return &Checker{o} }

// probe is looked up if a check has no address: no user can have it.
const probe = "check@o2archiver.invalid"

// Check tries every link, the mailbox with a message that it writes and deletes. A link that hangs, or does not work,
// does not keep the others from being tried, unless they need it. Without an address the mailbox alone is not tried.
func (c *Checker) Check(ctx context.Context, command, address string) []control.Link {
	address = strings.ToLower(strings.TrimSpace(address))
	links := []control.Link{
		control.TryLink(ctx, "storage", linkTime, control.OnlyError(c.tryStorage), control.HelpStorage),
		control.TryLink(ctx, "ledger", linkTime, control.OnlyError(func(ctx context.Context) error {
			return c.tryLedger(ctx, command)
		}), control.HelpStorage),
	}
	graph, directory, user := c.lookUp(ctx, address)
	links = append(links, graph, directory)
	if address == "" {
		links = append(links, control.Link{Link: "mailbox", State: control.LinkUnknown,
			Says: "not tried, because no mailbox was given: only a test message proves that import " +
				"may write to mailboxes",
			Do: "check with a mailbox"})
	} else if user == "" {
		links = append(links, control.Link{Link: "mailbox", State: control.LinkUnknown,
			Says: "not tried, because the mailbox was not found", Do: "see the lines above"})
	} else {
		tryIt := func(ctx context.Context) error { return c.tryMailbox(ctx, command, address, user) }
		links = append(links, control.TryLink(ctx, "mailbox", linkTime, control.OnlyError(tryIt), helpMailbox))
	}
	return append(links, c.events(ctx))
}

// tryStorage returns an error if a right is missing that import needs on the archive's containers.
func (c *Checker) tryStorage(ctx context.Context) error {
	s := c.opts.Store
	for _, check := range []struct {
		container string
		try       func(context.Context) error
	}{
		{archive.BatchesContainer, s.Batches().CheckRead},
		{archive.MediaContainer, s.Media().CheckRead},
		{archive.SettingsContainer, s.Settings().CheckRead},
		{archive.JournalContainer, s.Logs().CheckWrite},
		{archive.SweepsContainer, s.Sweeps().CheckWrite},
	} {
		if err := check.try(ctx); err != nil {
			return fmt.Errorf("container %s: %w", check.container, err)
		}
	}
	return nil
}

// tryLedger claims the key of a copy that does not exist, and releases it. A row that is there already, because an
// earlier check was killed, proves the same.
func (c *Checker) tryLedger(ctx context.Context, command string) error {
	claim, _, err := c.opts.Ledger.Claim(ctx, testKey(command), ledger.Holder{Batch: "check", Invocation: command}, "")
	if err != nil || claim == nil {
		return err
	}
	return claim.Release(ctx)
}

// testKey is the key of the test message of a check.
func testKey(command string) string {
	sum := sha256.Sum256([]byte("check|" + command))
	return hex.EncodeToString(sum[:])
}

// lookUp finds the user of the address. It returns the links to Graph and to the directory, and the user's id, or "".
// Without an address it looks probe up: the answer that there is no such user proves the same about the two.
func (c *Checker) lookUp(ctx context.Context, address string) (graph, directory control.Link, user string) {
	ctx, cancel := context.WithTimeout(ctx, linkTime)
	defer cancel()
	asked := cmp.Or(address, probe)
	found, err := c.opts.Boxes.LookUp(ctx, []string{asked})
	u, there := found[asked]
	answer, refused := errors.AsType[*mailbox.Error](err)
	_, alone := errors.AsType[*mailbox.Partial](err)
	graph = control.Link{Link: "graph", State: control.LinkOK, Says: "works"}
	directory = control.Link{Link: "directory", State: control.LinkOK, Says: "works"}
	switch {
	case err == nil && there:
		return graph, directory, u.ID
	case err == nil && address == "":
	case err == nil:
		directory.State, directory.Says = control.LinkFailed, "works, but it has no user with that address"
		directory.Do = "check with the address of a user who has a mailbox in this tenant"
	case refused && answer.Kind == mailbox.Denied:
		directory.State, directory.Says = control.LinkFailed, err.Error()
		directory.Do = "grant the app User.Read.All (infra/graph/README.md), and check again after some minutes"
	case alone:
		directory.State, directory.Says = control.LinkFailed, "works, but it refuses to look that address up"
		directory.Do = "check with another address: this one is not of the form of one, or means something " +
			"to the directory"
	default:
		graph.State, graph.Says = control.LinkFailed, err.Error()
		graph.Do = "compare the parameter tenantCloud, and the tenant of the subscription: the app's identity " +
			"exists in that tenant only; otherwise look whether Microsoft Graph is available, and check again"
		directory.State, directory.Says = control.LinkUnknown, "not tried: see graph"
	}
	return graph, directory, ""
}

// tryMailbox writes a test message into the mailbox, finds it, and deletes it, also one that an earlier try left.
func (c *Checker) tryMailbox(ctx context.Context, command, address, user string) (err error) {
	session, err := c.opts.Boxes.OpenSession(ctx, user)
	if err != nil {
		return err
	}
	defer session.Release()
	key := testKey(command)
	left, err := session.Find(ctx, key)
	if err != nil {
		return fmt.Errorf("search the mailbox: %w", err)
	}
	var id string
	defer func() { // nothing of a check that has an answer is found by a later one
		if err != nil && !c.cleanUp(ctx, session, key, id) {
			err = fmt.Errorf("%w; the test message may be in the mailbox still, and can be deleted there", err)
		}
	}()
	if len(left) == 0 {
		if id, err = session.Import(ctx, testMessage(key, address, c.opts.Now()), nil); err != nil {
			return fmt.Errorf("write a test message: %w", err)
		}
		if left, err = session.Find(ctx, key); err != nil {
			return fmt.Errorf("search the mailbox: %w", err)
		}
	}
	if len(left) == 0 {
		return errors.New("the test message was written and cannot be found")
	}
	for _, m := range left {
		if err := session.Delete(ctx, m.ID, nil); err != nil {
			return fmt.Errorf("delete the test message: %w", err)
		}
	}
	return nil
}

// cleanUp deletes a test message that may have been written; id is its id, if that is known. It reports whether none is
// left, as far as can be seen.
func (c *Checker) cleanUp(ctx context.Context, session *mailbox.Session, key, id string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), linkTime/2)
	defer cancel()
	if id != "" {
		return session.Delete(ctx, id, nil) == nil
	}
	left, err := session.Find(ctx, key)
	for _, m := range left {
		err = errors.Join(err, session.Delete(ctx, m.ID, nil))
	}
	return err == nil
}

// testMessage returns the message that a check writes. It says what it is, because a hold may keep it.
func testMessage(key, address string, now time.Time) *mailbox.Message {
	const text = "This message was written by the command check of the O2 Network Archiver, and deleted at once. " +
		"It proves that the archiver can write to this mailbox. It holds no message of any user.\n"
	return &mailbox.Message{
		Key: key, MessageID: "<check-" + key[:32] + "@o2archiver.invalid>",
		Subject: "O2 Network Archiver: test message", Text: text,
		From: mailbox.Address{Address: address}, To: []mailbox.Address{{Address: address}}, Sent: now, Received: now,
	}
}

// helpMailbox returns what helps against an error of tryMailbox.
func helpMailbox(err error) string {
	kind := mailbox.Unavailable
	if answer, ok := errors.AsType[*mailbox.Error](err); ok {
		kind = answer.Kind
	}
	switch kind {
	case mailbox.Denied:
		return "grant the app the right to write to the mailboxes (infra/graph/README.md); Exchange " +
			"Online may take up to two hours until it counts"
	case mailbox.NoMailbox:
		return "the user has no mailbox in Exchange Online: assign a licence, or check with another user"
	}
	return "check again; if it stays so, look at the health of Exchange Online in the Microsoft 365 admin center"
}

// events returns the link to Event Grid, judged by the age of the last event.
func (c *Checker) events(ctx context.Context) control.Link {
	ctx, cancel := context.WithTimeout(ctx, linkTime)
	defer cancel()
	l := control.Link{Link: "events", State: control.LinkUnknown}
	last, err := c.opts.Events.Last(ctx)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		l.Says = "no event of a new batch has come yet"
		l.Do = "check again after fetch has written its first batch; sweep imports it in any case"
	case err != nil:
		l.State, l.Says, l.Do = control.LinkFailed, err.Error(), control.HelpStorage(err)
	case c.opts.Now().Sub(last) >= eventsOld:
		l.Says = "the last event came at " + last.UTC().Format(time.RFC3339)
		l.Do = "if fetch has written batches since, run infra/hooks/postdeploy.sh, which connects the events again"
	default:
		l.State, l.Says = control.LinkOK, "the last event came at "+last.UTC().Format(time.RFC3339)
	}
	return l
}

// eventsOld is the age of the last event from which on it says nothing about the present: fetch runs once a day.
const eventsOld = 26 * time.Hour
