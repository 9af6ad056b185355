package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
)

// limit is what a figure is held against.
type limit struct {
	value float64 // in the figure's unit; no number: there is none
	of    string  // what it is
	least float64 // the share of it that the figure must come to, or 0
	most  float64 // the share of it that the figure must not pass, or 0
	full  bool    // to miss it is the machine's fault: its processors had no time left
}

// noLimit is no limit.
func noLimit() limit { return limit{value: math.NaN()} }

// compareWith is for comparison: nothing is asked of the figure.
func compareWith(value float64, of string) limit { return limit{value: value, of: of} }

// atLeast asks for a share of a limit that can't be passed.
func atLeast(share, value float64, of string) limit {
	return limit{value: value, of: of, least: share}
}

// atMost asks for the limit to be kept.
func atMost(value float64, of string) limit { return limit{value: value, of: of, most: 1} }

// unless lets a figure miss its limit where so many processors were busy that there was no time left, or Azurite's one thread was.
func (l limit) unless(busy, azurite float64) limit {
	l.full = busy >= 0.9*float64(runtime.NumCPU()) || azurite >= 0.9
	return l
}

// verdict is whether a figure keeps to its limit.
type verdict string

const (
	unasked  verdict = ""
	holds    verdict = "yes"
	misses   verdict = "NO"
	full     verdict = "CPU"
	unjudged verdict = "?" // the figure was not to be had
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

// count says how many figures have a verdict.
func (r *report) count(v verdict) (n int) {
	for _, f := range r.Figures {
		if f.Holds == v {
			n++
		}
	}
	return n
}

// kept says whether every figure of which something is asked was taken and keeps to its limit, or could not for the processors.
func (r *report) kept() bool { return r.count(misses) == 0 && r.count(unjudged) == 0 }

// verdicts is the line that counts them.
func (r *report) verdicts() string {
	asked := len(r.Figures) - r.count(unasked)
	text := fmt.Sprintf("%d of %d figures keep to what is asked of them, %d do not (NO)", r.count(holds), asked, r.count(misses))
	if n := r.count(full); n > 0 {
		text += fmt.Sprintf(", %d could not for want of processors (CPU)", n)
	}
	if n := r.count(unjudged); n > 0 {
		text += fmt.Sprintf(", %d were not to be had (?)", n)
	}
	return text + "."
}

// sum ends the table: which figures do not hold, and the line that counts them.
func (r *report) sum(w io.Writer) {
	fmt.Fprintln(w)
	for _, f := range r.grouped() {
		if f.Holds != unasked && f.Holds != holds {
			fmt.Fprintf(w, "%s: %s: %s\n", f.Holds, f.Group, f.Name)
		}
	}
	fmt.Fprintln(w, r.verdicts())
}
