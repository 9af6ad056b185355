package deliveries

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// numbered returns ZIPs that are done, of consecutive days of which the last one is at start.
func numbered(days ...[]int64) (all []Done) {
	last := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for i, numbers := range days {
		for _, n := range numbers {
			day := last.AddDate(0, 0, i+1-len(days))
			all = append(all, Done{Key: fmt.Sprint(i, n), Day: day, Number: n, Outcome: Complete})
		}
	}
	return all
}

func TestGaps(t *testing.T) {
	t.Parallel()
	year := numbered([]int64{1, 9})
	for i := range year {
		year[i].Day = year[i].Day.AddDate(-1, 0, 0)
	}
	future := numbered([]int64{1, 9})
	for i := range future {
		future[i].Day = future[i].Day.AddDate(1, 0, 0)
	}
	for name, tt := range map[string]struct {
		done   []Done
		lowest int64
		want   int64 // missing in all
	}{
		"none":                         {numbered([]int64{1, 2, 3}), 1, 0},
		"in the middle":                {numbered([]int64{1, 4}), 1, 2},
		"the first, each day anew":     {numbered([]int64{1, 2}, []int64{1, 2}, []int64{2, 3}), 1, 1},
		"many first, each day anew":    {numbered([]int64{1}, []int64{1}, []int64{1}, []int64{4}, []int64{1}), 1, 3},
		"the first, of one day alone":  {numbered([]int64{2, 3}), 1, 1},
		"from zero":                    {numbered([]int64{0, 1}), 0, 0},
		"two of one number":            {numbered([]int64{1, 1, 2}), 1, 0},
		"long ago":                     {year, 1, 0},
		"far in the future":            {future, 1, 0},
		"a number that no vendor has":  {numbered([]int64{1, 1 << 62}), 1, 1<<62 - 2},
		"the highest number":           {numbered([]int64{1, 1<<63 - 1}), 1, 0},
		"one a day, going on":          {numbered([]int64{7}, []int64{8}, []int64{9}, []int64{10}), 7, 0},
		"several a day, going on":      {numbered([]int64{5, 6}, []int64{7}, []int64{8, 9}, []int64{10}), 5, 0},
		"going on, the first of a day": {numbered([]int64{5, 6}, []int64{7}, []int64{9, 10}, []int64{11}), 5, 1},
		"going on, in the middle":      {numbered([]int64{5, 6}, []int64{7, 9}, []int64{10}, []int64{11}), 5, 1},
		"going on, a whole day":        {numbered([]int64{5}, []int64{6}, nil, []int64{9}, []int64{10}), 5, 2},
		"going on, and begun anew": {numbered([]int64{98}, []int64{99}, []int64{100}, []int64{1}, []int64{2},
			[]int64{3}), 1, 0},
		"two days, or a lost first":  {numbered([]int64{1, 2}, []int64{3}), 1, 2},
		"two days, one begins above": {numbered([]int64{1, 2}, []int64{4}), 1, 3},
		"three days, going on":       {numbered([]int64{1}, []int64{2}, []int64{3}), 1, 1 + 2},
		"one day in two has lost its first": {numbered([]int64{1}, []int64{2}, []int64{1}, []int64{2}, []int64{1},
			[]int64{2}), 1, 3},
	} {
		s := State{Done: tt.done, Lowest: tt.lowest + 1}
		if tell := s.NoteGaps(start); len(tell) != 0 {
			t.Errorf("%s: told at once: %+v", name, tell)
		}
		got := int64(0)
		for _, gap := range s.NoteGaps(start.Add(time.Hour)) {
			got += gap.Missing
		}
		if got != tt.want {
			t.Errorf("%s: %d are missing, want %d", name, got, tt.want)
		}
		if tell := s.NoteGaps(start.Add(2 * time.Hour)); len(tell) != 0 {
			t.Errorf("%s: told twice: %+v", name, tell)
		}
	}
}

// Numbers that go on are taken for gaps of the first days only: once four days have come, no day has any.
func TestFirstDaysOfNumbersThatGoOn(t *testing.T) {
	t.Parallel()
	s := State{Done: numbered([]int64{7}, []int64{8}, []int64{9}), Lowest: 8}
	s.NoteGaps(start)
	if tell := s.NoteGaps(start.Add(time.Hour)); len(tell) != 2 {
		t.Errorf("of three days: %+v", tell)
	}
	s.Done = numbered([]int64{7}, []int64{8}, []int64{9}, []int64{10})
	for i := range s.Done {
		s.Done[i].Day = s.Done[i].Day.AddDate(0, 0, 1)
	}
	if tell := s.NoteGaps(start.AddDate(0, 0, 1)); len(tell)+len(s.Gaps) != 0 {
		t.Errorf("of four days: %+v", s.Gaps)
	}
}

// A gap that closes by itself within the hour is not told, and later is forgotten.
func TestGapCloses(t *testing.T) {
	t.Parallel()
	s := State{Done: numbered([]int64{1, 4}), Lowest: 2}
	s.NoteGaps(start)
	s.Done = append(s.Done, numbered([]int64{2, 3})...)
	if tell := s.NoteGaps(start.Add(time.Hour)); len(tell)+len(s.Gaps) != 0 {
		t.Errorf("%+v", s.Gaps)
	}
}

// Whatever the order in which numbers come, they are one range once all are there.
func TestNumbersInAnyOrder(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var n Numbers
		all := chance.Perm(40)
		for i, number := range all {
			n.add(int64(number))
			n.add(int64(all[chance.IntN(i+1)]))
			have := map[int64]bool{}
			for _, r := range n.Ranges {
				for x := r[0]; x <= r[1]; x++ {
					have[x] = true
				}
			}
			if len(have) != i+1 || n.holes() != n.last()-n.first()+1-int64(i+1) {
				t.Fatalf("%v after %v", n.Ranges, all[:i+1])
			}
		}
		if len(n.Ranges) != 1 {
			t.Errorf("%v", n.Ranges)
		}
	}
}
