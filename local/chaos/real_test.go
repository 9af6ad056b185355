package chaos

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/local/host"
)

const bored = 3 * time.Second

// realKills returns how many handlers and hosts are killed in the real host, how many of them are hosts, and how many
// are handlers of fetch. A kill of fetch costs the minute that the host waits before it tries a timer again.
func realKills() (all, hosts, fetches int) {
	if form.Long {
		return 20, 2, 1
	}
	return 5, 1, 0
}

// killsInTheRealHost does the same in the real Functions host, which finds the batches itself: handlers are killed, and
// hosts, whose successors then wait for a dead listener's lease. There are two hosts of import that know nothing of
// each other, so that the event of each batch comes twice, the second time late where the second host was not there
// yet. Some batches neither of them gets to see.
func killsInTheRealHost(t *testing.T) {
	host.NeedFunc(t)
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: the host's handler is found through /proc")
	}
	k := &realKilling{t: t, chance: rand.New(rand.NewPCG(form.Seed, 3))}
	k.wantKills, k.wantHosts, k.wantFetches = realKills()
	for days := 1; k.killed < k.wantKills; days++ {
		before := k.killed
		k.day(days)
		t.Logf("after day %d: %d handlers and hosts killed at their work, of these %d hosts", days, k.killed, k.hosts)
		if t.Failed() || k.killed == before {
			break
		}
	}
	// In the short form the second host may have finished everything before the sweep that follows the only kill of a
	// host.
	if k.killed < k.wantKills || k.hosts < k.wantHosts || k.fetches < k.wantFetches || k.left == 0 && form.Long {
		t.Errorf("%d were killed, of these %d hosts and %d handlers of fetch, want %d, %d and %d; after %d of them "+
			"sweep had something to leave alone",
			k.killed, k.hosts, k.fetches, k.wantKills, k.wantHosts, k.wantFetches, k.left)
	}
}

// realKilling is a test's days in the real host.
type realKilling struct {
	t       *testing.T
	chance  *rand.Rand
	killed  int // of all, hosts too
	hosts   int
	fetches int

	wantKills, wantHosts, wantFetches int

	left int // times that sweep left what waits to a live holder
}

func (k *realKilling) day(number int) {
	t := k.t
	d := sampleDay()
	d.latency = graphLatency
	d.lost = func(name string) bool { return strings.HasSuffix(name, "7.ndjson") }
	w := newWorld(t, d)
	defer w.servers.Close()
	w.env = append(w.env, "IMPORT_CONCURRENCY=8") // so that there is time for kills
	w.follow(t.Name() + "-" + strconv.Itoa(number))
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	fetch, imports := w.colleague("fetch", "chaos-fetch"), w.colleague("import", "chaos-import")
	second := &colleague{w: w, app: "import", id: "chaos-second"}
	all := []*colleague{fetch, imports, second}
	defer func() {
		for _, c := range all {
			c.stop()
		}
	}()
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			if _, err := fetch.now().Run(ctx, "fetch", ""); err == nil {
				return
			}
			wait(ctx, time.Second)
		}
	})
	var sweeping atomic.Bool
	sweep := func() {
		if sweeping.CompareAndSwap(false, true) {
			group.Go(func() {
				defer sweeping.Store(false)
				each, done := context.WithTimeout(ctx, time.Minute)
				defer done()
				_, _ = imports.now().Run(each, "sweep", `{"after":"0s"}`) // what it leaves, the next one takes
			})
		}
	}
	busy := time.Now()
	for k.killed < k.wantKills && ctx.Err() == nil {
		wait(ctx, time.Duration(300+k.chance.IntN(1200))*time.Millisecond)
		for _, c := range all {
			c.revive()
		}
		if second.now() == nil && len(w.batches(ctx)) > 0 {
			second.start()
		}
		victim := k.pick(all)
		if victim == nil { // all that was found is done, or no process looks for more at the moment
			if w.done(ctx) {
				break
			}
			if time.Since(busy) > bored && len(w.batches(ctx)) > 0 {
				sweep()
			}
			continue
		}
		if due := k.killed >= (2*k.hosts+1)*k.wantKills/k.wantHosts/2; due && k.hosts < k.wantHosts &&
			imports.work.Load() > 0 && !sweeping.Load() {
			victim = imports
			t.Logf("%d: the host of %s is killed", k.killed, victim.id)
			victim.now().Kill()
			victim.start()
			k.killed, k.hosts = k.killed+1, k.hosts+1
			k.leaves(ctx, w, victim)
		} else if killHandler(t, victim.now()) {
			t.Logf("%d: the handler of %s is killed", k.killed, victim.id)
			k.killed++
			if victim == fetch {
				k.fetches++
			}
		}
		busy = time.Now()
	}
	for ctx.Err() == nil && !w.done(ctx) {
		for _, c := range all {
			c.revive()
		}
		sweep()
		wait(ctx, time.Second)
	}
	over := ctx.Err()
	events, batches := w.log.count("Executing 'Functions.import'"), len(w.batches(context.WithoutCancel(ctx)))
	cancel()
	group.Wait()
	if wrong := w.check(); len(wrong) > 0 || over != nil {
		t.Errorf("the day after %d kills (%v):\n%s\nwhat was logged last:\n%s", k.killed, over,
			strings.Join(wrong, "\n"), w.log.problems())
	}
	t.Logf("%d events of %d batches", events, batches)
}

