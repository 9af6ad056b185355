package ledger

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

func candidate(line int) First {
	return First{Place: record.Place{Batch: "2026/11/23/run/00001.ndjson", Line: line},
		Fingerprint: fmt.Sprintf("f%d", line), Parties: "p", Gone: line}
}

// Of many that decide at once, some on a way that loses answers, all learn the same; and it stays.
func TestDecideFirst(t *testing.T) {
	l := testLedger(t)
	lossy := forgetfulLedger(t)
	for range 5 {
		k := key()
		decided := make([]First, 8)
		var group sync.WaitGroup
		for i := range decided {
			group.Go(func() {
				var err error
				if decided[i], err = []*Ledger{l, lossy}[i%2].DecideFirst(t.Context(), k, candidate(i+1)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, d := range decided {
			if diff := cmp.Diff(candidate(decided[0].Line), d); diff != "" {
				t.Errorf("two are the first:\n%s", diff)
			}
		}
		again, err := l.DecideFirst(t.Context(), k, candidate(99))
		if diff := cmp.Diff(decided[0], again); diff != "" || err != nil {
			t.Errorf("decided anew: %v\n%s", err, diff)
		}
		if row := look(t, l, k); row != nil {
			t.Errorf("there is a row of a copy: %+v", row)
		}
	}
}

// A row's age is the table service's word: the clock of the instance that wrote it, and of the one that reads it, may
// be hours off.
func TestAgeByTheServicesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, k := testLedger(t), key()
		claim(t, l, k)
		l.now = func() time.Time { return time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC) }
		for range 2 {
			row := look(t, l, k)
			if row.Age < 0 || row.Age > 2*time.Minute {
				t.Errorf("the row is %v old", row.Age)
			}
			l.now = func() time.Time { return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }
		}
		row := look(t, l, k)
		time.Sleep(2100 * time.Millisecond)
		if later := look(t, l, k); later.Age < row.Age+time.Second {
			t.Errorf("two seconds after it was %v old, the row is %v old", row.Age, later.Age)
		}
		if _, err := l.TakeOver(t.Context(), k, row, holder(2)); err != nil {
			t.Fatal(err)
		}
		if row := look(t, l, k); row.Age > 2*time.Second {
			t.Errorf("just taken over, it is %v old", row.Age)
		}
	})
}

// An answer that does not say when it was given, or when the row was written, leaves the writer's clock.
func TestServerAge(t *testing.T) {
	at := time.Date(2026, 11, 28, 5, 30, 0, 0, time.UTC)
	answer := func(date string) *http.Response { return &http.Response{Header: http.Header{"Date": {date}}} }
	for _, tt := range []struct {
		answer  *http.Response
		written string
		want    time.Duration
	}{
		{answer(at.Format(http.TimeFormat)), "2026-11-28T05:28:30.25Z", 89750 * time.Millisecond},
		{answer(at.Format(http.TimeFormat)), "2026-11-28T05:30:00.9Z", 0},
		{answer("yesterday"), "2026-11-28T05:28:30Z", -1},
		{answer(at.Format(http.TimeFormat)), "", -1},
		{nil, "2026-11-28T05:28:30Z", -1},
	} {
		if got := serverAge(tt.answer, tt.written); got != tt.want {
			t.Errorf("%v written %q: %v, want %v", tt.answer, tt.written, got, tt.want)
		}
	}
}

// A claim's holder counts its age by whichever clock went on: the monotonic one stands still while a machine is
// suspended.
func TestSinceByBothClocks(t *testing.T) {
	c := claim(t, testLedger(t), key())
	sent := time.Now()
	c.sent.Store(&sent)
	c.ledger.now = func() time.Time { return time.Now().Add(time.Hour).Round(0) } // the wall clock alone
	if c.Since() < time.Hour {
		t.Errorf("an hour later by the wall clock the claim is %v old", c.Since())
	}
}
