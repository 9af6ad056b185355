package journal

import "fmt"

// Totals holds the two sums, of records and of copies, for one batch or for several. Holds verifies them.
type Totals struct {
	Records RecordTotals `json:"records"`
	Copies  CopyTotals   `json:"copies"`
}

// RecordTotals counts items of the source by outcome. The last three fields are not outcomes and belong to no sum.
type RecordTotals struct {
	Collected   int `json:"collected"`
	Archived    int `json:"archived"`
	Unmapped    int `json:"unmapped"`
	Excluded    int `json:"excluded"`
	Quarantined int `json:"quarantined"`
	Failed      int `json:"failed"`
	Pending     int `json:"pending"`

	LeftOut    int `json:"leftOut"`    // items with a field that the message lacks
	Incomplete int `json:"incomplete"` // items with an attachment that the source no longer has
	Differing  int `json:"differing"`  // items with the message id of another item that has other content
}

// CopyTotals counts copies by outcome.
type CopyTotals struct {
	Planned   int `json:"planned"`
	Imported  int `json:"imported"`
	Duplicate int `json:"duplicate"`
	Oversize  int `json:"oversize"`
	Failed    int `json:"failed"`
	Pending   int `json:"pending"`
}

// Totals returns the totals of the journal. If the batch is not finished, they include only the records that the
// journal mentions; Of sets the number of all.
func (s State) Totals() Totals {
	var t Totals
	for line, l := range s.lines {
		if l.record == nil {
			t.Records.Collected++
			t.Records.Pending++
		} else {
			t.Records.count(*l.record)
		}
		for _, c := range l.copies {
			t.Copies.count(c.Outcome)
		}
		missing := len(s.Planned(line)) - len(l.copies)
		t.Copies.Planned += missing
		t.Copies.Pending += missing
	}
	return t
}

func (r *RecordTotals) count(of Record) {
	n := max(1, of.Records)
	r.Collected += n
	if of.LeftOut > 0 {
		r.LeftOut += n
	}
	if of.Incomplete > 0 {
		r.Incomplete += n
	}
	if of.Differs {
		r.Differing += n
	}
	switch of.Outcome {
	case Archived:
		r.Archived += n
	case Unmapped:
		r.Unmapped += n
	case Excluded:
		r.Excluded += n
	case Quarantined:
		r.Quarantined += n
	case RecordFailed:
		r.Failed += n
	}
}

// FieldsLeftOut returns, by the name of a field, the number of lines of the batch whose message lacks the field.
func (s State) FieldsLeftOut() map[string]int {
	return s.countNames(func(r *Record) []string { return r.Fields })
}

// FieldsMissing returns, by the name of a field, the number of lines of the batch for which the source did not send
// it.
func (s State) FieldsMissing() map[string]int {
	return s.countNames(func(r *Record) []string { return r.Missing })
}

func (s State) countNames(of func(*Record) []string) map[string]int {
	counts := map[string]int{}
	for _, l := range s.lines {
		if l.record == nil {
			continue
		}
		for _, name := range of(l.record) {
			counts[name]++
		}
	}
	return counts
}

func (c *CopyTotals) count(o Outcome) {
	c.Planned++
	switch o {
	case Imported:
		c.Imported++
	case Duplicate:
		c.Duplicate++
	case Oversize:
		c.Oversize++
	case CopyFailed:
		c.Failed++
	}
}

// Of returns the totals with collected as the number of records that were collected: records without an outcome count
// as pending.
func (t Totals) Of(collected int) Totals {
	r := &t.Records
	r.Collected = collected
	r.Pending = collected - (r.Archived + r.Unmapped + r.Excluded + r.Quarantined + r.Failed)
	return t
}

// Add returns the sum of t and o.
func (t Totals) Add(o Totals) Totals {
	t.Records.Collected += o.Records.Collected
	t.Records.Archived += o.Records.Archived
	t.Records.Unmapped += o.Records.Unmapped
	t.Records.Excluded += o.Records.Excluded
	t.Records.Quarantined += o.Records.Quarantined
	t.Records.Failed += o.Records.Failed
	t.Records.Pending += o.Records.Pending
	t.Records.LeftOut += o.Records.LeftOut
	t.Records.Incomplete += o.Records.Incomplete
	t.Records.Differing += o.Records.Differing
	t.Copies.Planned += o.Copies.Planned
	t.Copies.Imported += o.Copies.Imported
	t.Copies.Duplicate += o.Copies.Duplicate
	t.Copies.Oversize += o.Copies.Oversize
	t.Copies.Failed += o.Copies.Failed
	t.Copies.Pending += o.Copies.Pending
	return t
}

// Holds returns an error, with the difference, if one of the two sums does not hold.
func (t Totals) Holds() error {
	r, c := t.Records, t.Copies
	if err := checkSum("records collected", r.Collected,
		r.Archived, r.Unmapped, r.Excluded, r.Quarantined, r.Failed, r.Pending); err != nil {
		return err
	}
	return checkSum("copies planned", c.Planned, c.Imported, c.Duplicate, c.Oversize, c.Failed, c.Pending)
}

// checkSum returns an error if parts do not add up to whole. what names the sum in the error.
func checkSum(what string, whole int, parts ...int) error {
	total := 0
	for _, p := range parts {
		if p < 0 {
			return fmt.Errorf("%s: %d, but the outcomes are %d more", what, whole, -p)
		}
		total += p
	}
	switch {
	case total > whole:
		return fmt.Errorf("%s: %d, but the outcomes are %d more", what, whole, total-whole)
	case total < whole:
		return fmt.Errorf("%s: %d, but %d have no known outcome and are not pending", what, whole, whole-total)
	}
	return nil
}
