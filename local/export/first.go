package export

import (
	"context"
	"errors"
	"slices"

	"o2archiver/shared/journal"
	"o2archiver/shared/record"
)

// records exports the copies of one line: those of its own record, and those of a record that was collected first.
func (e *exporter) records(ctx context.Context, text []byte, known journal.Record, copies []journal.Copy,
	fail func(n int, why string)) error {
	two := slices.ContainsFunc(copies, func(c journal.Copy) bool { return placeOf(c) != placeOf(copies[0]) })
	own := slices.DeleteFunc(slices.Clone(copies), func(c journal.Copy) bool { return c.First != nil })
	ofOwn := known
	if two && len(own) > 0 && !e.fits(ctx, text, known) {
		ofOwn = journal.Record{}
	}
	if err := e.line(ctx, text, ofOwn, own, fail); err != nil {
		return err
	}
	for _, c := range copies {
		if c.First == nil {
			continue
		}
		if err := e.copyOfFirst(ctx, known, c, two, fail); err != nil {
			return err
		}
	}
	return nil
}

// placeOf returns the place of the record that a copy was made from: the zero Place for the copy's own line.
func placeOf(c journal.Copy) record.Place {
	if c.First == nil {
		return record.Place{}
	}
	return *c.First
}

// fits reports whether the journal's hash and names for a line may be those of this text's message. If the line's
// copies were made from two records, the journal has those of the record that was rendered last.
func (e *exporter) fits(ctx context.Context, text []byte, known journal.Record) bool {
	l, err := e.read(ctx, text, known)
	if err != nil {
		return true // line reports the error
	}
	m, err := l.build(nil)
	if err == nil {
		err = l.prove(m)
	}
	return !errors.Is(err, errDiffers)
}

// copyOfFirst exports a copy whose message was made from another line, that of the record collected first. two reports
// whether the copy's own line also has copies made from another record: the journal of the first record's line then has
// the hash of its message, if there is one.
func (e *exporter) copyOfFirst(ctx context.Context, known journal.Record, c journal.Copy, two bool,
	fail func(n int, why string)) error {
	data, _, err := e.store.Batches().Read(ctx, c.First.Batch)
	if isEnvironmental(ctx, err) {
		return err
	}
	for number, text := range journal.BatchLines(data) {
		if number != c.First.Line {
			continue
		}
		if two && !e.fits(ctx, text, known) {
			state, err := journal.Read(ctx, e.store.Logs(), c.First.Batch)
			if err != nil {
				return err
			}
			known, _ = state.Record(number)
		}
		return e.line(ctx, text, known, []journal.Copy{c}, fail)
	}
	fail(1, "the record that was collected first, of which the message was made, is not there")
	return nil
}
