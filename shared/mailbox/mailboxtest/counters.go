package mailboxtest

import (
	"maps"
	"net/http"
	"sync"
)

// The kinds of request, for Fail and Counters.
const (
	Create     = "create"     // POST messages
	AddFile    = "attachment" // POST attachments
	Session    = "session"    // POST createUploadSession
	Part       = "part"       // PUT to an upload URL
	Folder     = "folder"     // POST mailFolders
	FindFolder = "folders"    // GET mailFolders, GET and DELETE of one
	Find       = "find"       // GET messages
	Get        = "get"        // GET of one message or of its attachments
	Patch      = "patch"      // PATCH of a message
	Delete     = "delete"     // DELETE of a message
	Move       = "move"       // POST move
	LookUp     = "user"       // GET users, GET of one
	Batch      = "batch"      // POST $batch; its inner requests are counted by their own kinds
	Token      = "token"      // any request but inner ones and uploads, before its token is checked
)

// Counters counts the requests that the stand-in has received since it was created.
type Counters struct {
	Kinds         map[string]int // requests by kind, refused ones included; Token counts the outer requests
	Throttled     int            // answers 429, inner ones included
	Unauthorized  int            // answers 401 for the token
	Refused       int            // other answers 4xx, inner ones included, faults excluded
	MaxConcurrent map[string]int // by object id: the most concurrent requests at one mailbox, refused ones included
	NoClientID    int            // outer requests without client-request-id, uploads excluded
	NoImmutableID int            // requests for a mailbox without Prefer: IdType="ImmutableId", uploads excluded
	UploadedBytes int64          // of request bodies and parts
}

// counter is a Counters with its lock.
type counter struct {
	mu sync.Mutex
	c  Counters
}

// Requests returns a copy of the current counters.
func (g *Graph) Requests() Counters {
	g.count.mu.Lock()
	c := g.count.c
	c.Kinds = maps.Clone(c.Kinds)
	g.count.mu.Unlock()
	if c.Kinds == nil {
		c.Kinds = map[string]int{}
	}
	c.MaxConcurrent = map[string]int{}
	g.mu.Lock()
	boxes := g.order[:len(g.order):len(g.order)]
	g.mu.Unlock()
	for _, b := range boxes {
		b.mu.Lock()
		if b.gate.most > 0 {
			c.MaxConcurrent[b.id] = b.gate.most
		}
		b.mu.Unlock()
	}
	return c
}

// kind counts a request of a kind.
func (c *counter) kind(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c.Kinds == nil {
		c.c.Kinds = map[string]int{}
	}
	c.c.Kinds[name]++
}

// change applies f to the counters.
func (c *counter) change(f func(*Counters)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.c)
}

// answered counts an answer by its status.
func (c *counter) answered(status int) {
	switch {
	case status == http.StatusTooManyRequests:
		c.change(func(c *Counters) { c.Throttled++ })
	case status >= 400 && status < 500:
		c.change(func(c *Counters) { c.Refused++ })
	}
}
