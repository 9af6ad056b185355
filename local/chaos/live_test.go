package chaos

import (
	"context"
	"strings"
	"testing"
	"time"

	"o2archiver/local/host"
)

// sweeping is how long sweep has to leave a batch to its holder: longer than the 15 s for which a holder that died
// keeps the lease of its journal; several times as long in the long form.
func sweeping() time.Duration {
	if form.Long {
		return 45 * time.Second
	}
	return 20 * time.Second
}

// minSweeps is how many sweeps there are in that time at least.
const minSweeps = 3

// sweepLeavesLiveHolder has one real host hold on to batches while Graph is away, and another one sweep them, however
// young they are, for longer than a holder that died keeps its lease: all of that time they are the first host's by its
// lease, and when Graph is back it finishes them alone.
func sweepLeavesLiveHolder(t *testing.T) {
	host.NeedFunc(t)
	d := texts()
	w := newWorld(t, d)
	w.follow(t.Name())
	ctx, cancel := context.WithTimeout(t.Context(), sweeping()+patient)
	defer cancel()
	fetch, holder := w.realApp("fetch"), &colleague{w: w, app: "import", id: "chaos-holder",
		env: []string{"AzureWebJobs.sweep.Disabled=true"}}
	w.plan.Down("graph", true)
	if _, err := fetch.Run(ctx, "fetch", ""); err != nil {
		t.Fatal(err)
	}
	// The host finds the batches by itself, all of them when it starts; while it runs, it may miss one that is written
	// in the second of its last listing. Those that need no mailbox are done without Graph.
	holder.start()
	defer holder.stop()
	all := len(w.batches(ctx))
	open := w.open(ctx)
	for w.log.count("Executing 'Functions.import'") < all || holder.work.Load() != int64(open) {
		if ctx.Err() != nil {
			t.Fatalf("the host did not find %d batches\n%s", all, w.log.problems())
		}
		wait(ctx, 500*time.Millisecond)
		open = w.open(ctx)
	}
	sweeper := &colleague{w: w, app: "import", id: "chaos-sweeper",
		env: []string{"AzureWebJobs.import.Disabled=true", "SWEEP_AFTER=0s"}}
	sweeper.start()
	defer sweeper.stop()
	held := swept{Batches: open, Held: open}
	sweeps := 0
	for begun := time.Now(); time.Since(begun) < sweeping() && ctx.Err() == nil; wait(ctx, 5*time.Second) {
		sweeps++
		if got := w.swept(ctx, sweeper.now(), ""); got != held {
			t.Fatalf("sweep %d found %+v, want %+v\n%s", sweeps, got, held, w.log.problems())
		}
	}
	if open == 0 || sweeps < minSweeps || w.messages() > 0 {
		t.Errorf("%d batches, %d sweeps and %d messages while Graph was away, want some, %d at least, none", open,
			sweeps, w.messages(), minSweeps)
	}
	w.plan.Down("graph", false)
	for ctx.Err() == nil && !w.done(ctx) {
		wait(ctx, 500*time.Millisecond)
	}
	if got := w.swept(ctx, sweeper.now(), ""); got != (swept{}) {
		t.Errorf("when the holder had finished, sweep found %+v", got)
	}
	if wrong := w.check(); len(wrong) > 0 {
		t.Errorf("%s\n%s", strings.Join(wrong, "\n"), w.log.problems())
	}
}
