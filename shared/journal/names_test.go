package journal_test

import (
	"slices"
	"testing"

	"o2archiver/shared/journal"
)

func TestNameOfTheLogAndOfItsBatch(t *testing.T) {
	const batch, log = "2026/11/29/daily/00001-b.ndjson", "2026/11/29/daily/00001-b.jsonl"
	if got := journal.LogName(batch); got != log {
		t.Errorf("the log of %s is %s, want %s", batch, got, log)
	}
	if got := journal.BatchOf(log); got != batch {
		t.Errorf("the batch of %s is %s, want %s", log, got, batch)
	}
}

func TestBatchLinesAreNumberedFromOne(t *testing.T) {
	var got []string
	for n, line := range journal.BatchLines([]byte("a\n\nb")) {
		if n != len(got)+1 {
			t.Errorf("line %q has the number %d, want %d", line, n, len(got)+1)
		}
		got = append(got, string(line))
	}
	if want := []string{"a\n", "\n", "b"}; !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
}
