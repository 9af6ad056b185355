package chaos

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/fault"
)

// walks are the days whose calls go wrong.
var walks = map[string]func() *day{"texts": texts, "files": files}

// atOnce is how many worlds are under way together. Those that stall only wait.
const (
	atOnce  = 8
	stalled = 64
)

// part is which part of all the runs the short form takes, another one each time, by the seed.
const part = 6

// TestEveryCallWithEveryFault goes through every call that a small day makes to the outside, and lets it go wrong in every
// way there is, one run for each.
func TestEveryCallWithEveryFault(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT: a run for each call and fault takes minutes (-short)")
	}
	for name, make := range walks {
		t.Run(name, func(t *testing.T) { walk(t, make) })
	}
}

type step struct {
	kind  string
	n     int
	fault fault.Fault
}

func walk(t *testing.T, make func() *day) {
	w := newWorld(t, make())
	w.startApps()
	w.run(t.Context())
	if wrong := w.check(); len(wrong) > 0 {
		t.Fatalf("without a fault:\n%s\n%s", strings.Join(wrong, "\n"), w.log.problems())
	}
	kinds, count := w.plan.Calls()
	var quick, slow []step
	all := 0
	for _, kind := range kinds {
		for n := 1; n <= count[kind]; n++ {
			faults := fault.All()
			if strings.HasPrefix(kind, "graph ") {
				faults = append(faults, fault.Slow())
			}
			for _, f := range faults {
				if all++; !*long && uint64(all)%part != *seed%part {
					continue
				}
				if f.Kind == fault.Stall {
					slow = append(slow, step{kind, n, f})
				} else {
					quick = append(quick, step{kind, n, f})
				}
			}
		}
	}
	t.Logf("seed %d: %d kinds of call, %d of %d runs: %v", *seed, len(kinds), len(quick)+len(slow), all, count)
	var group sync.WaitGroup
	missed := 0
	var mu sync.Mutex
	each := func(s step) {
		t.Run(strings.ReplaceAll(fmt.Sprintf("%s %d %s", s.kind, s.n, s.fault), "/", "_"), func(t *testing.T) {
			if !s.run(t, make()) {
				mu.Lock()
				defer mu.Unlock()
				missed++
			}
		})
	}
	group.Go(func() { together(t, atOnce, len(quick), func(i int) { each(quick[i]) }) })
	group.Go(func() { together(t, stalled, len(slow), func(i int) { each(slow[i]) }) })
	group.Wait()
	// A renewal or a poll more or less is the clock's doing; but most calls must have been there to fail.
	if n := len(quick) + len(slow); missed > n/10 {
		t.Errorf("%d of %d faults found no call to hit", missed, n)
	}
}

// run is one day with one fault. hit says whether the call came.
func (s step) run(t *testing.T, d *day) (hit bool) {
	began := time.Now()
	w := newWorld(t, d)
	defer w.servers.Close()
	w.plan.Fail(s.kind, s.n, 1, s.fault)
	w.startApps()
	w.run(t.Context())
	if wrong := w.check(); len(wrong) > 0 {
		t.Errorf("after %v:\n%s\nwhat was logged:\n%s", time.Since(began).Round(time.Millisecond), strings.Join(wrong, "\n"), w.log.problems())
	}
	_ = w.fetch.Stop()
	_ = w.imports.Stop()
	return w.plan.Hit() > 0
}
