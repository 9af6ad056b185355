package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/fault"
	"o2archiver/local/soak"
)

// walks are the days whose calls go wrong.
var walks = map[string]func() *day{"texts": texts, "files": files, "doubts": doubts,
	"landing": func() *day { return deliveries(false) }, "sftp": func() *day { return deliveries(true) }}

// atOnce is how many worlds are under way together. Those that stall only wait.
const (
	atOnce  = 8
	stalled = 24 // each has two processes
)

// mayMiss are the kinds of call of which the later ones may not come again, by how they begin, and why. Any other call
// that was there without a fault is there with it, and the first of each kind always is.
var mayMiss = map[string]string{
	"blob PUT lease":       "a lease is renewed by the clock",
	"blob PUT appendblock": "outcomes that come together share a write",
	"graph POST $batch":    "batches that come together share a look-up",
	"table PUT":            "a claim is renewed by the clock",
	"table GET":            "a claim that another holds is looked at again by the clock",
	"table POST":           "a claim that another holds is asked for again by the clock",
}

// TestEveryCallWithEveryFault goes through every call that a small day makes to the outside, and lets it go wrong in
// every way there is, one run for each. The short form is one run for each kind of call; the seed chooses the call and
// the fault.
//
// The storage of its thousands of runs is the stand-in in memory, which archivetest's conformance tests hold to
// Azurite: Azurite took a third of the processors' time.
func TestEveryCallWithEveryFault(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(walks)) {
		t.Run(name, func(t *testing.T) {
			walk(t, func() *day {
				d := walks[name]()
				d.memory = true
				return d
			})
		})
	}
}

// step is a call and what goes wrong with it.
type step struct {
	kind  string
	n     int
	fault fault.Fault
}

func (s step) String() string {
	return strings.ReplaceAll(fmt.Sprintf("%s %d %s", s.kind, s.n, s.fault), "/", "_")
}

func walk(t *testing.T, make func() *day) {
	w := newWorld(t, make())
	w.startApps()
	w.run(t.Context())
	if wrong := w.check(); len(wrong) > 0 {
		t.Fatalf("without a fault:\n%s\n%s", strings.Join(wrong, "\n"), w.log.problems())
	}
	kinds, count := w.plan.Calls()
	if w.day.zips != nil { // what import does with the batches, and the archive by SFTP, is the same as on other days
		kinds = slices.DeleteFunc(kinds, func(kind string) bool { return w.sftp != nil || !isOfDeliveries(kind) })
	}
	all := steps(kinds, count, w.day.faults)
	if w.sftp != nil {
		onSFTP := w.sftp.Calls()
		t.Logf("calls to the SFTP server by phase: %v", onSFTP)
		for _, kind := range slices.Sorted(maps.Keys(sftpCalls)) {
			all = append(all, sftpSteps(kind, onSFTP[sftpCalls[kind]])...)
		}
	}
	var quick, slow []step
	for _, s := range choose(form, all) {
		if s.fault.Kind == fault.Stall {
			slow = append(slow, s)
		} else {
			quick = append(quick, s)
		}
	}
	t.Logf("seed %d: %d kinds of call, %d of %d runs: %v", form.Seed, len(kinds), len(quick)+len(slow), len(all), count)
	var group sync.WaitGroup
	each := func(s step) {
		t.Run(s.String(), func(t *testing.T) { s.run(t, make()) })
	}
	group.Go(func() { together(t, atOnce, len(quick), func(i int) { each(quick[i]) }) })
	group.Go(func() { together(t, stalled, len(slow), func(i int) { each(slow[i]) }) })
	group.Wait()
}

// choose returns the steps that the form runs: all of them, its share, or one for each kind of call.
func choose(form soak.Form, all []step) (chosen []step) {
	switch {
	case form.Long:
		return all
	case form.Shared():
		for i, s := range all {
			if form.Takes(i) {
				chosen = append(chosen, s)
			}
		}
		return chosen
	}
	for n := 0; len(all) > 0; n++ {
		end := slices.IndexFunc(all, func(s step) bool { return s.kind != all[0].kind })
		if end < 0 {
			end = len(all)
		}
		chosen = append(chosen, all[(form.Seed*7919+uint64(n)*31)%uint64(end)])
		all = all[end:]
	}
	return chosen
}

// steps are, for each call, all that can go wrong with it. What goes wrong anyway is left out. Those of a kind are
// neighbours.
func steps(kinds []string, count map[string]int, anyway []step) (all []step) {
	for _, kind := range kinds {
		faults := fault.All()
		faults = append(faults, fault.Pages()...)
		switch service, _, _ := strings.Cut(kind, " "); service {
		case "graph":
			faults = slices.Concat(faults, []fault.Fault{fault.Slow()}, fault.Bare(), fault.Passing())
		case "blob", "table":
			faults = append(faults, fault.Bare()...)
		}
		for n := 1; n <= count[kind]; n++ {
			if slices.ContainsFunc(anyway, func(s step) bool { return s.kind == kind && s.n == n }) {
				continue
			}
			for _, f := range faults {
				all = append(all, step{kind, n, f})
			}
		}
	}
	return all
}

// run is one day with one fault.
func (s step) run(t *testing.T, d *day) {
	began := time.Now()
	w := newWorld(t, d)
	defer w.servers.Close()
	if _, onSFTP := sftpCalls[s.kind]; onSFTP {
		w.failSFTP(s)
	} else {
		w.plan.Fail(s.kind, s.n, 1, s.fault)
	}
	w.startApps()
	w.run(t.Context())
	if wrong := w.check(); len(wrong) > 0 {
		t.Errorf("after %v:\n%s\nwhat was logged:\n%s", time.Since(began).Round(time.Millisecond),
			strings.Join(wrong, "\n"), w.log.problems())
	}
	_ = w.fetch.Stop()
	_ = w.imports.Stop()
	if _, onSFTP := sftpCalls[s.kind]; onSFTP {
		if w.sftp.Hits() == 0 {
			t.Errorf("call %d of %s did not come, so the fault hit nothing", s.n, s.kind)
		}
	} else if _, came := w.plan.Calls(); came[s.kind] < s.n {
		if why, ok := s.mayMiss(); ok {
			t.Logf("call %d of %s did not come: %s", s.n, s.kind, why)
		} else {
			t.Errorf("call %d of %s did not come, so the fault hit nothing", s.n, s.kind)
		}
	}
}

// mayMiss returns why the call may not have come.
func (s step) mayMiss() (why string, ok bool) {
	for kind, why := range mayMiss {
		if s.n > 1 && strings.HasPrefix(s.kind, kind) {
			return why, true
		}
	}
	return "", false
}
