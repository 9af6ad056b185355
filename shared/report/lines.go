package report

import (
	"iter"
	"maps"
	"slices"

	"o2archiver/shared/journal"
)

// selectLines returns an iterator over some lines of a batch with their numbers, in ascending order. Numbers that the
// batch does not have come last, with a nil text.
func selectLines(batch []byte, numbers []int) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		missing := map[int]bool{}
		for _, number := range numbers {
			missing[number] = true
		}
		for number, text := range journal.BatchLines(batch) {
			if !missing[number] {
				continue
			}
			delete(missing, number)
			if !yield(number, text) {
				return
			}
		}
		for _, number := range slices.Sorted(maps.Keys(missing)) {
			if !yield(number, nil) {
				return
			}
		}
	}
}

// unmappedLines returns the numbers of the lines whose record found no mailbox, in ascending order.
func unmappedLines(state journal.State) (numbers []int) {
	for _, number := range state.Lines() {
		if r, ok := state.Record(number); ok && r.Outcome == journal.Unmapped {
			numbers = append(numbers, number)
		}
	}
	return numbers
}
