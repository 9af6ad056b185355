package journal

// Bound makes the journal full at smaller lengths, so that a test need not write so much.
func (j *Journal) Bound(plans, outcomes int64) { j.bounds = bounds{plans, outcomes} }