// pick picks one that is at work; nil if none is.
func (k *realKilling) pick(all []*colleague) *colleague {
	var at []*colleague
	for _, c := range all {
		if c.work.Load() > 0 && (c.app != "fetch" || k.fetches < k.wantFetches) {
			at = append(at, c)
		}
	}
	if len(at) == 0 {
		return nil
	}
	return at[k.chance.IntN(len(at))]
}

// leaves runs sweep as its timer does, right after a host was killed. What waits for the successor's listener, or is in
// the hands of the other host, is not for it to take.
func (k *realKilling) leaves(ctx context.Context, w *world, c *colleague) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ended := w.swept(ctx, c.now(), "")
	k.t.Logf("sweep found %+v", ended)
	if ended.Finished > 0 || ended.Held+ended.Young < ended.Batches {
		k.t.Errorf("sweep found %+v, and is to leave all of them alone", ended)
	}
	if ended.Batches > 0 {
		k.left++
	}
}

// swept is what one sweep found.
type swept struct{ Batches, Finished, Held, Young int }

// swept runs sweep once and reads in the log what it found.
func (w *world) swept(ctx context.Context, h host.Host, input string) (ended swept) {
	w.t.Helper()
	if _, err := h.Run(ctx, "sweep", input); err != nil {
		w.t.Fatalf("sweep: %v\n%s", err, w.log.problems())
	}
	line := w.log.last(`"event":"import.sweepEnded"`)
	if err := json.Unmarshal([]byte(line[max(0, strings.IndexByte(line, '{')):]), &ended); err != nil {
		w.t.Fatalf("read what sweep logged, %q: %v", line, err)
	}
	return ended
}

// colleague is an app in the real host, one host after the other, with an id that makes it find all batches by itself.
type colleague struct {
	w       *world
	app, id string
	env     []string     // besides the world's
	work    atomic.Int64 // invocations under way
	dying   atomic.Bool

	mu   sync.Mutex
	host *host.Real
}

// colleague starts one.
func (w *world) colleague(app, id string) *colleague {
	w.t.Helper()
	c := &colleague{w: w, app: app, id: id}
	c.start()
	return c
}

func (c *colleague) start() {
	c.w.t.Helper()
	c.work.Store(0)
	c.dying.Store(false)
	h, err := c.w.startReal(c.w.t.Context(), c.app, c,
		append([]string{"AzureFunctionsWebHost__hostid=" + c.id}, c.env...)...)
	if err != nil {
		c.w.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.host = h
}

func (c *colleague) now() *host.Real {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.host
}

func (c *colleague) stop() {
	if h := c.now(); h != nil {
		_ = h.Stop()
	}
}

// hangs is what a host logs that was to stop and can't.
const hangs = "Host did not shutdown within its allotted time"

// Write takes the host's log, which says what begins and ends.
func (c *colleague) Write(p []byte) (int, error) {
	switch line := string(p); {
	case strings.Contains(line, "Executing 'Functions."):
		c.work.Add(1)
	case strings.Contains(line, "Executed 'Functions."):
		c.work.Add(-1)
	case strings.Contains(line, lastWords), strings.Contains(line, hangs):
		c.dying.Store(true)
	}
	return c.w.log.Write(p)
}

// revive starts the next host where this one has ended, or says that it is about to. Functions host 4.1045: the third
// non-zero exit of a handler stops the host, which may hang in doing it; in Azure another one is started.
func (c *colleague) revive() {
	c.w.t.Helper()
	h := c.now()
	if h == nil {
		return
	}
	select {
	case <-h.Ended():
	default:
		if !c.dying.Load() {
			return
		}
		h.Kill()
	}
	c.w.t.Logf("the host of %s has stopped", c.id)
	c.start()
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

// killHandler kills the handler of a host and says whether there was one.
func killHandler(t *testing.T, h *host.Real) (killed bool) {
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
		if len(fields) < 3 || !strings.HasSuffix(name, "(handler") || fields[0] == "Z" ||
			fields[2] != strconv.Itoa(h.Pid()) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			if p, err := os.FindProcess(pid); err == nil {
				killed = p.Kill() == nil || killed // it may just have ended
			}
		}
	}
	return killed
}
