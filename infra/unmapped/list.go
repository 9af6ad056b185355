package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	_ "time/tzdata" // the mapping's dates are days of Europe/London, on whatever machine this runs

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/phone"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
)

// row is the line of a number in E.164 form, or of an email address.
type row struct {
	items       int // unmapped items that name it
	own         int // of these, items that were archived from this number's phone
	first, last time.Time
}

// list is the result for a folder.
type list struct {
	region string
	rows   map[string]*row // by number or address

	batches, open   int // all batches; those not imported to their end
	items, nameless int // unmapped items; those that name no number and no address
}

// read reads the batches of the folder. A batch without a journal counts as open: its event is still to come.
func (l *list) read(ctx context.Context, folder string) error {
	root := filepath.Join(folder, archive.BatchesContainer)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !archive.HasBatchEnding(file) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		l.batches++
		if err := l.batch(folder, name); err != nil {
			return fmt.Errorf("batch %s: %w", name, err)
		}
		return nil
	})
	if err == nil && l.batches == 0 {
		err = fmt.Errorf("no batch is in %s", root)
	}
	return err
}

// batch adds the unmapped items of one batch.
func (l *list) batch(folder, name string) error {
	log, err := os.Open(filepath.Join(folder, archive.JournalContainer, filepath.FromSlash(journal.LogName(name))))
	if errors.Is(err, fs.ErrNotExist) {
		l.open++
		return nil
	}
	if err != nil {
		return err
	}
	defer log.Close()
	state, err := journal.Parse(log, name)
	if err != nil {
		return err
	}
	if !state.Done {
		l.open++
	}
	unmapped := map[int]int{} // line → records
	for _, number := range state.Lines() {
		if r, ok := state.Record(number); ok && r.Outcome == journal.Unmapped {
			unmapped[number] = max(1, r.Records)
		}
	}
	if len(unmapped) == 0 {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(folder, archive.BatchesContainer, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	for number, text := range journal.BatchLines(data) {
		records, ok := unmapped[number]
		if !ok {
			continue
		}
		delete(unmapped, number)
		var entry record.Entry
		if json.Unmarshal(text, &entry) != nil {
			return fmt.Errorf("line %d is not the JSON of an entry", number)
		}
		item, err := source.Parse(entry)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		l.add(item, records)
	}
	if len(unmapped) > 0 {
		return errors.New("its journal names lines that it does not have: they are not of one archive")
	}
	return nil
}

// add counts an item for each number and address in it. Other values, such as the name of a sender or a short code,
// can't be mapped and are not counted.
func (l *list) add(r *record.Record, records int) {
	owner, _ := phone.E164(r.Owner, l.region)
	named := map[string]bool{owner: true}
	for _, p := range r.Participants() {
		number, _ := phone.E164(p.Value, l.region)
		named[number] = true
		for _, address := range p.Emails {
			named[printableText(strings.ToLower(address))] = true
		}
	}
	delete(named, "")
	l.items += records
	if len(named) == 0 {
		l.nameless += records
	}
	for text := range named {
		at := l.rows[text]
		if at == nil {
			at = &row{first: r.Time, last: r.Time}
			l.rows[text] = at
		}
		at.items += records
		if text == owner {
			at.own += records
		}
		if r.Time.Before(at.first) {
			at.first = r.Time
		}
		if r.Time.After(at.last) {
			at.last = r.Time
		}
	}
}

// printableText returns the source's text with escapes for everything that a terminal might interpret.
func printableText(text string) string {
	quoted := strconv.QuoteToGraphic(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// print prints the list: numbers of archived phones first, then by the number of items.
func (l *list) print(w io.Writer) error {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return err
	}
	day := func(t time.Time) string { return t.In(london).Format(time.DateOnly) }
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(l.rows) > 0 {
		fmt.Fprintln(table, "ITEMS\tOWN\tFIRST\tLAST\tNUMBER OR ADDRESS")
	}
	for _, text := range slices.SortedFunc(maps.Keys(l.rows), func(a, b string) int {
		x, y := l.rows[a], l.rows[b]
		return cmp.Or(y.own-x.own, y.items-x.items, strings.Compare(a, b))
	}) {
		r := l.rows[text]
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t%s\n", r.items, r.own, day(r.first), day(r.last), text)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%d unmapped items in %d batches.\n", l.items, l.batches); err != nil {
		return err
	}
	if l.nameless > 0 {
		if _, err := fmt.Fprintf(w,
			"%d of them name no number and no address: no mapping can help them.\n", l.nameless); err != nil {
			return err
		}
	}
	if l.open > 0 {
		_, err = fmt.Fprintf(w, "%d batches are not imported to their end, and may have more.\n", l.open)
	}
	return err
}
