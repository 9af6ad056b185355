package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// personHash is the length in bytes of what is kept of one person.
const personHash = 16

// Parties returns a text by which SameParties tells whether two records of one message name the same people: a hash over the
// set of the participants, and one of the phone's owner.
func (r *Record) Parties() string {
	var set [personHash]byte
	seen := map[[personHash]byte]bool{}
	for _, p := range r.Participants() {
		name := strings.TrimSpace(p.Value)
		if name == "" && len(p.Emails) > 0 {
			name = p.Emails[0]
		}
		if h := hashPerson(cmp.Or(name, p.Name())); !seen[h] {
			seen[h] = true
			set = toggleParty(set, h)
		}
	}
	owner := hashPerson(strings.TrimSpace(r.Owner))
	return hex.EncodeToString(set[:]) + "-" + hex.EncodeToString(owner[:])
}

// SameParties reports whether two values of Parties are of the same people. The order of the participants and the spelling of their
// numbers do not count. Neither does whether a record names the owners of the two phones: the record of one phone may
// leave its own owner out, or be of an owner whom the other phone knows nothing of.
func SameParties(a, b string) bool {
	setA, ownerA, okA := decodeParties(a)
	setB, ownerB, okB := decodeParties(b)
	if !okA || !okB {
		return a == b
	}
	// In a combination of sets only the people remain that are in one of them.
	rest := toggleParty(setA, setB)
	none := [personHash]byte{}
	return rest == none || rest == ownerA || rest == ownerB || rest == toggleParty(ownerA, ownerB)
}

func decodeParties(s string) (set, owner [personHash]byte, ok bool) {
	first, second, ok := strings.Cut(s, "-")
	if !ok || len(first) != 2*personHash || len(second) != 2*personHash {
		return set, owner, false
	}
	_, errSet := hex.Decode(set[:], []byte(first))
	_, errOwner := hex.Decode(owner[:], []byte(second))
	return set, owner, errSet == nil && errOwner == nil
}

// toggleParty adds a person to a set, or takes one out that is in it.
func toggleParty(a, b [personHash]byte) [personHash]byte {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

func hashPerson(name string) (h [personHash]byte) {
	d := sha256.Sum256([]byte(strings.ToLower(digitsOrText(name))))
	copy(h[:], d[:])
	return h
}
