package report

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
)

// ImportedCopy is a copy that is in a mailbox according to a journal.
type ImportedCopy struct {
	journal.Copy
	Batch string // its own, also if its message was made from the record of another one

	// Err is why no message can be made, without content. The copy then has no Record, and Message must not be called.
	Err    error
	Record *record.Record // of which the message was made

	line *batchLine
	form Form
}

// ImportedCopies returns an iterator over the copies that are in mailboxes, in the order of the batches and of their
// lines, whether the batches are finished or not. An error is the last thing that it yields. The form is that of their
// messages.
//
// Memory holds one batch with its journal, and another batch if a copy's message was made from a record in it.
func ImportedCopies(ctx context.Context, store *archive.Store, form Form) iter.Seq2[*ImportedCopy, error] {
	return func(yield func(*ImportedCopy, error) bool) {
		r := &copyReader{store: store, form: form, numbers: message.NewNumberCache(), yield: yield}
		for b, err := range store.Batches().All(ctx) {
			if err != nil {
				yield(nil, fmt.Errorf("list the batches: %w", err))
				return
			}
			err := r.readBatch(ctx, b.Name)
			if errors.Is(err, errStopped) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("batch %s: %w", b.Name, err))
				return
			}
		}
	}
}

// errStopped reports that the loop over the copies has ended.
var errStopped = errors.New("the loop has ended")

// The reasons why a copy has no message.
var (
	errNoLine  = errors.New("the batch has no such line")
	errNoFirst = errors.New("the record that was collected first, of which the message was made, is not there")
	errForeign = errors.New("the journal's copy is of another message or mailbox than the line of the batch")
)

// copyReader is the state of ImportedCopies.
type copyReader struct {
	store   *archive.Store
	form    Form
	numbers *message.NumberCache
	yield   func(*ImportedCopy, error) bool
}

// readBatch yields the copies of one batch.
func (r *copyReader) readBatch(ctx context.Context, name string) error {
	state, err := journal.Read(ctx, r.store.Logs(), name)
	if err != nil {
		return err
	}
	var numbers []int
	imported := map[int][]journal.Copy{}
	for _, n := range state.Lines() {
		copies := slices.DeleteFunc(state.Copies(n), func(c journal.Copy) bool {
			return c.Outcome != journal.Imported && c.Outcome != journal.Oversize
		})
		if len(copies) > 0 {
			numbers, imported[n] = append(numbers, n), copies
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	batch, _, err := r.store.Batches().Read(ctx, name)
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	for number, text := range selectLines(batch, numbers) {
		known, _ := state.Record(number)
		if err := r.readLine(ctx, name, text, known, imported[number]); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

// readLine yields the copies of one line: those of its own record, and those of a record that was collected first.
func (r *copyReader) readLine(ctx context.Context, batch string, text []byte, known journal.Record,
	copies []journal.Copy) error {
	if text == nil {
		return r.yieldCopies(batch, nil, errNoLine, copies)
	}
	two := slices.ContainsFunc(copies, func(c journal.Copy) bool { return placeOf(c) != placeOf(copies[0]) })
	own := slices.DeleteFunc(slices.Clone(copies), func(c journal.Copy) bool { return c.First != nil })
	if len(own) > 0 {
		ofOwn := known
		if two && !r.fits(ctx, text, known) {
			ofOwn = journal.Record{}
		}
		line, err := r.parseLine(ctx, text, ofOwn)
		if err := r.yieldCopies(batch, line, err, own); err != nil {
			return err
		}
	}
	for _, c := range copies {
		if c.First == nil {
			continue
		}
		if err := r.readFirst(ctx, batch, known, c, two); err != nil {
			return err
		}
	}
	return nil
}

// yieldCopies yields copies with the line that their message was made from, or with the reason why there is none.
func (r *copyReader) yieldCopies(batch string, line *batchLine, reason error, copies []journal.Copy) error {
	for _, c := range copies {
		i := &ImportedCopy{Copy: c, Batch: batch, Err: reason, form: r.form}
		switch {
		case reason != nil:
		case record.Key(line.rec.Source, line.rec.ID, c.Mailbox) != c.Key:
			i.Err = errForeign
		default:
			i.Record, i.line = line.rec, line
		}
		if !r.yield(i, nil) {
			return errStopped
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
func (r *copyReader) fits(ctx context.Context, text []byte, known journal.Record) bool {
	l, err := r.parseLine(ctx, text, known)
	if err != nil {
		return true // readLine yields the error
	}
	m, err := l.build(nil)
	if err == nil {
		err = l.prove(m)
	}
	return !errors.Is(err, ErrDiffers)
}

// readFirst yields a copy whose message was made from another line, that of the record collected first. two reports
// whether the copy's own line also has copies made from another record: the journal of the first record's line then has
// the hash of its message, if there is one.
func (r *copyReader) readFirst(ctx context.Context, batch string, known journal.Record, c journal.Copy,
	two bool) error {
	data, _, err := r.store.Batches().Read(ctx, c.First.Batch)
	if IsEnvironmental(ctx, err) {
		return err
	}
	for number, text := range selectLines(data, []int{c.First.Line}) {
		if text == nil {
			break
		}
		if two && !r.fits(ctx, text, known) {
			state, err := journal.Read(ctx, r.store.Logs(), c.First.Batch)
			if err != nil {
				return err
			}
			known, _ = state.Record(number)
		}
		line, err := r.parseLine(ctx, text, known)
		return r.yieldCopies(batch, line, err, []journal.Copy{c})
	}
	return r.yieldCopies(batch, nil, errNoFirst, []journal.Copy{c})
}

// IsEnvironmental reports whether an error would occur with every other copy as well: ctx has ended, or the storage
// cannot be read.
func IsEnvironmental(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, archive.ErrUnavailable) ||
		errors.Is(err, archive.ErrDenied) || errors.Is(err, archive.ErrArchived))
}
