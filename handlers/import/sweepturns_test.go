package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
)

// Batches that one mailbox holds up leave each sweep time for the others, however many they are and however early
// they lie.
func TestStuckBatchesBlockNoOther(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		way := &away{of: kim, next: w.toGraph}
		a := w.start(func(s *start) { s.transport = way }, doubt(time.Second),
			sweepTimes(func(t *sweeper.Times) { t.Long = time.Hour }))
		old, young := runOf(2, "run"), runOf(1, "run")
		for i := range 13 {
			w.putIn(old, i+1, w.line(sms(fmt.Sprintf("old%02d", i), "one of them is away", otto, kim)))
		}
		w.close(old)
		a.sweepUntil(func() bool { return way.asked.Load() >= 13 })
		// The stuck ones are known by now: what was lost since then comes before them.
		for i := range 3 {
			lost := w.putIn(young, i+1, w.line(sms(fmt.Sprintf("lost%d", i), "its event was lost", jane, ali)))
			a.sweepUntil(func() bool { return w.state(lost).Done })
			w.became(lost, "archived: ali imported, jane imported")
		}
		w.close(young)
		// Each of them has its turns, and is told of.
		a.retime(sweeper.Times{
			Idle: 300 * time.Millisecond, Short: time.Second, Long: 300 * time.Millisecond, Look: time.Minute,
			Lease: time.Second,
		})
		// A turn in which the batch's journal is still held by the turn before, which broke off, counts for nothing.
		fewest := func() int { return slices.Min(slices.Collect(maps.Values(w.sweeps().Tried))) }
		for i := 0; i < sweeper.StuckAfter || i < 10*sweeper.StuckAfter && fewest() < sweeper.StuckAfter; i++ {
			a.sweep("")
		}
		tried := w.sweeps().Tried
		for batch, n := range tried {
			if n < sweeper.StuckAfter {
				t.Errorf("%s had %d turns", batch, n)
			}
		}
		if n := w.log.Count(`"level":"ERROR"`, `"event":"import.batchStuck"`, `"run":"`+old+`"`); n == 0 ||
			len(tried) != 13 {
			t.Errorf("%d batches were tried, %d lines tell of them", len(tried), n)
		}
		way.back.Store(true)
		b := w.start(doubt(time.Second))
		b.sweepAll()
		if n := len(w.copies(kim)); n != 13 {
			t.Errorf("%d messages", n)
		}
		if s := w.sweeps(); len(s.Tried) != 0 || len(s.Closed) != 2 {
			t.Errorf("state %+v", s)
		}
	})
}

// The tries are saved before they begin: a sweep that is killed in them is followed by one that begins with other
// batches.
func TestSweepIsKilled(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		run := runOf(1, "run")
		for i := range 2 * sweeper.TurnGroup {
			w.putIn(run, i+1, w.line(sms(fmt.Sprintf("m%02d", i), "its event was lost", otto, ali)))
		}
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		w.start(doubt(time.Second), func(s *start) { s.transport = w.beforeCreate(kill) }).invoke(ctx, "sweep",
			map[string]string{"timer": ""})
		s := w.sweeps()
		if len(s.Tried) != sweeper.TurnGroup || s.Tried[w.batches[0]] != 1 ||
			s.Tried[w.batches[sweeper.TurnGroup]] != 0 || s.After != w.batches[sweeper.TurnGroup-1] {
			t.Errorf("%d batches were tried, up to %s", len(s.Tried), s.After)
		}
		b := w.start(doubt(time.Second))
		b.sweepAll()
		if n := len(w.copies(ali)); n != 2*sweeper.TurnGroup {
			t.Errorf("%d messages", n)
		}
	})
}

// A window can be owed for longer than any bound, and then be fetched: its run lies under the day on which it was
// planned.
func TestSweepFindsRunsHoweverOld(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		for _, days := range []int{0, 93, 400} {
			done := runOf(days, "run")
			w.putIn(done, 1, w.texts(fmt.Sprintf("d%d-", days), 1)...)
			w.close(done)
		}
		if res := a.swept(""); res.Finished != 3 {
			t.Errorf("the first sweep %+v", res)
		}
		if s := w.sweeps(); len(s.Closed) != 1 || len(s.Finished) != 3 {
			t.Errorf("state %+v", s)
		}
		var visits seen
		time.Sleep(time.Hour) // the next sweep looks at all days
		b := w.start(func(s *start) { s.rule = visits.rule })
		if res := b.swept(""); res != (sweeper.Result{}) || visits.count("/journal/") != 0 {
			t.Errorf("what is finished is looked at again: %+v", res)
		}
		for _, days := range []int{93, 94, 400, 2000} {
			late := runOf(days, "window-of-a-long-outage")
			batch := w.putIn(late, 1, w.line(sms(fmt.Sprintf("late%d", days), "its event was lost", otto, ali)))
			time.Sleep(time.Hour)
			if res := a.swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
				t.Errorf("after %d days: %+v", days, res)
			}
			w.became(batch, "archived: ali imported")
			// It is open, so it stays in view.
			next := w.putIn(late, 2, w.line(sms(fmt.Sprintf("next%d", days), "this one's too", otto, ali)))
			if res := a.swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
				t.Errorf("its next batch, after %d days: %+v", days, res)
			}
			w.became(next, "archived: ali imported")
			w.close(late)
		}
	})
}

