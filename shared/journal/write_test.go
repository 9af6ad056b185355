package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/journal"
)

func TestStorageAway(t *testing.T) {
	for _, kind := range []string{"away", "lost"} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			j := open(t, m, "first")
			j.Copy(journal.Copy{Line: 1, Mailbox: "m1", Outcome: journal.Imported})
			if kind == "away" {
				m.away = 3
			} else {
				m.lost = 3
			}
			if err := j.Finish(t.Context()); err != nil {
				t.Errorf("%s for a while: %v", kind, err)
			}
			// For good: Finish ends with the error, and forgets nothing.
			m.mu.Lock()
			m.broken = errBroken
			m.mu.Unlock()
			j.Copy(journal.Copy{Line: 2, Mailbox: "m1", Outcome: journal.Imported})
			if err := j.Finish(t.Context()); !errors.Is(err, errBroken) {
				t.Errorf("%s for good: %v, want %v", kind, err, errBroken)
			}
			j.Copy(journal.Copy{Line: 3, Mailbox: "m1", Outcome: journal.Imported})
			m.mu.Lock()
			m.broken = nil
			m.mu.Unlock()
			if err := j.Finish(t.Context()); err != nil {
				t.Error(err)
			}
			j.Close()
			if got := readState(t, m).Totals().Copies.Imported; got != 3 {
				t.Errorf("%d copies, want 3", got)
			}
		})
	}
}

// TestFlushesByItself: after two seconds, and at 64 KiB at once.
func TestFlushesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		j := open(t, m, "first")
		j.Copy(journal.Copy{Line: 1, Mailbox: "m1", Outcome: journal.Imported})
		time.Sleep(1900 * time.Millisecond)
		synctest.Wait()
		if log, _ := m.get(logName); len(log) != 0 {
			t.Errorf("written at once: %s", log)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if got := readState(t, m).Totals().Copies.Imported; got != 1 {
			t.Errorf("%d copies after two seconds, want 1", got)
		}
		m.mu.Lock()
		m.away = 1000
		m.mu.Unlock()
		j.Copy(journal.Copy{Line: 2, Mailbox: strings.Repeat("m", 64<<10), Outcome: journal.Imported})
		synctest.Wait()
		m.mu.Lock()
		if m.appends < 2 {
			t.Error("64 KiB are not written at once")
		}
		m.mu.Unlock()
		time.Sleep(time.Minute)
		m.mu.Lock()
		m.away = 0
		m.mu.Unlock()
		time.Sleep(time.Minute) // the background tries on
		synctest.Wait()
		if got := readState(t, m).Totals().Copies.Imported; got != 2 {
			t.Errorf("%d copies, want 2", got)
		}
		j.Close()
		time.Sleep(time.Minute)
	})
}

func TestOpenWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		first := open(t, m, "first")
		go func() {
			time.Sleep(20 * time.Second)
			first.Close()
		}()
		start := time.Now()
		j, err := journal.Open(t.Context(), m, batchName, "second", fixed)
		if took := time.Since(start); err != nil || took < 20*time.Second || took > 30*time.Second {
			t.Errorf("opened after %v, %v", took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = journal.Open(ctx, m, batchName, "third", fixed)
		if !errors.Is(err, journal.ErrHeld) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v and %v", err, journal.ErrHeld, context.DeadlineExceeded)
		}
		j.Close()
	})
}

// TestManyWriters writes 20,000 copies from many goroutines, more than one append takes.
func TestManyWriters(t *testing.T) {
	m := newMemory()
	j := open(t, m, "first")
	const lines, mailboxes = 40, 500
	for line := range lines {
		for box := range mailboxes {
			j.Plan(line+1, fmt.Sprintf("mailbox-%04d", box))
		}
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for line := range lines {
		group.Go(func() {
			for box := range mailboxes {
				j.Copy(journal.Copy{Line: line + 1, Key: strings.Repeat("k", 64),
					Mailbox: fmt.Sprintf("mailbox-%04d", box), Outcome: journal.Imported})
			}
			j.Record(journal.Record{Line: line + 1, Records: 1, Outcome: journal.Archived})
		})
	}
	group.Wait()
	if err := j.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	want := journal.Totals{
		Records: journal.RecordTotals{Collected: lines, Archived: lines},
		Copies:  journal.CopyTotals{Planned: lines * mailboxes, Imported: lines * mailboxes},
	}
	s := readState(t, m)
	if diff := cmp.Diff(want, s.Totals()); diff != "" || !s.Done {
		t.Errorf("done %t\n%s", s.Done, diff)
	}
}
