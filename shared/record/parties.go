package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// personHash is the length in bytes of the hash of one person.
const personHash = 16

// Parties returns a text with which SameParties decides whether two records of a message have the same people: a hash
// of the set of participants, and a hash of the phone's owner.
func (r *Record) Parties() string {
	var set [personHash]byte
	seen := map[[personHash]byte]bool{}
	for _, p := range r.Participants() {
		// An address counts the same whether the organization's domains were known or not.
		if h := hashPerson(cmp.Or(strings.TrimSpace(p.Value), p.address(), p.Name())); !seen[h] {
			seen[h] = true
			set = toggleParty(set, h)
		}
	}
	owner := hashPerson(strings.TrimSpace(r.Owner))
	return hex.EncodeToString(set[:]) + "-" + hex.EncodeToString(owner[:])
}

// SameParties reports whether two results of Parties are of the same people. The order of the participants and the
// spelling of their numbers do not matter. Nor does it matter whether a record lists the owners of the two phones:
// the record of one phone may omit its own owner, or be of an owner whom the other phone does not know.
func SameParties(a, b string) bool {
	setA, ownerA, okA := decodeParties(a)
	setB, ownerB, okB := decodeParties(b)
	if !okA || !okB {
		return a == b
	}
	// Combining two sets leaves only the people that are in exactly one of them.
	rest := toggleParty(setA, setB)
	none := [personHash]byte{}
	return rest == none || rest == ownerA || rest == ownerB || rest == toggleParty(ownerA, ownerB)
}

// decodeParties parses a result of Parties. ok is false if s has another form.
func decodeParties(s string) (set, owner [personHash]byte, ok bool) {
	first, second, ok := strings.Cut(s, "-")
	if !ok || len(first) != 2*personHash || len(second) != 2*personHash {
		return set, owner, false
	}
	_, errSet := hex.Decode(set[:], []byte(first))
	_, errOwner := hex.Decode(owner[:], []byte(second))
	return set, owner, errSet == nil && errOwner == nil
}

// toggleParty returns the set with a person added, or removed if the set had it. Combining two sets is the same
// operation.
func toggleParty(a, b [personHash]byte) [personHash]byte {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

// hashPerson returns the hash of a person's number or name, ignoring case and the spelling of a number.
func hashPerson(name string) (h [personHash]byte) {
	d := sha256.Sum256([]byte(strings.ToLower(digitsOrText(name))))
	copy(h[:], d[:])
	return h
}
