package deliveries

import (
	"math"
	"slices"
	"time"

	"o2archiver/shared/source/delivery"
)

const (
	gapDays  = 62             // days back in which gaps are looked for
	gapAhead = 48 * time.Hour // how far in the future the day in a name may be
	// nearby is the number of days before and after one that tell whether the numbers begin anew each day. At both ends
	// there are as many on the other side.
	nearby = 3
	// enough is the number of days among them that must go on from the day before until it is believed that the numbers
	// do: fewer may as well be days whose first ZIPs never came.
	enough = 3
)

// Numbers is the file numbers that came of one day.
type Numbers struct {
	Day    time.Time  `json:"day"`
	Ranges [][2]int64 `json:"ranges"` // first and last of each run of numbers, in their order
}

// Gap is what is missing of the file numbers of a day.
type Gap struct {
	Day     time.Time `json:"day"`
	Missing int64     `json:"missing"`
	Since   time.Time `json:"since"`
	Told    bool      `json:"told,omitempty"`
	Known   int64     `json:"known,omitempty"` // how many of them were told before the gap grew
}

// lasting returns how many numbers have been missing for long enough to be told.
func (g Gap) lasting() int64 {
	if g.Told {
		return g.Missing
	}
	return min(g.Known, g.Missing)
}

// numbering is how the vendor numbers files. The vendor's pages do not say it.
type numbering int

const (
	daily   numbering = iota // the numbers begin anew each day, or too few days have come to say that they do not
	running                  // they go on from day to day
)

// add adds a number.
func (n *Numbers) add(number int64) {
	at, there := slices.BinarySearchFunc(n.Ranges, number, func(r [2]int64, number int64) int {
		switch {
		case r[1] < number:
			return -1
		case r[0] > number:
			return 1
		}
		return 0
	})
	if there {
		return
	}
	joins := at > 0 && n.Ranges[at-1][1] == number-1
	switch joined := at < len(n.Ranges) && n.Ranges[at][0] == number+1; {
	case joins && joined:
		n.Ranges[at-1][1] = n.Ranges[at][1]
		n.Ranges = slices.Delete(n.Ranges, at, at+1)
	case joins:
		n.Ranges[at-1][1] = number
	case joined:
		n.Ranges[at][0] = number
	default:
		n.Ranges = slices.Insert(n.Ranges, at, [2]int64{number, number})
	}
}

func (n *Numbers) first() int64 { return n.Ranges[0][0] }
func (n *Numbers) last() int64  { return n.Ranges[len(n.Ranges)-1][1] }

// holes returns how many numbers between the first and the last one are missing.
func (n *Numbers) holes() (missing int64) {
	for i := 1; i < len(n.Ranges); i++ {
		missing += n.Ranges[i][0] - n.Ranges[i-1][1] - 1
	}
	return missing
}

// isCounted reports whether the number in a name says anything about gaps: it has a day that is not long over.
func isCounted(name delivery.Name, now time.Time) bool {
	return !name.Day.IsZero() && now.Sub(name.Day) <= gapDays*24*time.Hour && name.Day.Sub(now) <= gapAhead &&
		name.Number >= 0 && name.Number < math.MaxInt64
}

// noteNumbers adds the numbers of the ZIPs that are open or done to Days, and forgets the days that are long over.
func (s *State) noteNumbers(now time.Time) {
	note := func(day time.Time, number int64) {
		if day = day.UTC(); !isCounted(delivery.Name{Day: day, Number: number}, now) {
			return
		}
		at, there := slices.BinarySearchFunc(s.Days, day, func(n Numbers, day time.Time) int {
			return n.Day.Compare(day)
		})
		if !there {
			s.Days = slices.Insert(s.Days, at, Numbers{Day: day})
		}
		s.Days[at].add(number)
	}
	for i := range s.Open {
		note(s.Open[i].Day, s.Open[i].Number)
	}
	for i := range s.Done {
		note(s.Done[i].Day, s.Done[i].Number)
	}
	s.Days = slices.DeleteFunc(s.Days, func(n Numbers) bool {
		return len(n.Ranges) == 0 || !isCounted(delivery.Name{Day: n.Day}, now)
	})
}

// numbering returns how the files of about the i-th of Days are numbered: they go on if enough days, and more than two
// in three, begin with a number that the day before had not reached.
func (s *State) numbering(i int) numbering {
	first := max(1, min(i-nearby, len(s.Days)-1-2*nearby))
	anew, on := 0, 0
	for j := first; j <= min(len(s.Days)-1, first+2*nearby); j++ {
		if s.Days[j].first() <= s.Days[j-1].last() {
			anew++
		} else {
			on++
		}
	}
	if on >= enough && on > 2*anew {
		return running
	}
	return daily
}

// missing returns how many numbers of the i-th of Days are missing: between its own; and before them, from the lowest
// number ever if the numbers begin anew each day, or from the last one of the day before.
func (s *State) missing(i int) int64 {
	day, before := &s.Days[i], int64(0)
	switch {
	case s.numbering(i) == daily:
		before = day.first() - (s.Lowest - 1)
	case i > 0:
		before = day.first() - s.Days[i-1].last() - 1
	}
	return day.holes() + max(before, 0)
}

// NoteGaps looks for gaps in the file numbers and returns those that have lasted for an hour and were not returned
// before. ZIPs may arrive in any order, so a gap may close by itself.
func (s *State) NoteGaps(now time.Time) (tell []Gap) {
	s.noteNumbers(now)
	earlier := s.Gaps
	s.Gaps = nil
	for i := range s.Days {
		missing := s.missing(i)
		if missing <= 0 {
			continue
		}
		gap := Gap{Day: s.Days[i].Day, Missing: missing, Since: now.UTC()}
		for _, g := range earlier {
			if !g.Day.Equal(gap.Day) {
				continue
			}
			gap.Known = g.lasting()
			if missing <= g.Missing { // the same, or some came since
				gap.Since, gap.Told = g.Since, g.Told
			}
		}
		if !gap.Told && now.Sub(gap.Since) >= settled {
			gap.Told = true
			tell = append(tell, gap)
		}
		s.Gaps = append(s.Gaps, gap)
	}
	return tell
}
