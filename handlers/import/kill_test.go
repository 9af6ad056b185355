package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/local/soak"
	"o2archiver/shared/archivetest"
)

// death is the end of an importer at one of its calls to the outside.
type death struct {
	n      int64 // which call
	after  bool  // it still has its effect
	sudden bool  // SIGKILL: not one more call, not even to give the lease back
	writes bool  // only calls that change something are counted: one that reads leaves what the call before it left

	calls atomic.Int64
	kill  func()
	next  http.RoundTripper // to Graph
}

var errDead = errors.New("there is no process any more")

// count returns the number of the call, or 0 if it isn't counted before the end.
func (d *death) count(r *http.Request) int64 {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead || strings.HasSuffix(r.URL.Path, "/$batch")
	if d.writes && reads && d.calls.Load() < d.n {
		return 0
	}
	return d.calls.Add(1)
}

// rule is the way to the storage.
func (d *death) rule(r *http.Request) archivetest.Fault {
	switch n := d.count(r); {
	case n == d.n && d.after:
		time.AfterFunc(50*time.Millisecond, d.kill) // once it is done; the SDK pauses longer before it asks again
		return archivetest.Lose
	case n == d.n:
		d.kill()
		return archivetest.Reset
	case n > d.n && d.sudden:
		return archivetest.Reset
	}
	return archivetest.Pass
}

// RoundTrip is the way to Graph.
func (d *death) RoundTrip(r *http.Request) (*http.Response, error) {
	switch n := d.count(r); {
	case n == d.n:
		if d.after {
			if resp, err := d.next.RoundTrip(r); err == nil {
				resp.Body.Close()
			}
		}
		d.kill()
		return nil, errDead
	case n > d.n && d.sudden:
		return nil, errDead
	}
	return d.next.RoundTrip(r)
}

// The short form kills after the calls that change something, the long form after any.
func TestKilledAtAnyCall(t *testing.T) {
	t.Parallel()
	writes, fewest := !soak.ForTest(t).Long, int64(30)
	if writes {
		fewest = 20
	}
	alive := &death{n: math.MaxInt64, writes: writes}
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		batch, check := w.mixed()
		alive.next = w.toGraph
		w.start(func(s *start) { s.rule, s.transport = alive.rule, alive }).deliver(batch)
		check(t)
	})
	calls := alive.calls.Load()
	if calls < fewest {
		t.Fatalf("%d calls: the batch is too simple", calls)
	}
	cases := map[string]*death{}
	for n := int64(1); n <= calls; n++ {
		cases[fmt.Sprintf("after call %d", n)] = &death{n: n, after: true, writes: writes}
		if n%4 == 1 {
			cases[fmt.Sprintf("before call %d", n)] = &death{n: n, writes: writes}
		}
	}
	together(t, cases, dies)
}

// The lease of the dead lasts for 15 s.
func TestKilledSuddenly(t *testing.T) {
	t.Parallel()
	cases := map[string]*death{}
	for n := int64(3); n <= 42; n += 3 {
		cases[fmt.Sprintf("after call %d", n)] = &death{n: n, after: true, sudden: true}
	}
	together(t, cases, dies)
}

func dies(t *testing.T, d *death) {
	w := newWorld(t)
	batch, check := w.mixed()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.kill, d.next = cancel, w.toGraph
	got := w.start(doubt(time.Second), func(s *start) { s.rule, s.transport = d.rule, d }).event(ctx, batch)
	if done := w.state(batch).Done; got.status == http.StatusOK && !done || got.status != http.StatusOK &&
		ctx.Err() == nil {
		t.Errorf("status %d, done %v, killed: %v", got.status, done, ctx.Err() != nil)
	}
	w.start(doubt(time.Second)).deliver(batch)
	check(t)
}

func TestKilledUnderAFile(t *testing.T) {
	t.Parallel()
	content := noise(parted, 1)
	cases := map[string]*death{}
	for _, n := range []int64{5, 7, 8} { // after batch, folders, folder and create: session, the second part, patch
		cases[fmt.Sprintf("after call %d", n)] = &death{n: n, after: true}
	}
	together(t, cases, func(t *testing.T, d *death) {
		w := newWorld(t)
		batch := w.put(w.line(w.file(sms("m1", "with a file that is large", otto, ali), "file.bin", content)))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d.kill, d.next = cancel, w.toGraph
		w.start(doubt(15*time.Second), func(s *start) { s.transport = d }).event(ctx, batch)
		if there := len(w.copies(ali)); ctx.Err() == nil || there != 1 {
			t.Errorf("killed: %v, with %d messages", ctx.Err() != nil, there)
		}
		w.start(doubt(15 * time.Second)).deliver(batch)
		w.holds(ali, with("m1", content))
		w.became(batch, "archived: ali imported")
	})
}

// The invocation's time is up in the middle; a later call goes on.
func TestTimeIsUp(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch, check := w.mixed()
		var back atomic.Bool
		creates := atomic.Int64{}
		a := w.start(doubt(3*inDoubtTest), func(s *start) {
			s.deadline = 8 * time.Second
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/messages") && r.Method == http.MethodPost && creates.Add(1) > 2 &&
					!back.Load() {
					return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{},
						Body: http.NoBody, Request: r}, nil
				}
				return w.toGraph.RoundTrip(r)
			})
		})
		began := time.Now()
		if got := a.event(t.Context(), batch); got.status != http.StatusGatewayTimeout {
			t.Errorf("status %d: %s", got.status, got.value)
		}
		if got := a.sweep(""); got.status == http.StatusOK {
			t.Errorf("the sweep's status is %d: %s", got.status, got.value)
		}
		if took := time.Since(began); took > 40*time.Second {
			t.Errorf("it took %v to stop twice after 8 s", took)
		}
		if s := w.state(batch); s.Done || s.Totals().Holds() != nil || s.Totals().Copies.Pending == 0 {
			t.Errorf("done %v, totals %+v", s.Done, s.Totals())
		}
		back.Store(true)
		var res sweeper.Result
		w.start(doubt(3*inDoubtTest)).sweep("").result(t, &res) // by another process, which has all the time
		if res.Finished != 1 {
			t.Errorf("sweep %+v", res)
		}
		check(t)
	})
}
