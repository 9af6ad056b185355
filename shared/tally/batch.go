// Package tally counts what became of batches and runs, in the table totals and in documents of the container reports:
// what a page or a report shows about an archive is read from these, never computed from its journals. It imports
// aztables, as ledger does: its rows are replaced and queried, which the ledger's must never be.
//
// The row of a batch is a pure function of the batch's journal at one length. It is written whole, never added to. A
// row that was lost, or is of an earlier length, is therefore written again from the journal, and is exact again.
package tally

import (
	"maps"
	"slices"

	"o2archiver/shared/journal"
	"o2archiver/shared/record"
)

// Bounds of a row. What is beyond them is counted, not listed.
const (
	maxKinds = 20  // kinds of one batch; the others count as otherKind
	maxKind  = 40  // bytes of a kind
	maxLines = 250 // lines of a batch that are listed
	maxNotes = 100 // notes on lines of a batch that are listed
)

// otherKind stands for the kinds of a batch beyond the bounds.
const otherKind = "OTHER"

// Records counts records by outcome.
type Records struct {
	Archived    int `json:"archived,omitempty"`
	Unmapped    int `json:"unmapped,omitempty"`
	Excluded    int `json:"excluded,omitempty"`
	Quarantined int `json:"quarantined,omitempty"`
	Failed      int `json:"failed,omitempty"`
	Pending     int `json:"pending,omitempty"`
}

// add returns the sum of two counts.
func (r Records) add(o Records) Records {
	return Records{
		Archived: r.Archived + o.Archived, Unmapped: r.Unmapped + o.Unmapped, Excluded: r.Excluded + o.Excluded,
		Quarantined: r.Quarantined + o.Quarantined, Failed: r.Failed + o.Failed, Pending: r.Pending + o.Pending,
	}
}

// count adds n records with an outcome; one without is pending.
func (r *Records) count(o journal.Outcome, n int) {
	switch o {
	case journal.Archived:
		r.Archived += n
	case journal.Unmapped:
		r.Unmapped += n
	case journal.Excluded:
		r.Excluded += n
	case journal.Quarantined:
		r.Quarantined += n
	case journal.RecordFailed:
		r.Failed += n
	default:
		r.Pending += n
	}
}

// Copies counts copies by outcome.
type Copies struct {
	Imported  int `json:"imported,omitempty"`
	Duplicate int `json:"duplicate,omitempty"`
	Oversize  int `json:"oversize,omitempty"`
	Failed    int `json:"failed,omitempty"`
	Pending   int `json:"pending,omitempty"`
}

// add returns the sum of two counts.
func (c Copies) add(o Copies) Copies {
	return Copies{
		Imported: c.Imported + o.Imported, Duplicate: c.Duplicate + o.Duplicate, Oversize: c.Oversize + o.Oversize,
		Failed: c.Failed + o.Failed, Pending: c.Pending + o.Pending,
	}
}

// count adds one copy with an outcome; one without is pending.
func (c *Copies) count(o journal.Outcome) {
	switch o {
	case journal.Imported:
		c.Imported++
	case journal.Duplicate:
		c.Duplicate++
	case journal.Oversize:
		c.Oversize++
	case journal.CopyFailed:
		c.Failed++
	default:
		c.Pending++
	}
}

// Mailboxes counts the copies of mailboxes, by the mailbox's object id and the kind of the record. The kind of a record
// that has no outcome yet is empty.
type Mailboxes map[string]map[string]Copies

// add adds counts of one mailbox and kind.
func (m Mailboxes) add(mailbox, kind string, c Copies) {
	if m[mailbox] == nil {
		m[mailbox] = map[string]Copies{}
	}
	m[mailbox][kind] = m[mailbox][kind].add(c)
}

// Line is a line of a batch that was not archived.
type Line struct {
	Line    int    `json:"line"`              // of the batch, from 1
	Outcome string `json:"outcome"`           // of the record, or Pending
	Reason  Reason `json:"reason,omitempty"`  // why, if it has an outcome
	Kind    string `json:"kind,omitempty"`    // "" if it is not known
	Records int    `json:"records,omitempty"` // items of the source that the line stands for, if more than one
}

