package journal_test

import (
	"bytes"
	"errors"
	"testing"

	"o2archiver/shared/journal"
)

// written is the log of a small batch.
func written(t testing.TB) []byte {
	m := newMemory()
	j := open(t, m, "first")
	writeDay(t, j)
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	log, _ := m.get(logName)
	return log
}

func readLog(t testing.TB, batch string, log []byte) (journal.State, error) {
	m := newMemory()
	m.logs[logName] = log
	m.logs["2026/11/23/run/00002.jsonl"] = log
	return journal.Read(t.Context(), m, batch)
}

func TestTampered(t *testing.T) {
	log := written(t)
	lines := bytes.SplitAfter(log, []byte("\n"))
	lines = lines[:len(lines)-1]
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	for i := range lines[:len(lines)-1] { // a change of the last line has no line after it to show at
		changed := bytes.Clone(log)
		at := len(join(lines[:i]...)) + 3
		changed[at] ^= 1
		if _, err := readLog(t, batchName, changed); !errors.Is(err, journal.ErrTampered) {
			t.Errorf("line %d changed: %v", i+1, err)
		}
		if _, err := readLog(t, batchName, join(join(lines[:i]...), join(lines[i+1:]...))); !errors.Is(err,
			journal.ErrTampered) {
			t.Errorf("line %d taken out: %v", i+1, err)
		}
		if _, err := readLog(t, batchName, join(join(lines[:i+1]...), lines[i], join(lines[i+1:]...))); !errors.Is(err,
			journal.ErrTampered) {
			t.Errorf("line %d doubled: %v", i+1, err)
		}
		if _, err := readLog(t, batchName,
			join(join(lines[:i+1]...), []byte("\n"), join(lines[i+1:]...))); !errors.Is(err, journal.ErrTampered) {
			t.Errorf("a blank line after line %d: %v", i+1, err)
		}
	}
	if _, err := readLog(t, "2026/11/23/run/00002.ndjson", log); !errors.Is(err, journal.ErrTampered) {
		t.Errorf("the log of another batch: %v", err)
	}
	if _, err := readLog(t, batchName, join(log, []byte("no JSON\n"))); !errors.Is(err, journal.ErrTampered) {
		t.Errorf("a line that is none: %v", err)
	}
	// Nothing is written to a journal that is not as it was.
	m := newMemory()
	m.logs[logName] = lines[1]
	if _, err := journal.TryOpen(t.Context(), m, batchName, "second", fixed); !errors.Is(err, journal.ErrTampered) {
		t.Errorf("open: %v", err)
	}
	m.logs[logName] = nil
	if _, err := journal.TryOpen(t.Context(), m, batchName, "second", fixed); err != nil {
		t.Errorf("the lease was kept: %v", err)
	}
}

// TestTorn cuts the log within its last line. What is before it counts, and the next delivery goes on.
func TestTorn(t *testing.T) {
	log := written(t)
	end := bytes.LastIndexByte(log[:len(log)-1], '\n') + 1 // where the line "done" begins
	for _, cut := range []int{end + 1, end + 20, len(log) - 1} {
		m := newMemory()
		m.logs[logName] = log[:cut:cut]
		s := readState(t, m)
		if s.Done {
			t.Errorf("cut at %d: done", cut)
		}
		if got := s.Totals(); got != dayTotals {
			t.Errorf("cut at %d: %+v", cut, got)
		}
		if done, err := journal.Tail(t.Context(), m, batchName); done || err != nil {
			t.Errorf("cut at %d: tail %t, %v", cut, done, err)
		}
		j := open(t, m, "second")
		if err := j.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		j.Close()
		if s := readState(t, m); !s.Done || s.Totals() != dayTotals {
			t.Errorf("cut at %d and finished: done %t, %+v", cut, s.Done, s.Totals())
		}
	}
}

// FuzzRead: whatever the log holds, reading it ends, and what can be read can be gone on with.
func FuzzRead(f *testing.F) {
	log := written(f)
	f.Add(log)
	f.Add(log[:len(log)-7])
	f.Add([]byte("\n"))
	f.Add([]byte(`{"t":"torn"}` + "\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		s, err := readLog(t, batchName, log)
		if err != nil {
			if !errors.Is(err, journal.ErrTampered) {
				t.Errorf("error %v", err)
			}
			return
		}
		m := newMemory()
		m.logs[logName] = log
		j := open(t, m, "next")
		j.Record(journal.Record{Line: 99, Records: 1, Outcome: journal.Excluded})
		if err := j.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		j.Close()
		again := readState(t, m)
		if _, ok := again.Record(99); !ok || !again.Done {
			t.Errorf("gone on with: %+v", again)
		}
		if len(again.Lines()) < len(s.Lines()) {
			t.Errorf("lines %v, then %v", s.Lines(), again.Lines())
		}
	})
}
