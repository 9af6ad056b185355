package message

import (
	"strings"
	"sync"

	// Numbers must be told apart here as the user mapping tells them apart: in the address of who has
	// no other, and in what makes a conversation.
	"o2archiver/shared/phone"
)

// Numbers remembers how telephone numbers were read, for many messages. Reading one takes up to 70 µs, several times as
// long as all the rest of a message, and an organization's own numbers are in every one of its messages.
// It is safe for concurrent use and never changes what a message looks like.
type Numbers struct {
	mu    sync.RWMutex
	known map[spelling]number
}

type spelling struct{ region, raw string }

type number struct {
	e164     string // "" if it is no telephone number
	national string // as people of its country write it
}

// maxNumbers bounds what is remembered to about 10 MB; it is forgotten all at once then.
const maxNumbers = 50_000

// NewNumbers gives an empty memory.
func NewNumbers() *Numbers { return &Numbers{known: make(map[spelling]number)} }

// E164 is phone.E164, remembered.
func (n *Numbers) E164(raw, region string) (string, bool) {
	got := n.read(raw, region)
	return got.e164, got.e164 != ""
}

func (n *Numbers) read(raw, region string) number {
	key := spelling{region, raw}
	n.mu.RLock()
	got, ok := n.known[key]
	n.mu.RUnlock()
	if ok {
		return got
	}
	if e164, ok := phone.E164(raw, region); ok {
		got = number{e164, phone.National(e164)}
	}
	if len(raw) > 64 {
		return got // nothing that long is a number, and finding that out is quick
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) >= maxNumbers {
		clear(n.known)
	}
	key.raw = strings.Clone(raw) // raw may be a piece of something large
	n.known[key] = got
	return got
}
