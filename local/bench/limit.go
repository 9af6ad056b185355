package main

import (
	"fmt"
	"io"
	"math"
)

// limit is what a figure is compared with.
type limit struct {
	value float64 // in the figure's unit; NaN: there is none
	of    string  // what it is
	least float64 // the minimum ratio of the figure to value, or 0
	most  float64 // the maximum ratio of the figure to value, or 0
	full  bool    // a figure that misses it is due to the machine: see load.isTooMuch
}

// noLimit returns the absence of a limit.
func noLimit() limit { return limit{value: math.NaN()} }

// compareWith returns a value for comparison only: the figure need not reach it.
func compareWith(value float64, of string) limit { return limit{value: value, of: of} }

// atLeast returns a limit of which the figure must reach a share.
func atLeast(share, value float64, of string) limit {
	return limit{value: value, of: of, least: share}
}

// atMost returns a limit that the figure must not exceed.
func atMost(value float64, of string) limit { return limit{value: value, of: of, most: 1} }

// unless returns the limit, which a figure may miss if it is beyond the machine's processors.
func (l limit) unless(beyond bool) limit {
	l.full = beyond
	return l
}

// verdict is whether a figure is within its limit.
type verdict string

const (
	unasked  verdict = ""
	holds    verdict = "yes"
	misses   verdict = "NO"
	full     verdict = "CPU"
	unjudged verdict = "?" // the figure could not be measured
)

func (l limit) judge(value float64) verdict {
	ratio := value / l.value
	switch {
	case l.least == 0 && l.most == 0:
		return unasked
	case math.IsNaN(ratio):
		return unjudged
	case l.least > 0 && ratio >= l.least, l.most > 0 && ratio <= l.most:
		return holds
	case l.full:
		return full
	}
	return misses
}

// count returns the number of figures with a verdict.
func (r *report) count(v verdict) (n int) {
	for _, f := range r.Figures {
		if f.Holds == v {
			n++
		}
	}
	return n
}

// kept reports whether every figure with a limit was measured and is within it, or misses it only for lack of
// processors.
func (r *report) kept() bool { return r.count(misses) == 0 && r.count(unjudged) == 0 }

// verdicts returns the line with the numbers of figures by verdict.
func (r *report) verdicts() string {
	asked := len(r.Figures) - r.count(unasked)
	text := fmt.Sprintf("%d of %d figures keep to what is asked of them, %d do not (NO)",
		r.count(holds), asked, r.count(misses))
	if n := r.count(full); n > 0 {
		text += fmt.Sprintf(", %d could not for want of processors (CPU)", n)
	}
	if n := r.count(unjudged); n > 0 {
		text += fmt.Sprintf(", %d were not to be had (?)", n)
	}
	return text + "."
}

// sum prints the end of the table: the figures that miss their limits, and the line of verdicts.
func (r *report) sum(w io.Writer) {
	fmt.Fprintln(w)
	for _, f := range r.grouped() {
		if f.Holds != unasked && f.Holds != holds {
			fmt.Fprintf(w, "%s: %s: %s\n", f.Holds, f.Group, f.Name)
		}
	}
	fmt.Fprintln(w, r.verdicts())
}
