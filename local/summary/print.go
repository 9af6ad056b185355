package summary

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Print writes the summary for a person.
func (s *Summary) Print(w io.Writer, took time.Duration) {
	fmt.Fprintf(w, "\nThe archive after %s. Runs of fetch so far, each for one slice of time: %d\n\n", took.Round(100*time.Millisecond), s.Runs.All)
	s.tables(w)
	if s.Totals.Holds() == nil {
		if r, c := s.Records.Pending, s.Copies.Pending; r+c == 0 {
			fmt.Fprintln(w, "  Both sums hold: every record and every copy has its outcome.")
		} else {
			fmt.Fprintf(w, "  Both sums hold; %d records and %d copies are still pending.\n", r, c)
		}
	}
	if s.Source.Total != nil {
		fmt.Fprintf(w, "  The source says it holds %d items; %d were received.\n", *s.Source.Total, s.Source.Received)
	} else {
		fmt.Fprintf(w, "  The source does not say how many items it holds; %d were received.\n", s.Source.Received)
	}
	if s.Incomplete > 0 {
		fmt.Fprintf(w, "  %d attachments are gone for good at the source; the messages say so in their place.\n", s.Incomplete)
	}
	if s.Differing > 0 {
		fmt.Fprintf(w, "  %d duplicates had other content than the message that came first.\n", s.Differing)
	}
	list(w, "Quarantined or failed, because", s.Reasons)
	list(w, "Numbers in unmapped records, the last digits left out", s.Unmapped)
}

// tables has records by type and copies, with the words explained that are ours.
func (s *Summary) tables(w io.Writer) {
	r, c := s.Records, s.Copies
	fmt.Fprintf(w, "  %-10s %11s %11s %11s %11s %11s %11s %11s\n", "records", "collected", "archived", "unmapped", "excluded", "quarantined", "failed", "pending")
	row := func(name string, collected int, t Outcomes, pending string) {
		fmt.Fprintf(w, "  %-10s %11d %11d %11d %11d %11d %11d %11s\n", name, collected, t.Archived, t.Unmapped, t.Excluded, t.Quarantined, t.Failed, pending)
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Types)) {
		t := s.Types[kind]
		row(clip(cmp.Or(kind, "(no type)"), 10), t.Archived+t.Unmapped+t.Excluded+t.Quarantined+t.Failed, t, "")
	}
	row("all", r.Collected, Outcomes{r.Archived, r.Unmapped, r.Excluded, r.Quarantined, r.Failed}, fmt.Sprint(r.Pending))
	fmt.Fprint(w, "    unmapped: nobody in it has a mailbox here; excluded: the source's own heartbeats;\n"+
		"    quarantined: no message can be made of it, kept as it came; types are the source's words\n")
	fmt.Fprintf(w, "\n  %-10s %11s %11s %11s %11s %11s %11s\n", "copies", "planned", "imported", "duplicate", "oversize", "failed", "pending")
	fmt.Fprintf(w, "  %-10s %11d %11d %11d %11d %11d %11d\n", "all", c.Planned, c.Imported, c.Duplicate, c.Oversize, c.Failed, c.Pending)
	fmt.Fprint(w, "    a copy is one message in one mailbox; duplicate: it was there already, as a second owner's phone,\n"+
		"    or an earlier run, had the same message; oversize: imported without what is too large for the mailbox\n\n")
}

// list prints the commonest entries.
func list(w io.Writer, title string, counts map[string]int) {
	const most = 12
	if len(counts) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	fmt.Fprintf(w, "\n  %s\n", title)
	for i, key := range keys {
		if i == most {
			fmt.Fprintf(w, "    and %d more\n", len(keys)-most)
			break
		}
		fmt.Fprintf(w, "    %5d × %s\n", counts[key], key)
	}
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
