package firsts

import (
	"bytes"

	"o2archiver/shared/record"
)

// The limits of a batch. A single entry that is larger is a batch of its own.
const (
	MaxRecords = 100
	MaxBytes   = 1 << 20
)

// Batch is the batch of a run that is written next. Its lines name the records that the run has collected first.
type Batch struct {
	Firsts *Firsts // of the run

	lines   bytes.Buffer
	records int
	ids     []Identity // one for each line
}

// Append appends an entry, and reports whether the batch has room for it. If not, the batch has to be written, and the
// entry appended to the next one.
func (b *Batch) Append(e record.Entry, id Identity) (fits bool, err error) {
	line, err := b.Firsts.encodeLine(e, id, b.ids)
	if err != nil {
		return false, err
	}
	if b.records > 0 && (b.records+e.Records() > MaxRecords || b.lines.Len()+len(line) > MaxBytes) {
		return false, nil
	}
	b.lines.Write(line)
	b.records += e.Records()
	b.ids = append(b.ids, id)
	return true, nil
}

// Lines returns the lines of the batch. They are valid until Written.
func (b *Batch) Lines() []byte { return b.lines.Bytes() }

// Records returns the number of records in the batch.
func (b *Batch) Records() int { return b.records }

// Written stores that the batch was written under a name, and begins the next one.
func (b *Batch) Written(name string) {
	b.Firsts.Add(name, b.ids)
	b.lines.Reset()
	b.records, b.ids = 0, nil
}
