package inspect

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxRows is how many rows of a table are printed.
const maxRows = 25

// print writes the report.
func (r *report) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d ZIPs with %d entries, %d of them messages. a stands for letters, 9 for digits.\n\n", r.zips,
		r.entries, r.messages)
	fmt.Fprintln(&b, "Assumptions (docs/delivery.md)")
	for _, line := range []struct {
		says    string
		n, of   int
		against string // what the number means that is missing
	}{
		{"names of ZIPs have the documented form", r.named, r.zips, "left aside"},
		{"ZIPs can be opened", r.zips - r.unreadable, r.zips, "cut short or not a ZIP"},
		{"ZIPs are what their manifest states", r.complete, r.zips - r.unreadable, "incomplete"},
		{"entries are messages or manifests", r.entries - r.others, r.entries, "other files"},
		{"messages become records", r.records, r.messages, "quarantined, or not readable"},
		{"records have an ArchiveMessageID", r.records - r.derived, r.records, "identified by their hash"},
		{"identities occur once", r.records - r.repeated, r.records, "the same identity again"},
		{"senders have a number", r.senders, r.records, "without one"},
		{"participants have a number", r.people - r.numberless, r.people, "found by their address only"},
		{"subjects say nothing that the record does not have", r.labelled, r.records, "with a subject of their own"},
		{"messages are not encrypted with a key of the customer", r.records - r.encrypted, r.records, "encrypted"},
		{"messages are not in a journal report", r.records - r.wrapped, r.records, "in a report, which is removed"},
	} {
		result := "holds"
		switch {
		case line.of == 0:
			result = "not seen"
		case line.n != line.of:
			result = fmt.Sprintf("%d not (%s)", line.of-line.n, line.against)
		}
		fmt.Fprintf(&b, "  %-55s %7d of %-7d %s\n", line.says, line.n, line.of, result)
	}
	for _, name := range slices.Sorted(maps.Keys(r.tables)) {
		table := r.tables[name]
		fmt.Fprintf(&b, "\n%s%s\n", strings.ToUpper(name[:1]), name[1:])
		for _, text := range table.most(maxRows) {
			fmt.Fprintf(&b, "  %7d  %s\n", table[text], text)
		}
		if more := len(table) - maxRows; more > 0 {
			fmt.Fprintf(&b, "           and %d more\n", more)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
