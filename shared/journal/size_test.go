package journal_test

import (
	"errors"
	"fmt"
	"testing"

	"o2archiver/shared/journal"
)

// A batch that is delivered again and again, while one of its copies can't be made, notes the other outcomes once.
func TestEqualOutcomesAreWrittenOnce(t *testing.T) {
	m := newMemory()
	deliver := func(change string) int {
		j := open(t, m, "next")
		defer j.Close()
		j.Plan(1, "m1", "m2")
		j.Copy(journal.Copy{Line: 1, Mailbox: "m1", Outcome: journal.Imported, GraphID: "g" + change,
			Whose: []int{0, 2}})
		j.Record(journal.Record{Line: 2, Records: 1, Outcome: journal.Unmapped, Reason: "no mailbox"})
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(m.logs[logName])
	}
	first := deliver("")
	for range 5 {
		if size := deliver(""); size != first {
			t.Errorf("the same outcomes again: %d bytes after %d", size, first)
		}
	}
	if size := deliver("2"); size <= first {
		t.Errorf("another outcome: %d bytes after %d", size, first)
	}
	if c := readState(t, m).Copies(1)[0]; c.GraphID != "g2" {
		t.Errorf("the latest outcome is %+v", c)
	}
}

// What is written stays readable: plans, which can change for ever, end before the outcomes do.
func TestFullJournal(t *testing.T) {
	m := newMemory()
	j := open(t, m, "first")
	j.Bound(2000, 4000)
	var err error
	outcomes := 0
	for i := 1; i <= 100 && err == nil; i++ {
		j.Plan(1, fmt.Sprintf("m%d", i))
		j.Copy(journal.Copy{Line: 1, Mailbox: fmt.Sprintf("m%d", i), Outcome: journal.Imported})
		if err = j.Flush(t.Context()); err == nil {
			outcomes++
		}
	}
	if !errors.Is(err, journal.ErrFull) {
		t.Errorf("flush of a full journal: %v, want %v", err, journal.ErrFull)
	}
	if err := j.Finish(t.Context()); !errors.Is(err, journal.ErrFull) {
		t.Errorf("finish of a full journal: %v, want %v", err, journal.ErrFull)
	}
	j.Close()
	s := readState(t, m)
	if size := len(m.logs[logName]); s.Done || size > 5000 || outcomes < 10 || len(s.Copies(1)) != outcomes {
		t.Errorf("done %v, %d bytes, %d outcomes of which %d can be read", s.Done, size, outcomes, len(s.Copies(1)))
	}
	// A later delivery that has nothing new to say can end it.
	j = open(t, m, "second")
	j.Record(journal.Record{Line: 1, Records: 1, Outcome: journal.Archived})
	if err := j.Finish(t.Context()); err != nil {
		t.Errorf("with the bounds of the product: %v", err)
	}
	j.Close()
	if !readState(t, m).Done {
		t.Error("the journal has no end")
	}
}
