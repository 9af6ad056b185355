package journal

import (
	"bytes"
	"iter"
	"strings"
)

// The ends of the names of a batch and of its log, which are otherwise the same.
const (
	batchEnding = ".ndjson"
	logEnding   = ".jsonl"
)

// LogName returns the name of a batch's log within the container of the journals.
func LogName(batch string) string { return strings.TrimSuffix(batch, batchEnding) + logEnding }

// BatchOf returns the name of the batch that a log belongs to. It is the inverse of LogName.
func BatchOf(log string) string { return strings.TrimSuffix(log, logEnding) + batchEnding }

// BatchLines returns an iterator over the lines of a batch with their numbers in its journal: line N of the journal is
// line N of the batch, counted from 1. An empty line counts. Each line includes its line feed, if it has one.
func BatchLines(batch []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		number := 0
		for text := range bytes.Lines(batch) {
			if number++; !yield(number, text) {
				return
			}
		}
	}
}
