package journal

import (
	"maps"
	"slices"
)

// State is the content of a journal. The zero State is that of a batch without a journal.
type State struct {
	Done bool // every record has its outcome, and nothing was appended after the line "done"

	lines map[int]lineState
	head  string
}

// lineState is what the journal has about one line of the batch.
type lineState struct {
	record  *Record
	planned []string        // mailboxes, sorted
	copies  map[string]Copy // by mailbox
}

// Head returns the hex SHA-256 of the last line of the log, without its line feed: with it one can tell later whether
// the log was changed up to there. It is "" if there is no log, or if the state is of a journal whose log does not have
// all lines yet.
func (s State) Head() string { return s.head }

// Lines returns the numbers of the batch's lines that the journal mentions, in order.
func (s State) Lines() []int { return slices.Sorted(maps.Keys(s.lines)) }

// Record returns the latest outcome of a line of the batch, and whether there is one.
func (s State) Record(line int) (Record, bool) {
	if r := s.lines[line].record; r != nil {
		return *r, true
	}
	return Record{}, false
}

// Copies returns the latest outcomes of a line's copies, in the order of their mailboxes.
func (s State) Copies(line int) []Copy {
	copies := s.lines[line].copies
	all := make([]Copy, 0, len(copies))
	for _, mailbox := range slices.Sorted(maps.Keys(copies)) {
		all = append(all, copies[mailbox])
	}
	return all
}

// Planned returns the mailboxes of a line, in order: those of its latest plan and those that have an outcome.
func (s State) Planned(line int) []string {
	l := s.lines[line]
	all := slices.AppendSeq(slices.Clone(l.planned), maps.Keys(l.copies))
	slices.Sort(all)
	return slices.Compact(all)
}

// clone returns a copy of s that later calls of s.apply do not change.
func (s State) clone() State {
	lines := make(map[int]lineState, len(s.lines))
	for n, l := range s.lines {
		l.copies = maps.Clone(l.copies)
		lines[n] = l // record and planned are replaced, never changed
	}
	s.lines = lines
	return s
}

// apply adds one line of the journal to the state.
func (s *State) apply(l line) {
	if s.lines == nil {
		s.lines = map[int]lineState{}
	}
	s.Done = l.Type == lineDone
	switch {
	case l.Type == linePlan:
		for _, p := range l.Plan {
			at := s.lines[p.Line]
			at.planned = slices.Sorted(slices.Values(p.Mailboxes))
			s.lines[p.Line] = at
		}
	case l.Type == lineCopy && l.Copy != nil:
		c := *l.Copy
		c.At = l.At
		at := s.lines[c.Line]
		if at.copies == nil {
			at.copies = map[string]Copy{}
		}
		at.copies[c.Mailbox] = c
		s.lines[c.Line] = at
	case l.Type == lineRecord && l.Record != nil:
		r := *l.Record
		r.At = l.At
		at := s.lines[r.Line]
		at.record = &r
		s.lines[r.Line] = at
	}
}
