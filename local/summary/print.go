// Package summary prints the summary of an archive.
package summary

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"o2archiver/shared/report"
)

// columns is the width of the smallest terminal in use.
const columns = 80

// printer prints a summary. No line is wider than columns, for up to a thousand million records.
type printer struct {
	w       io.Writer
	numbers *message.Printer // formats %d with thousands separators
}

// PrintText writes the summary as text. took is how long the run took.
func PrintText(w io.Writer, s *report.Summary, took time.Duration) {
	p := printer{w, message.NewPrinter(language.English)}
	fmt.Fprintln(w)
	p.wrap("", "",
		p.numbers.Sprintf("The archive after %s. Runs of fetch so far, one for each window of time or ZIP: %d",
			took.Round(100*time.Millisecond).String(), s.Runs.All))
	p.outcomes(s)
	p.types(s.Types)
	fmt.Fprintln(w)
	for _, sentence := range sentencesOf(s) {
		p.sentence(sentence.format, sentence.args...)
	}
	p.list("Quarantined or failed, because", s.Reasons)
	p.list("Fields left out of messages, named as in the source contract", s.LeftOut)
	p.list("Runs in which no item has a member that the contract expects", s.Absent)
	p.list("Numbers in unmapped records, the last digits left out", s.Unmapped)
}

// sentence is a sentence of the summary as a format and its arguments.
type sentence struct {
	format string
	args   []any
}

// sentencesOf returns the conclusions from the numbers. They say that the sums hold only if something was collected,
// and name what is still missing.
func sentencesOf(s *report.Summary) (all []sentence) {
	say := func(format string, args ...any) { all = append(all, sentence{format, args}) }
	pending := s.Records.Pending + s.Copies.Pending
	switch {
	case s.Records.Collected == 0:
		say("Nothing was collected, so there are no sums to compare.")
	case s.Totals.Holds() != nil:
	case s.Runs.Open > 0:
		say(
			"Both sums hold for what was collected so far. Runs of fetch not finished: %d; records "+
				"pending: %d; copies pending: %d",
			s.Runs.Open, s.Records.Pending, s.Copies.Pending)
	case pending > 0:
		say("Both sums hold. Records still pending: %d; copies still pending: %d", s.Records.Pending, s.Copies.Pending)
	default:
		say("Both sums hold: every record and every copy has its outcome.")
	}
	switch {
	case s.Runs.All == 0:
		say("Nothing was received from the source.")
	case s.Source.Total != nil:
		say("Items that the source says it holds: %d; received: %d", *s.Source.Total, s.Source.Received)
	default:
		say("The source does not say how many items it holds; received: %d", s.Source.Received)
	}
	if s.Incomplete > 0 {
		say("Attachments gone for good at the source: %d; the messages say so in their place.", s.Incomplete)
	}
	if n := s.Records.LeftOut; n > 0 {
		say("Records with a field that their message lacks, because of its JSON type or a bound: %d", n)
	}
	if n := s.Records.Differing; n > 0 {
		say("Records with the id of another one and other content or participants: %d; their copies: %d",
			n, s.Differing)
	}
	return all
}

// outcomes prints the two sums, and explains the outcomes' names.
func (p printer) outcomes(s *report.Summary) {
	r, c := s.Records, s.Copies
	line := func(n int, word, meaning string) {
		p.wrap(p.numbers.Sprintf(" %13d  ", n)+fmt.Sprintf("%-11s  ", word), strings.Repeat(" ", 29), meaning)
	}
	fmt.Fprintln(p.w, "\n  Records")
	line(r.Collected, "collected", "")
	line(r.Archived, "archived", "in the mailbox of everyone in it who has one")
	line(r.Unmapped, "unmapped", "no one in it has a mailbox here")
	line(r.Excluded, "excluded", "the source's own heartbeats")
	line(r.Quarantined, "quarantined", "no message can be made of it; it is kept as it came")
	line(r.Failed, "failed", "a mailbox did not take it")
	line(r.Pending, "pending", "it has no outcome yet")
	fmt.Fprintln(p.w, "\n  Copies (a copy is one message in one mailbox)")
	line(c.Planned, "planned", "")
	line(c.Imported, "imported", "")
	line(c.Duplicate, "duplicate",
		"the mailbox has it already: a second owner's phone, or an earlier run, had the same message")
	line(c.Oversize, "oversize", "imported without what is too large for the mailbox")
	line(c.Failed, "failed", "")
	line(c.Pending, "pending", "")
}

// types prints the outcomes by the source's types.
func (p printer) types(types map[string]report.Outcomes) {
	if len(types) == 0 {
		return
	}
	fmt.Fprintf(p.w, "\n  %-12s %12s %12s %12s %12s %12s\n",
		"Type", "archived", "unmapped", "excluded", "quarantined", "failed")
	for _, kind := range slices.Sorted(maps.Keys(types)) {
		t := types[kind]
		fmt.Fprintf(p.w, "  %-12s ", clipText(cmp.Or(kind, "(no type)"), 12))
		p.numbers.Fprintf(p.w, "%12d %12d %12d %12d %12d\n",
			t.Archived, t.Unmapped, t.Excluded, t.Quarantined, t.Failed)
	}
}

// list prints the most frequent entries.
func (p printer) list(title string, counts map[string]int) {
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
	fmt.Fprintf(p.w, "\n  %s\n", title)
	for i, key := range keys {
		if i == most {
			p.numbers.Fprintf(p.w, "  and %d more\n", len(keys)-most)
			break
		}
		p.wrap(p.numbers.Sprintf("  %12d × ", counts[key]), strings.Repeat(" ", 17), key)
	}
}

// sentence prints a sentence, wrapped and indented.
func (p printer) sentence(format string, args ...any) {
	p.wrap("  ", "  ", p.numbers.Sprintf(format, args...))
}

// wrap prints the text wrapped at columns. The first line begins with first, the following ones with rest. A word
// longer than a line is split.
func (p printer) wrap(first, rest, text string) {
	line, room := first, columns-utf8.RuneCountInString(first)
	empty := true
	next := func() {
		fmt.Fprintln(p.w, strings.TrimRight(line, " "))
		line, room, empty = rest, columns-utf8.RuneCountInString(rest), true
	}
	for _, word := range strings.Fields(text) {
		letters := []rune(word)
		if !empty && len(letters)+1 > room {
			next()
		}
		for len(letters) > room && empty {
			line += string(letters[:room])
			letters = letters[room:]
			next()
		}
		if !empty {
			line, room = line+" ", room-1
		}
		line, room, empty = line+string(letters), room-len(letters), false
	}
	next()
}

// clipText returns s truncated to n characters.
func clipText(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
