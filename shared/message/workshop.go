package message

import (
	"strings"
	"sync"

	// Numbers must be told apart here as the user mapping tells them apart: in the address of who has
	// no other, and in what makes a conversation.
	"o2archiver/shared/phone"
)

// NumberCache is what the making of many messages has in common. It remembers how telephone numbers were read: reading one takes up to
// 70 µs, several times as long as all the rest of a message, and an organization's own numbers are in every one of its
// messages. And it keeps the room that messages are put together in.
// It is safe for concurrent use and never changes what a message looks like.
type NumberCache struct {
	mu    sync.RWMutex
	known map[spelling]number
	rooms sync.Pool // of *room
}

// room is where a message is put together.
type room struct{ text, html, message []byte }

// maxRoom bounds what a room may keep after a large text.
const maxRoom = 64 << 10

func (w *NumberCache) enter() *room {
	if r, ok := w.rooms.Get().(*room); ok {
		return r
	}
	return new(room)
}

func (w *NumberCache) leave(r *room) {
	if cap(r.text)+cap(r.html)+cap(r.message) <= maxRoom {
		w.rooms.Put(r)
	}
}

type spelling struct{ region, raw string }

type number struct {
	e164     string // "" if it is no telephone number
	national string // as people of its country write it

	international string // as people abroad write it
}

// maxNumbers bounds what is remembered to about 15 MB; it is forgotten all at once then.
const maxNumbers = 50_000

// NewNumberCache gives an empty workshop.
func NewNumberCache() *NumberCache { return &NumberCache{known: make(map[spelling]number)} }

// E164 is phone.E164, remembered.
func (w *NumberCache) E164(raw, region string) (string, bool) {
	got := w.read(raw, region)
	return got.e164, got.e164 != ""
}

func (w *NumberCache) read(raw, region string) number {
	key := spelling{region, raw}
	w.mu.RLock()
	got, ok := w.known[key]
	w.mu.RUnlock()
	if ok {
		return got
	}
	if e164, ok := phone.E164(raw, region); ok {
		got = number{e164, phone.National(e164), phone.International(e164)}
	}
	if len(raw) > 128 {
		return got // hardly an envelope is that long
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) >= maxNumbers {
		clear(w.known)
	}
	key.raw = strings.Clone(raw) // raw may be a piece of something large
	w.known[key] = got
	return got
}
