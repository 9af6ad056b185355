package main

import (
	"math"
	"os"
	"runtime"
	"time"
)

// load is the processor time, user and system, of all processes involved.
type load struct {
	handler, azurite, bench, all time.Duration
	ok                           bool
}

// load returns the processor time used so far, with that of the app h.
func (w *world) load(h *app) (l load) {
	var ok [4]bool
	l.handler, ok[0] = processCPU(h.Pid())
	l.azurite, ok[1] = processCPU(w.azurite.Pid())
	l.bench, ok[2] = processCPU(os.Getpid())
	l.all, ok[3] = machineCPU()
	l.ok = ok == [4]bool{true, true, true, true}
	return l
}

func (l load) since(before load) load {
	return load{l.handler - before.handler, l.azurite - before.azurite, l.bench - before.bench, l.all - before.all,
		l.ok && before.ok}
}

func (l load) plus(o load) load {
	return load{l.handler + o.handler, l.azurite + o.azurite, l.bench + o.bench, l.all + o.all, l.ok && o.ok}
}

// busy returns the number of processors that were busy with anything.
func (l load) busy(took time.Duration) float64 {
	if !l.ok {
		return math.NaN()
	}
	return l.all.Seconds() / took.Seconds()
}

// isTooMuch reports whether the machine can't process rate items a second: each at the processor time of one of the n
// measured ones, they need more than Azurite's one thread, or more than all processors.
func (l load) isTooMuch(rate, n float64) bool {
	all := l.handler + l.azurite + l.bench
	return l.ok && (rate*l.azurite.Seconds()/n > 1 || rate*all.Seconds()/n > float64(runtime.NumCPU()))
}

// report reports the processor time by process, for n items called what.
func (l load) report(r *report, group, app string, n float64, what string, took time.Duration) {
	l.reportWith(r, group, app, "site and Graph", n, what, took)
}

// reportWith is report; others are what this process does meanwhile.
func (l load) reportWith(r *report, group, app, others string, n float64, what string, took time.Duration) {
	seconds := func(d time.Duration) float64 {
		if !l.ok {
			return math.NaN()
		}
		return d.Seconds()
	}
	ours := l.handler + l.azurite + l.bench
	all := compareWith(float64(runtime.NumCPU()), "all")
	r.add(group, "CPU per "+what+": "+app, 1e3*seconds(l.handler)/n, "ms", noLimit())
	if l.azurite > 0 {
		r.add(group, "CPU per "+what+": Azurite", 1e3*seconds(l.azurite)/n, "ms", noLimit())
	}
	r.add(group, "CPU per "+what+": "+others, 1e3*seconds(l.bench)/n, "ms", noLimit())
	r.add(group, "CPUs busy with that", seconds(ours)/took.Seconds(), "", all)
	r.add(group, "CPUs busy, whatever with", l.busy(took), "", all)
	if l.azurite == 0 {
		return
	}
	r.add(group, "CPUs busy with Azurite, which has one thread for its work",
		seconds(l.azurite)/took.Seconds(), "", compareWith(1, "its thread"))
}
