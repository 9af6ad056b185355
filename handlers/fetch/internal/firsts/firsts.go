// Package firsts remembers which record of each message a run has collected first, so that a later one with other
// content can name it. Which of two records is the first must not depend on the order in which import takes batches up.
package firsts

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"o2archiver/shared/record"
	"o2archiver/shared/source"
)

// maxIDs is the maximum number of message ids remembered for one run: about 40 bytes each, some 10 MB in all.
// Further ids are not remembered, and import decides which of their records was the first.
const maxIDs = 250_000

// Firsts maps the message ids of one run to the place and the content of the record that was collected first. It is
// derived from the run's batches alone, so that what is read again, by this or another process, yields the same
// batches.
//
// Ids and contents are stored as the first 64 bits of their hashes. A collision of two ids does no harm: import reads
// the record that an entry refers to, and uses it only if it has the same id.
type Firsts struct {
	places  map[uint64]firstPlace
	batches []string // names, by firstPlace.batch
}

type firstPlace struct {
	content uint64
	batch   uint32
	line    uint32
}

// Identity is what Firsts stores of one entry. The zero Identity is not stored.
type Identity struct {
	ids     []uint64 // the message's own id, then those of the parts of a long SMS; empty: the entry is not stored
	content uint64
}

// New returns Firsts that remember nothing.
func New() *Firsts { return &Firsts{places: map[uint64]firstPlace{}} }

// IdentityOf returns the identity of an entry, which it parses as import does. An entry that import will not archive,
// or without an id of its own, has the zero identity.
func IdentityOf(e record.Entry) Identity {
	r, err := source.Parse(e)
	if err != nil || r.Kind == record.System || r.Derived {
		return Identity{}
	}
	id := Identity{ids: []uint64{bitsOf(record.MessageKey(r.Source, r.ID))}, content: bitsOf(r.Fingerprint())}
	for _, p := range r.Pieces {
		if p.ID != "" && p.ID != r.ID {
			id.ids = append(id.ids, bitsOf(record.MessageKey(r.Source, p.ID)))
		}
	}
	return id
}

// bitsOf returns the first 64 bits of a hash in hex.
func bitsOf(sum string) uint64 {
	var b [8]byte
	_, _ = hex.Decode(b[:], []byte(sum[:16])) // it was encoded by package record, so it is valid
	return binary.BigEndian.Uint64(b[:])
}

// earlier returns the place of the message's first record if that has other content; otherwise nil.
func (f *Firsts) earlier(id Identity) *record.Place {
	if len(id.ids) == 0 {
		return nil
	}
	at, ok := f.places[id.ids[0]]
	if !ok || at.content == id.content {
		return nil
	}
	return &record.Place{Batch: f.batches[at.batch], Line: int(at.line)}
}

// encodeLine returns the line of an entry. It refers to the record of the same message that was collected first, unless
// a record of the message is in the same batch, of which these are the identities so far: there the order of the lines
// decides.
func (f *Firsts) encodeLine(e record.Entry, id Identity, batch []Identity) ([]byte, error) {
	here := slices.ContainsFunc(batch,
		func(other Identity) bool { return len(id.ids) > 0 && slices.Contains(other.ids, id.ids[0]) })
	e.Earlier = nil
	if !here {
		e.Earlier = f.earlier(id)
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line) // it appends the newline
	enc.SetEscapeHTML(false)      // the item's bytes stay as the source sent them
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode an entry: %w", err)
	}
	return line.Bytes(), nil
}

// Add stores the entries of a batch, in the order of its lines.
func (f *Firsts) Add(batch string, entries []Identity) {
	n := uint32(len(f.batches))
	f.batches = append(f.batches, batch)
	for i, e := range entries {
		for _, id := range e.ids {
			if _, ok := f.places[id]; !ok && len(f.places) < maxIDs {
				f.places[id] = firstPlace{content: e.content, batch: n, line: uint32(i + 1)}
			}
		}
	}
}

// AddBatch stores the entries of a batch that is already in storage.
func (f *Firsts) AddBatch(name string, data []byte) {
	var entries []Identity
	for line := range bytes.Lines(data) {
		var e record.Entry
		var id Identity
		if json.Unmarshal(line, &e) == nil {
			id = IdentityOf(e)
		}
		entries = append(entries, id)
	}
	f.Add(name, entries)
}
