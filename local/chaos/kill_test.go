package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/staging"
)

// patient is how long a day may take until nothing is open any more.
const patient = 10 * time.Minute

// TestKills runs the sample day with two instances of each app while one after the other is killed, and events come twice, late or
// never. A day that ends before enough were killed is followed by another one, of another organization.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT: a day with kills takes a minute (-short)")
	}
	kills := 25
	if *long {
		kills = 200
	}
	t.Logf("seed %d", *seed)
	chance := rand.New(rand.NewPCG(*seed, 1))
	for days := 1; kills > 0; days++ {
		killed := killDay(t, chance, kills)
		t.Logf("day %d: %d killed", days, killed)
		if kills -= killed; t.Failed() || killed == 0 {
			break
		}
	}
	if kills > 0 {
		t.Errorf("%d were not killed", kills)
	}
}

// killDay is one day with at most so many kills. It returns how many there were.
func killDay(t *testing.T, chance *rand.Rand, kills int) (killed int) {
	d := sampleDay()
	// A killed instance's claims are in doubt for so long. A third of it is what Graph has to end a request whose sender is dead, and a
	// machine that does all of this at once can take seconds for that; with 4.5 s it once came to a second message.
	d.inDoubt = 15 * time.Second
	w := newWorld(t, d)
	defer w.servers.Close()
	fetches := []*host.StandIn{w.app("fetch"), w.app("fetch")}
	imports := []*host.StandIn{w.app("import"), w.app("import")}
	all := append(append([]*host.StandIn{}, fetches...), imports...)
	defer func() {
		for _, h := range all {
			_ = h.Stop()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	var group sync.WaitGroup
	for i, h := range fetches { // both at once: one of them is busy
		group.Go(func() {
			time.Sleep(time.Duration(i) * time.Second)
			for ctx.Err() == nil {
				if _, err := h.Run(ctx, "fetch", ""); err == nil {
					return
				}
			}
		})
	}
	events := w.bring(ctx, rand.New(rand.NewPCG(chance.Uint64(), 2)), imports)
	for killed < kills && ctx.Err() == nil && !w.done(ctx) {
		time.Sleep(time.Duration(chance.IntN(700)) * time.Millisecond)
		victim := all[chance.IntN(len(all))]
		victim.Kill()
		killed++
		if killed%8 == 0 {
			sweeper := imports[chance.IntN(2)]
			group.Go(func() { _, _ = sweeper.Run(ctx, "sweep", `{"after":"0s"}`) }) // it may be killed, too
		}
	}
	for ctx.Err() == nil && !w.done(ctx) {
		for _, h := range imports {
			_ = h.Ready(ctx)
		}
		_, _ = imports[chance.IntN(2)].Run(ctx, "sweep", `{"after":"0s"}`) // what it leaves, the next one takes
		time.Sleep(time.Second)
	}
	over := ctx.Err()
	cancel()
	group.Wait()
	<-events
	if wrong := w.check(); len(wrong) > 0 || over != nil {
		t.Errorf("the day after %d kills (%v):\n%s\nwhat was logged last:\n%s", killed, over, strings.Join(wrong, "\n"), w.log.problems())
	}
	return killed
}

// done says whether everything that the site holds has its outcome.
func (w *world) done(ctx context.Context) bool {
	s := w.summary(context.WithoutCancel(ctx))
	return s.Records.Collected >= w.day.records.Collected && len(s.Problems()) == 0
}

// bring delivers the events of new batches: most once, some twice at the same time to two instances, some late, some never. It ends with ctx.
func (w *world) bring(ctx context.Context, chance *rand.Rand, to []*host.StandIn) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		var group sync.WaitGroup
		defer group.Wait()
		known := map[string]bool{}
		for ctx.Err() == nil {
			for _, b := range w.batches(context.WithoutCancel(ctx)) {
				if known[b.Name] {
					continue
				}
				known[b.Name] = true
				once := func(i int, b staging.BatchInfo, late time.Duration) {
					group.Go(func() {
						select {
						case <-time.After(late):
							w.deliver(ctx, to[i], b)
						case <-ctx.Done():
						}
					})
				}
				first := chance.IntN(len(to))
				switch n := chance.IntN(20); {
				case n < 2: // lost
				case n < 5:
					once(first, b, time.Duration(chance.IntN(8000))*time.Millisecond)
				case n < 9:
					once(first, b, 0)
					once((first+1)%len(to), b, time.Duration(chance.IntN(100))*time.Millisecond)
				default:
					once(first, b, 0)
				}
			}
			select {
			case <-time.After(300 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	return ended
}

// TestKillsInTheRealHost does the same in the real Functions host, which finds the batches itself: handlers are killed,
// and hosts, whose successors then wait for a dead listener's lease.
func TestKillsInTheRealHost(t *testing.T) {
	needFunc(t)
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: the host's handler is found through /proc")
	}
	kills, hosts := 20, 2
	chance := rand.New(rand.NewPCG(*seed, 3))
	w := newWorld(t, sampleDay())
	w.follow(t.Name())
	apps := map[string]*host.Real{"fetch": w.realApp("fetch"), "import": w.realApp("import")}
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	var mu sync.Mutex
	app := func(name string) *host.Real {
		mu.Lock()
		defer mu.Unlock()
		return apps[name]
	}
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			if _, err := app("fetch").Run(ctx, "fetch", ""); err == nil {
				return
			}
			time.Sleep(time.Second)
		}
	})
	again := func(name string) {
		next := w.realApp(name)
		mu.Lock()
		defer mu.Unlock()
		apps[name] = next
	}
	killed := 0
	for ; killed < kills && ctx.Err() == nil && !w.done(ctx); killed++ {
		time.Sleep(time.Duration(500+chance.IntN(5000)) * time.Millisecond)
		name := []string{"fetch", "import", "import", "import", "import"}[chance.IntN(5)]
		if killed%(kills/hosts) == kills/hosts/2 {
			t.Logf("%d: the host of %s is killed", killed, name)
			app(name).Kill()
			again(name)
			continue
		}
		t.Logf("%d: the handler of %s is killed", killed, name)
		killHandler(t, app(name))
		select { // Functions host 4.1045: the third non-zero exit of a handler stops the host; in Azure another one is started
		case <-app(name).Ended():
			t.Logf("the host of %s has stopped", name)
			again(name)
		case <-time.After(500 * time.Millisecond):
		}
	}
	if killed < kills {
		t.Logf("the day was over after %d kills", killed)
	}
	for ctx.Err() == nil && !w.done(ctx) {
		sweeping, done := context.WithTimeout(ctx, time.Minute)
		_, _ = app("import").Run(sweeping, "sweep", `{"after":"0s"}`)
		done()
		time.Sleep(time.Second)
	}
	over := ctx.Err()
	cancel()
	group.Wait()
	for _, h := range apps {
		_ = h.Stop()
	}
	if wrong := w.check(); len(wrong) > 0 || over != nil {
		t.Errorf("the day after %d kills (%v):\n%s\nwhat was logged last:\n%s", killed, over, strings.Join(wrong, "\n"), w.log.problems())
	}
}

// realApp starts an app in the real host.
func (w *world) realApp(name string) *host.Real {
	w.t.Helper()
	h, err := w.startReal(w.t.Context(), name, w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = h.Stop() })
	return h
}

// killHandler kills the handler of a host, if there is one now.
func killHandler(t *testing.T, h *host.Real) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // gone
		}
		name, rest, _ := strings.Cut(string(raw), ") ")
		fields := strings.Fields(rest) // state, parent, group, …
		if len(fields) < 3 || !strings.HasSuffix(name, "(handler") || fields[2] != strconv.Itoa(h.Pid()) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill() // it may just have ended
			}
		}
	}
}
