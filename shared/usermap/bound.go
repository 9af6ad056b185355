package usermap

import (
	"cmp"
	"slices"
)

// The bounds on how many addresses the directory is asked about. A message to a whole organization has some ten
// thousand; without a bound one item of 16 MiB has a million, which takes half an hour to ask for.
const (
	maxOfItem  = 20_000  // different addresses of one item
	maxOfBatch = 100_000 // and of all items that are asked about together
)

// Partial is the error of a Directory that has answers about some of the addresses only.
type Partial struct {
	Open    map[string]error  // addresses without an answer, each with the reason: whose they are is not known
	Refused map[string]string // addresses that the directory does not look up, each with the reason: they are no user's
}

func (p *Partial) Error() string { return "the directory has no answer about some of the addresses" }

// boundAddresses takes the addresses beyond the bounds out of people, the last ones of an item first, and returns how many of
// each item. Items with few addresses keep all of them, whatever stands beside them.
func boundAddresses(people [][]person) (dropped []int) {
	dropped = make([]int, len(people))
	order := make([]int, len(people))
	size := make([]int, len(people))
	for i, all := range people {
		order[i] = i
		for _, p := range all {
			size[i] += 1 + len(p.emails)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(size[a], size[b]) })
	room := maxOfBatch
	for n, i := range order {
		share := max(room/(len(order)-n), 0)
		used := 0
		used, dropped[i] = keepAddresses(people[i], min(maxOfItem, share))
		room -= used
	}
	return dropped
}

// keepAddresses leaves the participants so many different addresses. It returns how many they have then, and how many were
// taken away.
func keepAddresses(all []person, room int) (used, dropped int) {
	seen := map[string]bool{}
	fits := func(address string) bool {
		if !seen[address] && len(seen) >= room {
			dropped++
			return false
		}
		seen[address] = true
		return true
	}
	for i := range all { // first those that the administrator knows, among them the owner's
		if p := &all[i]; p.csv != "" && !fits(p.csv) {
			p.csv = ""
		}
	}
	for i := range all {
		p := &all[i]
		p.emails = slices.DeleteFunc(p.emails, func(address string) bool { return !fits(address) })
	}
	return len(seen), dropped
}