// One run of which the batches can't be listed.
func TestRunThatCannotBeListed(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		bad, good := runOf(2, "run"), runOf(1, "run")
		first := w.putIn(bad, 1, w.texts("m", 1)...)
		second := w.putIn(good, 1, w.texts("n", 1)...)
		w.close(bad)
		w.close(good)
		way := roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("prefix") == bad+"/" {
				return &http.Response{StatusCode: http.StatusForbidden,
					Header: http.Header{"X-Ms-Error-Code": {"AuthorizationPermissionMismatch"}}, Body: http.NoBody,
					Request: r}, nil
			}
			return w.way().RoundTrip(r)
		})
		a := w.start(through(way))
		if got := a.sweep(""); got.status == http.StatusOK || !strings.Contains(got.value, "list a run's batches") {
			t.Errorf("status %d: %s", got.status, got.value)
		}
		w.balanced(second)
		if res := w.start().swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("the next sweep %+v", res)
		}
		w.balanced(first)
	})
}

// A replay that breaks off is gone on with by sweep, though its run is closed: also with the batches that it had not
// begun.
func TestBrokenReplayIsSwept(t *testing.T) {
	virtual(t, func(t *testing.T) {
		newbie := person{"Newbie", "+447700900777", "newbie@contoso.example"}
		w := newWorld(t)
		a := w.start()
		const batches = sweeper.ReplayGroup + 4
		for i := range batches {
			a.deliver(w.put(w.line(sms(fmt.Sprintf("m%02d", i), "to one who has no mailbox yet", otto, newbie))))
		}
		w.close(w.folder)
		a.swept("")
		w.graph.SetUser(mailboxtest.User{ID: newbie.id(), UPN: "upn-" + newbie.email, Mail: newbie.email})
		way := &away{of: newbie, next: w.toGraph}
		b := w.start(func(s *start) { s.transport = way }, doubt(time.Second))
		ctx, end := context.WithCancel(t.Context())
		defer end()
		over := make(chan reply, 1)
		go func() { over <- b.invoke(ctx, "sweep", map[string]string{"timer": `{"replay":"` + w.folder + `"}`}) }()
		within(t, "the replay begins", func() bool { return way.asked.Load() > 0 })
		end()
		if got := <-over; got.status == http.StatusOK {
			t.Errorf("a replay that could import nothing: %s", got.value)
		}
		if n := len(w.copies(newbie)); n != 0 {
			t.Fatalf("%d messages", n)
		}
		w.start(doubt(time.Second)).sweepAll()
		if n := len(w.copies(newbie)); n != batches {
			t.Errorf("sweep has imported %d of %d", n, batches)
		}
		var open sweeper.Replays
		if _, err := w.store.Sweeps().Get(t.Context(), sweeper.ReplaysBlob, &open); err != nil || len(open.Open) != 0 {
			t.Errorf("the replay stays open: %+v, %v", open, err)
		}
		w.start().swept("")
		if n := len(w.sweeps().Closed); n != 1 {
			t.Errorf("%d runs are closed", n)
		}
	})
}

// A replay whose process was killed before it had begun its second batch.
func TestKilledReplayIsSwept(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Users[3].MailboxCode = "ErrorInvalidUser" })
		a := w.start()
		for i := range 3 {
			a.deliver(w.put(w.line(sms(fmt.Sprintf("m%d", i), "to a guest, who gets a mailbox", otto, gus))))
		}
		w.close(w.folder)
		a.swept("")
		licensed := tenant()[3]
		licensed.MailboxCode = ""
		w.graph.SetUser(licensed)
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		var dead atomic.Bool
		b := w.start(doubt(time.Second), func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				if !dead.Load() && !strings.Contains(r.URL.Path, "/journal/") {
					return archivetest.Pass
				}
				dead.Store(true)
				kill()
				return archivetest.Reset
			}
		})
		b.invoke(ctx, "sweep", map[string]string{"timer": `{"replay":"` + w.folder + `"}`})
		c := w.start(doubt(time.Second))
		c.swept("")
		w.holds(gus, "m0", "m1", "m2")
	})
}
