package main

import (
	"fmt"
	"testing"

	"o2archiver/handlers/import/internal/sweeper"
)

// A run that is finished is compared with those before it: the first one has none, and a replay tells nothing twice.
func TestSweepReportsWhatIsUnusual(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		day := func(daysAgo, strangers int) string {
			run := runOf(daysAgo, "run")
			lines := []raw{w.line(sms(fmt.Sprintf("m%d", daysAgo), "one of every day", jane, ali))}
			for i := range strangers {
				lines = append(lines,
					w.line(sms(fmt.Sprintf("s%d-%d", daysAgo, i), "among strangers", otto,
						person{"Zoe", "+447700900888", ""})))
			}
			w.putIn(run, 1, lines...)
			w.close(run)
			return run
		}
		day(3, 9)
		day(2, 8)
		a.swept("")
		if n := w.log.Count(`"event":"import.moreThanUsual"`); n != 0 {
			t.Errorf("%d lines tell of usual days:\n%s", n, w.log.String())
		}
		run := day(1, 20)
		want := []string{`"event":"import.moreThanUsual"`, `"run":"` + run + `"`,
			`"what":"unmapped","count":20,"usual":9`}
		for range 2 {
			a.swept("")
			if n := w.log.Count(want...); n != 1 {
				t.Errorf("%d lines tell of the unusual day, want 1:\n%s", n, w.log.String())
			}
		}
		if got := w.sweeps().Counts; len(got) != 3 || got[2] != (sweeper.RunCounts{Run: run, Unmapped: 20}) {
			t.Errorf("counts in the state: %v", got)
		}
	})
}
