package collector

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

// maxFirsts bounds what is remembered of one window: about 40 bytes for each message id, so at most some 160 MB. An id beyond it is not
// noted, and which of its records is the first is left to import.
const maxFirsts = 4_000_000

// firsts remembers, for the message ids of one window, where the record lies that was collected first, and what its content is. It
// follows from the run's batches alone, so that a page that is read again, by this process or another one, gives the same batches.
//
// Ids and contents are kept as 64 bits of their hashes. Two ids with the same bits do no harm: import reads the record that it is
// referred to, and follows only one with its own id.
type firsts struct {
	places  map[uint64]firstPlace
	batches []string // names; a place has the index
}

type firstPlace struct {
	content uint64
	batch   uint32
	line    uint32
}

// identity is what firsts keeps of one entry.
type identity struct {
	ids     []uint64 // the first is the message's own, the others those of the pieces of a long SMS; none: it is not kept
	content uint64
}

func newFirsts() *firsts { return &firsts{places: map[uint64]firstPlace{}} }

// identityOf reads an entry as import does. One that import will not archive, and one without an id of its own, has no identity.
func identityOf(e record.Entry) identity {
	r, err := telemessage.Parse(e)
	if err != nil || r.Kind == record.System || r.Derived {
		return identity{}
	}
	id := identity{ids: []uint64{bitsOf(record.MessageKey(r.ID))}, content: bitsOf(r.Fingerprint())}
	for _, p := range r.Pieces {
		if p.ID != "" && p.ID != r.ID {
			id.ids = append(id.ids, bitsOf(record.MessageKey(p.ID)))
		}
	}
	return id
}

// bitsOf is the beginning of a hash in hex.
func bitsOf(sum string) uint64 {
	var b [8]byte
	_, _ = hex.Decode(b[:], []byte(sum[:16])) // it is one of record's own
	return binary.BigEndian.Uint64(b[:])
}

// earlier is the place of the record that was collected first, if its content is another; otherwise nil.
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

// add notes the entries of a batch, in the order of its lines.
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

// addBatch notes a batch that is there already.
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

// inOrder sorts a run's batches as they were written: one that stands beside another of its number, 00001-b, comes after it.
func inOrder(batches []archive.BatchInfo) {
	split := func(b archive.BatchInfo) (int, string) {
		_, suffix, _ := strings.Cut(strings.TrimSuffix(path.Base(b.Name), ".ndjson"), "-")
		n, _ := archive.BatchNumber(b.Name) // of a batch's name, so it is one
		return n, suffix
	}
	slices.SortFunc(batches, func(a, b archive.BatchInfo) int {
		numberA, suffixA := split(a)
		numberB, suffixB := split(b)
		return cmp.Or(cmp.Compare(numberA, numberB), cmp.Compare(suffixA, suffixB))
	})
}
