package chaos

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/archive"
)

// patient is how long a day may take until nothing is open any more.
const patient = 10 * time.Minute

// graphLatency is how long Graph takes for a request while processes are killed: so there are always some under way.
const graphLatency = 50 * time.Millisecond

// fetchShare is one in how many of the kills that may hit fetch: until a dead one's lease has run out, nothing goes on.
const fetchShare = 8

// killsOfHandlers runs the sample day with two instances of each app while one after the other is killed in the middle
// of its work, and events come twice, late or never. A day that ends before enough were killed is followed by another
// one, of another organization.
func killsOfHandlers(t *testing.T) {
	kills := fetchShare // so that one hits fetch
	if form.Long {
		kills = 200
	}
	t.Logf("seed %d", form.Seed)
	chance := rand.New(rand.NewPCG(form.Seed, 1))
	killed := map[string]int{}
	for days := 1; killed["fetch"]+killed["import"] < kills; days++ {
		before := killed["fetch"] + killed["import"]
		killDay(t, chance, kills, killed)
		t.Logf("after day %d: killed at their work: %v", days, killed)
		if t.Failed() || killed["fetch"]+killed["import"] == before {
			break
		}
	}
	if killed["fetch"]+killed["import"] < kills || killed["fetch"] == 0 {
		t.Errorf("killed were %v, want %d in all, and some of each", killed, kills)
	}
}

// worker is an instance of an app that knows whether anything is under way in it.
type worker struct {
	*host.StandIn
	app  string
	work atomic.Int64 // invocations under way, with the host's tries
}

func (w *world) worker(app string) *worker { return &worker{StandIn: w.app(app), app: app} }

func (h *worker) Run(ctx context.Context, function, input string) (int, error) {
	h.work.Add(1)
	defer h.work.Add(-1)
	return h.StandIn.Run(ctx, function, input)
}

func (h *worker) Deliver(ctx context.Context, uri string, p host.Properties) (int, error) {
	h.work.Add(1)
	defer h.work.Add(-1)
	return h.StandIn.Deliver(ctx, uri, p)
}

// interrupt kills the handler if it runs and is at work, and says whether it did.
func (h *worker) interrupt(ctx context.Context) bool {
	if h.work.Load() == 0 || h.Ready(ctx) != nil || h.work.Load() == 0 {
		return false
	}
	before := h.Pid()
	h.Kill()
	for ctx.Err() == nil && h.Pid() == before {
		wait(ctx, 10*time.Millisecond)
	}
	return h.Pid() != before
}

// atWork are the instances in which something is under way.
func atWork(all []*worker, fetch bool) (at []*worker) {
	for _, h := range all {
		if h.work.Load() > 0 && (fetch || h.app != "fetch") {
			at = append(at, h)
		}
	}
	return at
}

// killDay is one day, on which instances are killed until killed, which counts them by app, has so many in all.
func killDay(t *testing.T, chance *rand.Rand, kills int, killed map[string]int) {
	d := sampleDay()
	// A killed instance's claims are in doubt for so long. A third of it is what Graph has to end a request whose
	// sender is dead, and a machine that does all of this at once can take seconds for that; with 4.5 s it once came to
	// a second message.
	d.inDoubt = 15 * time.Second
	d.latency = graphLatency
	w := newWorld(t, d)
	defer w.servers.Close()
	fetches := []*worker{w.worker("fetch"), w.worker("fetch")}
	imports := []*worker{w.worker("import"), w.worker("import")}
	all := append(append([]*worker{}, fetches...), imports...)
	defer func() {
		for _, h := range all {
			_ = h.Stop()
		}
	}()
	// Soon all batches are held by processes that were killed, and until a lease of 15 s has expired no process is at
	// work that could be killed.
	ctx, cancel := context.WithTimeout(t.Context(), patient+time.Duration(kills)*10*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var fetched atomic.Bool
	for i, h := range fetches { // both at once: one of them is busy
		group.Go(func() {
			time.Sleep(time.Duration(i) * time.Second)
			for ctx.Err() == nil {
				if _, err := h.Run(ctx, "fetch", ""); err == nil {
					fetched.Store(true)
					return
				}
			}
		})
	}
	events := w.bring(ctx, rand.New(rand.NewPCG(chance.Uint64(), 2)), imports)
	for killed["fetch"]+killed["import"] < kills && ctx.Err() == nil {
		wait(ctx, time.Duration(chance.IntN(500))*time.Millisecond)
		at := atWork(all, killed["fetch"] < kills/fetchShare)
		if first := atWork(fetches, true); killed["fetch"] == 0 && len(first) > 0 {
			at = first // later it may have nothing to do any more
		}
		if len(at) == 0 { // all that was delivered is done
			if w.done(ctx) {
				break
			}
			sweeper := imports[chance.IntN(2)]
			if fetched.Load() {
				group.Go(func() { _, _ = sweeper.Run(ctx, "sweep", `{"after":"0s"}`) }) // it may be killed, too
			}
			wait(ctx, time.Second)
			continue
		}
		if victim := at[chance.IntN(len(at))]; victim.interrupt(ctx) {
			killed[victim.app]++
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
		t.Errorf("the day after kills, %v so far (%v):\n%s\nwhat was logged last:\n%s", killed, over,
			strings.Join(wrong, "\n"), w.log.problems())
	}
}

// done reports whether everything that the site holds has its outcome.
func (w *world) done(ctx context.Context) bool {
	s := w.summary(context.WithoutCancel(ctx))
	return s.Records.Collected >= w.day.records.Collected && len(s.Problems()) == 0
}

// bring delivers the events of new batches: most once, some twice at the same time to two instances, some late, some
// never. It ends with ctx.
func (w *world) bring(ctx context.Context, chance *rand.Rand, to []*worker) (ended chan struct{}) {
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
				once := func(i int, b archive.BatchInfo, late time.Duration) {
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
