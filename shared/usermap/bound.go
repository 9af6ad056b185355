package usermap

import (
	"cmp"
	"slices"
)

// Limits on the number of addresses about which the directory is asked. A message to a whole organization has some
// ten thousand. Without a limit, one item of 16 MiB has a million, which take half an hour to look up.
const (
	maxOfItem  = 20_000  // distinct addresses of one item
	maxOfBatch = 100_000 // distinct addresses of all items that are looked up together
)

// Partial is the error of a Directory that could answer for some of the addresses only.
type Partial struct {
	Open map[string]error // addresses without an answer, each with the reason: their users are not known yet
	// Refused has the addresses that the directory does not look up, each with the reason: they belong to no user.
	Refused map[string]string
}

func (p *Partial) Error() string { return "the directory has no answer about some of the addresses" }

// boundAddresses removes the addresses beyond the limits from people, the last ones of an item first. It returns how
// many it removed from each item. Items with few addresses keep all of theirs, whatever other items have.
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

// keepAddresses reduces the participants to room distinct addresses. It returns how many are left, and how many were
// removed.
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
	for i := range all { // the administrator's addresses, among them the owner's, take precedence
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
