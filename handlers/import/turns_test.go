package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/semaphore"
)

// A mailbox gets the messages of a batch in their order, which is that of time.
func TestOrderOfABatch(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.texts("m", 40)...)
		w.start(set("MAILBOX_PERMITS", "1"), set("IMPORT_CONCURRENCY", "8")).deliver(batch)
		for _, p := range []person{ali, jane} {
			for i, m := range w.graph.Messages(p.id()) {
				if id := sourceID(m); id != fmt.Sprintf("m%03d", i) {
					t.Errorf("message %s comes as number %d", id, i)
				}
			}
		}
		w.balanced(batch)
	})
}

// With several permits, as it comes, messages may overtake each other only as far as the permits go: when one is
// written, of those before it in its batch no more than the other permits' are still under way. So no more than those
// may come behind it. Several batches at once keep to that each.
func TestOrderWithSeveralPermits(t *testing.T) {
	virtual(t, func(t *testing.T) {
		const permits = 3 // MAILBOX_PERMITS as it comes
		w := newWorld(t)
		a := w.start()
		if got := a.config.permits; got != permits {
			t.Fatalf("MAILBOX_PERMITS is %d", got)
		}
		batches := []string{w.put(w.texts("a", 120)...), w.put(w.texts("b", 120)...)}
		var group sync.WaitGroup
		for _, batch := range batches {
			group.Go(func() {
				if got := a.event(t.Context(), batch); got.status != http.StatusOK {
					t.Errorf("status %d", got.status)
				}
			})
		}
		group.Wait()
		for _, batch := range batches {
			w.balanced(batch)
		}
		for _, p := range []person{ali, jane} {
			came := map[byte][]string{}
			for _, m := range w.graph.Messages(p.id()) {
				id := sourceID(m)
				came[id[0]] = append(came[id[0]], id)
			}
			for name, ids := range came {
				if len(ids) != 120 {
					t.Errorf("%d messages of batch %c", len(ids), name)
				}
				for i, id := range ids {
					behind := 0
					for _, later := range ids[i+1:] {
						if later < id {
							behind++
						}
					}
					if behind >= permits {
						t.Errorf("%d messages that were before %s came behind it", behind, id)
					}
				}
			}
		}
	})
}

// What waits for a mailbox that is throttled for long holds nothing that others need: neither memory, of which there is
// just enough for one file here, nor a place among the copies that are worked on, nor a permit.
func TestThrottledMailboxTakesNothingFromOthers(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		const memory = 40_000
		budget := semaphore.NewWeighted(memory)
		a := w.start(set("IMPORT_CONCURRENCY", "1"), func(s *start) {
			s.bounds.memory = budget
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/messages") && strings.Contains(r.URL.Path, ali.id()) {
					return &http.Response{StatusCode: http.StatusTooManyRequests,
						Header: http.Header{"Retry-After": {"600"}}, Body: http.NoBody, Request: r}, nil
				}
				return w.toGraph.RoundTrip(r)
			})
		})
		var lines []raw
		for i := range 24 {
			to := ali
			if i%3 == 2 {
				to = jane
			}
			lines = append(lines,
				w.line(w.file(sms(fmt.Sprintf("m%03d", i), "with a picture", otto, to), "picture.png",
					noise(20_000, uint64(i)))))
		}
		batch := w.put(lines...)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan reply)
		go func() { ended <- a.event(ctx, batch) }()
		within(t, "nobody else waits", func() bool { return len(w.copies(jane)) == 8 })
		within(t, "nothing is held", func() bool { return a.clients.boxes.Workers() == 0 && budget.TryAcquire(memory) })
		stop()
		if got := <-ended; got.status == http.StatusOK {
			t.Error("the batch ended in success")
		}
		w.holds(ali)
	})
}
