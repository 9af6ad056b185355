// Package mailboxtest is a stand-in for the part of Microsoft Graph that is needed to import mail: directory look-ups,
// mail folders, messages, attachments, upload sessions and batches.
//
// It is strict: it refuses whatever Graph is known to refuse, and checks request bodies against Graph's published
// schema. If Graph's behavior is not known, the stand-in refuses the request too, and a comment at the rule states it.
// Requests that it does not implement are answered 501, never with a success. It knows nothing of the client under
// test.
package mailboxtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// User is one user of the stand-in's directory.
type User struct {
	ID          string   // directory object id
	UPN         string   // user principal name: not an email address, although it looks like one
	Mail        string   // primary address; "" for none
	Proxy       []string // other addresses, with or without "smtp:"
	Disabled    bool     // accountEnabled is false
	MailboxCode string   // "": has a mailbox; otherwise the code of the refusals, e.g. MailboxNotEnabledForRESTAPI
	DisplayName string
}

// Limits are Graph's limits. Zero means Graph's own value.
type Limits struct {
	Concurrent           int   // concurrent requests per mailbox; 4
	PerTenMinutes        int   // requests per mailbox; 10,000
	UploadPerFiveMinutes int64 // bytes of request bodies per mailbox; 150 MiB
	PerTenSeconds        int   // requests of the whole application; 130,000
	Off                  bool  // no limits at all
}

// Options are the options of New and Open. The zero value is a Graph without users.
type Options struct {
	Token            string        // the one valid bearer token; "" means "local"
	Latency          time.Duration // real time that each request takes, inner ones of a batch included
	Users            []User
	Limits           Limits
	MessageLimit     int64            // the tenant's limit for one message in bytes; 0 means 35 MiB
	NamedProperties  int              // size of each mailbox's table of named properties; 0 means 100
	FindLag          time.Duration    // time after which a filter finds a new message; Graph documents none
	NoUploadSessions bool             // like GCC High and DoD, whose v1.0 schema has none
	Now              func() time.Time // for the limits' windows, dates and expiry; nil means time.Now
	KeepContent      bool             // false: the bytes of attachments are hashed and dropped
	Dir              string           // the folder in which mailboxes persist across restarts; "": memory only
}

// Graph is the stand-in: an http.Handler for the paths under /v1.0. All methods are safe for concurrent use.
type Graph struct {
	o      Options
	schema *schema
	count  counter
	faults plan
	disk   *disk // nil without Options.Dir

	appMu sync.Mutex
	app   window // requests of the whole application

	mu        sync.Mutex
	order     []*mailbox
	byKey     map[string]*mailbox // lower-case object id and user principal name
	uploadURL string
	sessions  map[string]*session
}

// New is Open for tests: it panics if Open returns an error, which is possible only with Options.Dir.
func New(o Options) *Graph {
	g, err := Open(o)
	if err != nil {
		panic(err)
	}
	return g
}

// Open returns a Graph with the mailboxes that an earlier one stored in o.Dir. It fails only if they cannot be read or
// written.
func Open(o Options) (*Graph, error) {
	if o.Token == "" {
		o.Token = "local"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MessageLimit = orElse(o.MessageLimit, 35<<20)
	o.NamedProperties = orElse(o.NamedProperties, 100)
	o.Limits.Concurrent = orElse(o.Limits.Concurrent, 4)
	o.Limits.PerTenMinutes = orElse(o.Limits.PerTenMinutes, 10_000)
	o.Limits.UploadPerFiveMinutes = orElse(o.Limits.UploadPerFiveMinutes, 150<<20)
	o.Limits.PerTenSeconds = orElse(o.Limits.PerTenSeconds, 130_000)
	s, err := readSchema()
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	g := &Graph{o: o, schema: s, byKey: map[string]*mailbox{}, sessions: map[string]*session{}}
	for _, u := range o.Users {
		g.SetUser(u)
	}
	if o.Dir != "" {
		if g.disk, err = g.openDisk(o.Dir); err != nil {
			return nil, fmt.Errorf("open mailboxes: %w", err)
		}
	}
	return g, nil
}

// orElse returns v, or byDefault if v is 0.
func orElse[T int | int64](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return v
}

// Close closes the files of Options.Dir; without Dir it does nothing. Later requests fail.
func (g *Graph) Close() error {
	if g.disk == nil {
		return nil
	}
	return g.disk.close()
}

// SetUser adds a user, or changes the user with that object id; the content of the mailbox stays. A test uses it to
// assign or remove a license.
func (g *Graph) SetUser(u User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.byKey[strings.ToLower(u.ID)]
	if b == nil {
		b = newMailbox(u.ID)
		g.order = append(g.order, b)
	} else {
		delete(g.byKey, strings.ToLower(b.user.UPN))
	}
	b.user = u
	g.byKey[strings.ToLower(u.ID)] = b
	if u.UPN != "" {
		g.byKey[strings.ToLower(u.UPN)] = b
	}
}

// SetUploadURL sets the URL at which UploadHandler is reached, e.g. http://127.0.0.1:4001. Without it, uploads go to
// the Graph's own host, to a path of their own.
func (g *Graph) SetUploadURL(base string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uploadURL = strings.TrimSuffix(base, "/")
}

// find returns the mailbox and a copy of its user, by object id or user principal name, as in Graph's paths; nil if
// there is no such user.
func (g *Graph) find(key string) (*mailbox, User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.byKey[strings.ToLower(key)]
	if b == nil {
		return nil, User{}
	}
	return b, b.user
}

// Users returns the users of the directory, in the order in which they were added.
func (g *Graph) Users() []User {
	g.mu.Lock()
	defer g.mu.Unlock()
	users := make([]User, len(g.order))
	for i, b := range g.order {
		users[i] = b.user
		users[i].Proxy = slices.Clone(b.user.Proxy)
	}
	return users
}

// Messages returns the messages in the mailbox of a user (object id or user principal name), in the order of creation,
// without those in Deleted Items; nil for an unknown user.
func (g *Graph) Messages(user string) []Message {
	return g.messages(user, false)
}

// Deleted returns the messages in the user's Deleted Items, to which Graph moves a deleted message.
func (g *Graph) Deleted(user string) []Message {
	return g.messages(user, true)
}

func (g *Graph) messages(user string, deleted bool) []Message {
	b, _ := g.find(user)
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Message
	for _, m := range b.messages {
		f := b.folders[m.FolderID]
		if (f.wellKnown == deletedItems) == deleted {
			list = append(list, m.clone(f.DisplayName))
		}
	}
	slices.SortFunc(list, func(a, b Message) int { return int(a.Number - b.Number) })
	return list
}
