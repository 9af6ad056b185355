package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"o2archiver/shared/phone"
	"o2archiver/shared/record"
	"o2archiver/shared/source"
)

// Unmapped is the list of the numbers and addresses in items that found no mailbox. They are what the mapping lacks.
type Unmapped struct {
	// Rows has a row for each number in E.164 form and each email address in lower case, as the source sent it.
	Rows map[string]*UnmappedRow

	Batches int // all batches
	Open    int // batches that are not imported to their end; they may have more

	Items    int // unmapped items
	Nameless int // of these, items that name no number and no address

	region string
}

// UnmappedRow counts the unmapped items that name one number or address.
type UnmappedRow struct {
	Items       int
	Own         int       // of these, items that were archived from this number's phone
	First, Last time.Time // of the items
}

// ReadUnmapped returns the list for a copy of the archive, of which it needs the batches and the journals. Numbers in
// national form are those of region. No error holds anything of the content.
//
// Memory holds one batch with its journal, and the rows.
func ReadUnmapped(ctx context.Context, folder Folder, region string) (*Unmapped, error) {
	u := &Unmapped{Rows: map[string]*UnmappedRow{}, region: region}
	for name, err := range folder.batches(ctx) {
		if err != nil {
			return nil, err
		}
		if err := u.addBatch(folder, name); err != nil {
			return nil, fmt.Errorf("batch %s: %w", name, err)
		}
	}
	return u, nil
}

// addBatch adds the unmapped items of one batch. A batch without a journal is open: its event is still to come.
func (u *Unmapped) addBatch(folder Folder, name string) error {
	u.Batches++
	state, err := folder.readJournal(name)
	if err != nil {
		return err
	}
	if !state.Done {
		u.Open++
	}
	numbers := unmappedLines(state)
	if len(numbers) == 0 {
		return nil
	}
	batch, err := folder.readBatch(name)
	if err != nil {
		return err
	}
	for number, text := range selectLines(batch, numbers) {
		if text == nil {
			return errors.New("its journal names lines that it does not have: they are not of one archive")
		}
		var entry record.Entry
		if json.Unmarshal(text, &entry) != nil {
			return fmt.Errorf("line %d is not the JSON of an entry", number)
		}
		item, err := source.Parse(entry)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		r, _ := state.Record(number)
		u.addItem(item, max(1, r.Records))
	}
	return nil
}

// addItem counts an item for each number and address in it. Other values, such as the name of a sender or a short code,
// can't be mapped and are not counted.
func (u *Unmapped) addItem(r *record.Record, records int) {
	owner, _ := phone.E164(r.Owner, u.region)
	named := map[string]bool{owner: true}
	for _, p := range r.Participants() {
		number, _ := phone.E164(p.Value, u.region)
		named[number] = true
		for _, address := range p.Emails {
			named[strings.ToLower(address)] = true
		}
	}
	delete(named, "")
	u.Items += records
	if len(named) == 0 {
		u.Nameless += records
	}
	for text := range named {
		row := u.Rows[text]
		if row == nil {
			row = &UnmappedRow{First: r.Time, Last: r.Time}
			u.Rows[text] = row
		}
		row.Items += records
		if text == owner {
			row.Own += records
		}
		if r.Time.Before(row.First) {
			row.First = r.Time
		}
		if r.Time.After(row.Last) {
			row.Last = r.Time
		}
	}
}
