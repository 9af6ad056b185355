package chaos

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// killsPerDay is how often fetch is killed on one day of deliveries.
const killsPerDay = 3

// killsOfDeliveries runs days of deliveries, on an SFTP server and in a landing container in turn, while fetch is
// killed in the middle of its work.
func killsOfDeliveries(t *testing.T) {
	kills := 2
	if form.Long {
		kills = 60
	}
	t.Logf("seed %d", form.Seed)
	chance := rand.New(rand.NewPCG(form.Seed, 3))
	killed := 0
	for days := 0; killed < kills && days < 2*kills && !t.Failed(); days++ {
		killed += killDeliveryDay(t, chance, days%2 == 0, min(killsPerDay, kills-killed))
	}
	if killed < kills {
		t.Errorf("fetch was killed %d times, want %d", killed, kills)
	}
}

// killDeliveryDay is one day. It returns how often fetch was killed.
func killDeliveryDay(t *testing.T, chance *rand.Rand, onSFTP bool, kills int) (killed int) {
	w := newWorld(t, deliveries(onSFTP))
	defer w.servers.Close()
	fetch, imports := w.worker("fetch"), []*worker{w.worker("import"), w.worker("import")}
	defer func() {
		for _, h := range append(imports, fetch) {
			_ = h.Stop()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	var group sync.WaitGroup
	fetched := make(chan struct{})
	group.Go(func() {
		defer close(fetched)
		for ctx.Err() == nil {
			if _, err := fetch.Run(ctx, "fetch", ""); err == nil {
				return
			}
		}
	})
	events := w.bring(ctx, rand.New(rand.NewPCG(chance.Uint64(), 4)), imports)
	for over := false; killed < kills && !over; {
		select {
		case <-fetched:
			over = true
		case <-time.After(time.Duration(chance.IntN(300)) * time.Millisecond):
			if fetch.interrupt(ctx) {
				killed++
			}
		}
	}
	<-fetched
	for ctx.Err() == nil && !w.done(ctx) {
		_ = imports[0].Ready(ctx)
		_, _ = imports[0].Run(ctx, "sweep", `{"after":"0s"}`)
		wait(ctx, time.Second)
	}
	over := ctx.Err()
	cancel()
	group.Wait()
	<-events
	if wrong := w.check(); len(wrong) > 0 || over != nil {
		t.Errorf("the day after %d kills of fetch (%v):\n%s\nwhat was logged last:\n%s", killed, over,
			strings.Join(wrong, "\n"), w.log.problems())
	}
	return killed
}
