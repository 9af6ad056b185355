package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	_ "time/tzdata" // the mapping's dates are days of Europe/London, on whatever machine this runs

	"o2archiver/shared/report"
)

// printableText returns the source's text with escapes for everything that a terminal might interpret.
func printableText(text string) string {
	quoted := strconv.QuoteToGraphic(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// printList prints the list: numbers of archived phones first, then by the number of items.
func printList(w io.Writer, l *report.Unmapped) error {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return err
	}
	day := func(t time.Time) string { return t.In(london).Format(time.DateOnly) }
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(l.Rows) > 0 {
		fmt.Fprintln(table, "ITEMS\tOWN\tFIRST\tLAST\tNUMBER OR ADDRESS")
	}
	for _, text := range slices.SortedFunc(maps.Keys(l.Rows), func(a, b string) int {
		x, y := l.Rows[a], l.Rows[b]
		return cmp.Or(y.Own-x.Own, y.Items-x.Items, strings.Compare(printableText(a), printableText(b)))
	}) {
		r := l.Rows[text]
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t%s\n", r.Items, r.Own, day(r.First), day(r.Last), printableText(text))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%d unmapped items in %d batches.\n", l.Items, l.Batches); err != nil {
		return err
	}
	if l.Nameless > 0 {
		if _, err := fmt.Fprintf(w,
			"%d of them name no number and no address: no mapping can help them.\n", l.Nameless); err != nil {
			return err
		}
	}
	if l.Open > 0 {
		_, err = fmt.Fprintf(w, "%d batches are not imported to their end, and may have more.\n", l.Open)
	}
	return err
}
