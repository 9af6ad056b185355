package collector

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"

	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
)

// maxFirsts is the maximum number of message ids remembered for one window: about 40 bytes each, some 10 MB in all.
// Further ids are not remembered, and import decides which of their records was the first.
const maxFirsts = 250_000

// firsts maps the message ids of one window to the place and the content of the record that was collected first. It is
// derived from the run's batches alone, so that a page that is read again, by this or another process, yields the same
// batches.
//
// Ids and contents are stored as the first 64 bits of their hashes. A collision of two ids does no harm: import reads
// the record that an entry refers to, and uses it only if it has the same id.
type firsts struct {
	places  map[uint64]firstPlace
	batches []string // names, by firstPlace.batch
}

type firstPlace struct {
	content uint64
	batch   uint32
	line    uint32
}

// identity is what firsts stores of one entry.
type identity struct {
	ids     []uint64 // the message's own id, then those of the parts of a long SMS; empty: the entry is not stored
	content uint64
}

func newFirsts() *firsts { return &firsts{places: map[uint64]firstPlace{}} }

// identityOf returns the identity of an entry, which it parses as import does. An entry that import will not archive,
// or without an id of its own, has the zero identity.
func identityOf(e record.Entry) identity {
	r, err := source.Parse(e)
	if err != nil || r.Kind == record.System || r.Derived {
		return identity{}
	}
	id := identity{ids: []uint64{bitsOf(record.MessageKey(r.Source, r.ID))}, content: bitsOf(r.Fingerprint())}
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
func (f *firsts) earlier(id identity) *record.Place {
	if len(id.ids) == 0 {
		return nil
	}
	at, ok := f.places[id.ids[0]]
	if !ok || at.content == id.content {
		return nil
	}
	return &record.Place{Batch: f.batches[at.batch], Line: int(at.line)}
}

// add stores the entries of a batch, in the order of its lines.
func (f *firsts) add(batch string, entries []identity) {
	n := uint32(len(f.batches))
	f.batches = append(f.batches, batch)
	for i, e := range entries {
		for _, id := range e.ids {
			if _, ok := f.places[id]; !ok && len(f.places) < maxFirsts {
				f.places[id] = firstPlace{content: e.content, batch: n, line: uint32(i + 1)}
			}
		}
	}
}

// addBatch stores the entries of a batch that is already in storage.
func (f *firsts) addBatch(name string, data []byte) {
	var entries []identity
	for line := range bytes.Lines(data) {
		var e record.Entry
		var id identity
		if json.Unmarshal(line, &e) == nil {
			id = identityOf(e)
		}
		entries = append(entries, id)
	}
	f.add(name, entries)
}

// inOrder sorts a run's batches in the order in which they were written: a second batch of a number (00001-b) follows
// the first one.
func inOrder(batches []archive.BatchInfo) {
	slices.SortFunc(batches, func(a, b archive.BatchInfo) int { return archive.CompareBatches(a.Name, b.Name) })
}
