package message

import (
	"slices"
	"strings"
	"sync"

	// Numbers must be distinguished exactly as the user mapping distinguishes them, in derived sender addresses and
	// in the keys of a conversation. So both use this package.
	"o2archiver/shared/phone"
)

// NumberCache is a cache for the conversion of many messages. It keeps how telephone numbers were interpreted:
// parsing one takes up to 70 µs, several times as long as the rest of a message, and an organization's own numbers
// are in every one of its messages. It also keeps the buffers in which messages are built. It is safe for concurrent
// use and never changes the form of a message.
type NumberCache struct {
	mu    sync.RWMutex
	known map[spelling]number
	rooms sync.Pool // of *room
}

// room is a set of buffers in which a message is built.
type room struct{ text, html, message []byte }

// maxRoom is the maximum capacity in bytes of a room that is kept. A room that grew with a large text is discarded.
const maxRoom = 64 << 10

// enter returns a free room, or a new one. It belongs to the caller until leave.
func (w *NumberCache) enter() *room {
	if r, ok := w.rooms.Get().(*room); ok {
		return r
	}
	return new(room)
}

// leave makes a room available to other messages, unless it has become too large.
func (w *NumberCache) leave(r *room) {
	if cap(r.text)+cap(r.html)+cap(r.message) <= maxRoom {
		w.rooms.Put(r)
	}
}

// spelling is the key of a cached number.
type spelling struct{ region, raw string }

// number is a telephone number in the forms in which it is shown.
type number struct {
	e164     string // "" if it is not a telephone number
	national string // as it is written in its country

	international string // as it is written abroad
}

// spellings returns all forms in which people search for the number: +447700900123, 07700 900123, 07700900123,
// +44 7700 900123 and 447700900123. It returns nil if it is not a telephone number.
func (n number) spellings() []string {
	if n.e164 == "" {
		return nil
	}
	all := make([]string, 0, 5)
	for _, s := range []string{n.e164, n.national, digitsOf(n.national), n.international, n.e164[1:]} {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// digitsOf returns s without its separators.
func digitsOf(s string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(" ()-./", c) {
			return -1
		}
		return c
	}, s)
}

// maxNumbers limits the cache to about 15 MB. When it is full, it is cleared.
const maxNumbers = 50_000

// NewNumberCache returns an empty cache.
func NewNumberCache() *NumberCache { return &NumberCache{known: make(map[spelling]number)} }

// E164 is phone.E164 with a cached result.
func (w *NumberCache) E164(raw, region string) (string, bool) {
	got := w.read(raw, region)
	return got.e164, got.e164 != ""
}

// read returns the number for a spelling, from the cache or newly parsed. Two goroutines may parse the same spelling
// at the same time; both get the same result.
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
		return got // too long for any envelope; not worth caching
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) >= maxNumbers {
		clear(w.known)
	}
	key.raw = strings.Clone(raw) // raw may be part of a large string, which would stay in memory
	w.known[key] = got
	return got
}