// Note is what is to be known of a line of a batch, whatever its outcome is.
type Note struct {
	Line    int           `json:"line"` // of the batch, from 1
	Kind    string        `json:"kind,omitempty"`
	Differs bool          `json:"differs,omitempty"` // another record with its message id has other content
	First   *record.Place `json:"first,omitempty"`   // that record, if this one's copies were made from it
	Gone    int           `json:"gone,omitempty"`    // attachments that the source no longer has
}

// Pending stands for the outcome of a line that has none yet.
const Pending = "pending"

// Batch is what the table has about a batch.
type Batch struct {
	Length int64          // bytes of the journal of which the rest is a function
	Head   string         // hex SHA-256 of the journal's last line; "" in a row of an earlier version of the program
	Done   bool           // every record has its outcome
	Totals journal.Totals // as in the journal

	Kinds     map[string]Records // by kind; the sums of Totals.Records
	Reasons   map[Reason]int     // records that were not archived
	Mailboxes Mailboxes          // the sums of Totals.Copies

	Lines []Line // that were not archived, at most maxLines; those excluded by rule come last
	More  int    // further lines that were not archived

	Notes     []Note // at most maxNotes
	MoreNotes int    // further notes

	Unmapped int // lines whose record found no mailbox: their numbers are in a document
}

// OfBatch returns what the table has to have about a batch whose journal, at that length, has the given state.
func OfBatch(state journal.State, length int64) Batch {
	b := Batch{Length: length, Head: state.Head(), Done: state.Done, Totals: state.Totals(),
		Kinds: map[string]Records{}, Reasons: map[Reason]int{}, Mailboxes: Mailboxes{}}
	var excluded []Line
	for _, n := range state.Lines() {
		r, settled := state.Record(n)
		kind, records := b.kindOf(r.Kind), max(1, r.Records)
		outcomes := b.Kinds[kind]
		outcomes.count(r.Outcome, records)
		b.Kinds[kind] = outcomes
		b.countCopies(state, n, kind)
		b.addNote(state, r, kind)
		line := Line{Line: n, Outcome: Pending, Kind: kind}
		if records > 1 {
			line.Records = records
		}
		if settled {
			line.Outcome, line.Reason = string(r.Outcome), ReasonOf(r)
		}
		switch {
		case r.Outcome == journal.Archived:
			continue
		case r.Outcome == journal.Excluded:
			excluded = append(excluded, line)
		case r.Outcome == journal.Unmapped:
			b.Unmapped++
			fallthrough
		default:
			b.Lines = append(b.Lines, line)
		}
		if settled {
			b.Reasons[line.Reason] += records
		}
	}
	b.Lines = append(b.Lines, excluded...)
	if b.More = max(0, len(b.Lines)-maxLines); b.More > 0 {
		b.Lines = b.Lines[:maxLines]
	}
	return b
}

// addNote adds what is to be known of a line.
func (b *Batch) addNote(state journal.State, r journal.Record, kind string) {
	if !r.Differs && r.Incomplete == 0 {
		return
	}
	if len(b.Notes) >= maxNotes {
		b.MoreNotes++
		return
	}
	n := Note{Line: r.Line, Kind: kind, Differs: r.Differs, Gone: r.Incomplete}
	for _, c := range state.Copies(r.Line) {
		if r.Differs && c.First != nil && n.First == nil {
			n.First = c.First
		}
	}
	b.Notes = append(b.Notes, n)
}

// kindOf returns the kind under which a record is counted.
func (b *Batch) kindOf(kind string) string {
	_, known := b.Kinds[kind]
	if len(kind) > maxKind || !known && len(b.Kinds) >= maxKinds {
		return otherKind
	}
	return kind
}

// countCopies counts the copies of a line, also those that are planned and have no outcome yet.
func (b *Batch) countCopies(state journal.State, line int, kind string) {
	of := map[string]Copies{}
	for _, c := range state.Copies(line) {
		counts := of[c.Mailbox]
		counts.count(c.Outcome)
		of[c.Mailbox] = counts
	}
	for _, mailbox := range state.Planned(line) {
		if _, there := of[mailbox]; !there {
			of[mailbox] = Copies{Pending: 1}
		}
	}
	for _, mailbox := range slices.Sorted(maps.Keys(of)) {
		if len(mailbox) > maxMailbox {
			b.Mailboxes.add(otherMailbox, kind, of[mailbox])
			continue
		}
		b.Mailboxes.add(mailbox, kind, of[mailbox])
	}
}
