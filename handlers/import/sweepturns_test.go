package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/mailbox/mailboxtest"
)

// Batches that one mailbox holds up leave each sweep time for the others, however many they are and however early
// they lie.
func TestStuckBatchesKeepNoneFromItsTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	way := &away{of: kim}
	a := w.start(func(s *start) { s.transport = way }, doubt(time.Second))
	a.im.sweepTimes.long = time.Hour
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
	a.im.sweepTimes = sweepTimes{idle: 300 * time.Millisecond, short: time.Second, long: 300 * time.Millisecond, look: time.Minute,
		lease: time.Second}
	for range stuckAfter {
		a.sweep("")
	}
	tried := w.sweeps().Tried
	for batch, n := range tried {
		if n < stuckAfter {
			t.Errorf("%s had %d turns", batch, n)
		}
	}
	if n := w.log.count(`"level":"ERROR"`, `"event":"import.batchStuck"`, `"run":"`+old+`"`); n == 0 || len(tried) != 13 {
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
}

// The tries are saved before they begin: a sweep that is killed in them is followed by one that begins with other
// batches.
func TestSweepIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := runOf(1, "run")
	for i := range 2 * shortGroup {
		w.putIn(run, i+1, w.line(sms(fmt.Sprintf("m%02d", i), "its event was lost", otto, ali)))
	}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	w.start(doubt(time.Second), func(s *start) { s.transport = beforeCreate(kill) }).invoke(ctx, "sweep", map[string]string{"timer": ""})
	s := w.sweeps()
	if len(s.Tried) != shortGroup || s.Tried[w.batches[0]] != 1 || s.Tried[w.batches[shortGroup]] != 0 || s.After != w.batches[shortGroup-1] {
		t.Errorf("%d batches were tried, up to %s", len(s.Tried), s.After)
	}
	b := w.start(doubt(time.Second))
	b.sweepAll()
	if n := len(w.copies(ali)); n != 2*shortGroup {
		t.Errorf("%d messages", n)
	}
}

// A window can be owed for longer than any bound, and then be fetched: its run lies under the day on which it was
// planned.
func TestSweepFindsRunsHoweverOld(t *testing.T) {
	t.Parallel()
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
	b := w.start(func(s *start) { s.rule = visits.rule })
	if res := b.swept(""); res != (sweepResult{}) || visits.count("/journal/") != 0 {
		t.Errorf("what is finished is looked at again: %+v", res)
	}
	for _, days := range []int{93, 94, 400, 2000} {
		late := runOf(days, "window-of-a-long-outage")
		batch := w.putIn(late, 1, w.line(sms(fmt.Sprintf("late%d", days), "its event was lost", otto, ali)))
		if res := a.swept(""); res != (sweepResult{Batches: 1, Finished: 1}) {
			t.Errorf("after %d days: %+v", days, res)
		}
		w.became(batch, "archived: ali imported")
		// It is open, so it stays in view.
		next := w.putIn(late, 2, w.line(sms(fmt.Sprintf("next%d", days), "this one's too", otto, ali)))
		if res := a.swept(""); res != (sweepResult{Batches: 1, Finished: 1}) {
			t.Errorf("its next batch, after %d days: %+v", days, res)
		}
		w.became(next, "archived: ali imported")
		w.close(late)
	}
}

// Earlier days are looked at in rotation, some in each sweep.
func TestSweepGoesRound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &sweeper{im: w.start().im, state: sweepState{Day: "2026/08/01", Finished: map[string]string{"2019/01/01": "x"}}}
	var names []string
	first := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for d := first; d.Before(time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)); d = d.AddDate(0, 0, 1) {
		names = append(names, d.Format("2006/01/02"))
	}
	names = append(names, "2026/08/01", "2026/08/02")
	seen := map[string]bool{}
	for range 2 {
		s.days = nil
		order := s.orderRuns(names, map[string]bool{"2021/12/24": true})
		if len(order) != earlierAtOnce+3 {
			t.Errorf("%d days are looked at", len(order))
		}
		for _, d := range order {
			seen[d.name] = true
		}
	}
	if len(seen) != len(names) || len(s.state.Finished) != 0 {
		t.Errorf("%d of %d days were looked at, %v are kept", len(seen), len(names), s.state.Finished)
	}
	// Where the time is over, the next sweep goes on there.
	s.resumeAt("2026/08/02")
	if order := s.orderRuns(names, nil); order[0].name != "2026/08/02" {
		t.Errorf("it goes on at %s", order[0].name)
	}
}

// A day with very many runs makes no state that is too large to be read.
func TestSweepStateStaysSmall(t *testing.T) {
	t.Parallel()
	n := sweepState{Finished: map[string]string{}}
	for i := range maxClosed {
		n.Closed = append(n.Closed, fmt.Sprintf("2026/11/22/run-%05d", i), fmt.Sprintf("2026/11/23/run-%05d", i))
	}
	n.Finished["2026/11/22"] = "all of them"
	n.shrink()
	if len(n.Closed) != maxClosed || !strings.HasPrefix(n.Closed[0], "2026/11/23/") {
		t.Errorf("%d runs from %s on", len(n.Closed), n.Closed[0])
	}
	n.Closed = append(n.Closed, n.Closed...)
	for i := range maxDays + 10 {
		n.Finished[time.Date(1960, 1, i, 0, 0, 0, 0, time.UTC).Format("2006/01/02")] = "x"
	}
	if n.shrink(); len(n.Closed) != maxClosed || len(n.Finished) != maxDays {
		t.Errorf("%d runs, %d days", len(n.Closed), len(n.Finished))
	}
}

// The lease of the state can be lost while storage is away. The sweep takes it again and goes on, unless another one
// has it.
func TestSweepLosesItsLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.start()
	s := &sweeper{im: a.im, log: slog.New(slog.DiscardHandler), before: time.Now()}
	take := func() *archive.Lease {
		lease, err := w.store.Lease(t.Context(), archive.Sweeps, sweepName)
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	a.im.sweepTimes.lease = time.Second
	s.lease = take()
	s.lease.Release()
	s.state.After = "somewhere"
	if err := s.save(t.Context()); err != nil || w.sweeps().After != "somewhere" {
		t.Errorf("the lease was not taken again: %v, %+v", err, w.sweeps())
	}
	s.lease.Release()
	defer take().Release()
	s.noteResult(s.save(t.Context()))
	if !s.superseded() {
		t.Error("a sweep goes on beside another one")
	}
	w.put(w.texts("m", 1)...)
	s.open = []*openBatch{{name: w.batches[0], run: &sweptRun{}}}
	s.state.Tried = map[string]int{}
	if s.shortTurns(t.Context(), time.Time{}); len(w.copies(ali)) != 0 {
		t.Error("it begins another turn")
	}
}

// One run of which the batches can't be listed.
func TestRunThatCannotBeListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad, good := runOf(2, "run"), runOf(1, "run")
	first := w.putIn(bad, 1, w.texts("m", 1)...)
	second := w.putIn(good, 1, w.texts("n", 1)...)
	w.close(bad)
	w.close(good)
	a := w.start()
	way := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("prefix") == bad+"/" {
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"X-Ms-Error-Code": {"AuthorizationPermissionMismatch"}}, Body: http.NoBody, Request: r}, nil
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	var err error
	if a.im.store, err = archive.Open(archive.Config{ConnectionString: w.storage(), HTTP: &http.Client{Transport: way}}); err != nil {
		t.Fatal(err)
	}
	if got := a.sweep(""); got.status == http.StatusOK || !strings.Contains(got.value, "list a run's batches") {
		t.Errorf("status %d: %s", got.status, got.value)
	}
	w.balanced(second)
	if res := w.start().swept(""); res != (sweepResult{Batches: 1, Finished: 1}) {
		t.Errorf("the next sweep %+v", res)
	}
	w.balanced(first)
}

// A replay that breaks off is gone on with by sweep, though its run is closed: also with the batches that it had not
// begun.
func TestBrokenReplayIsSwept(t *testing.T) {
	t.Parallel()
	newbie := person{"Newbie", "+447700900777", "newbie@contoso.example"}
	w := newWorld(t)
	a := w.start()
	const batches = replayGroup + 4
	for i := range batches {
		a.deliver(w.put(w.line(sms(fmt.Sprintf("m%02d", i), "to one who has no mailbox yet", otto, newbie))))
	}
	w.close(w.folder)
	a.swept("")
	w.graph.SetUser(mailboxtest.User{ID: newbie.id(), UPN: "upn-" + newbie.email, Mail: newbie.email})
	way := &away{of: newbie}
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
	var open replayState
	if _, err := w.store.GetJSON(t.Context(), archive.Sweeps, replaysName, &open); err != nil || len(open.Open) != 0 {
		t.Errorf("the replay stays open: %+v, %v", open, err)
	}
	w.start().swept("")
	if n := len(w.sweeps().Closed); n != 1 {
		t.Errorf("%d runs are closed", n)
	}
}

// A replay whose process was killed before it had begun its second batch.
func TestKilledReplayIsSwept(t *testing.T) {
	t.Parallel()
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
		s.rule = func(r *http.Request) azurite.Fault {
			if !dead.Load() && !strings.Contains(r.URL.Path, "/journal/") {
				return azurite.Pass
			}
			dead.Store(true)
			kill()
			return azurite.Reset
		}
	})
	b.invoke(ctx, "sweep", map[string]string{"timer": `{"replay":"` + w.folder + `"}`})
	c := w.start(doubt(time.Second))
	c.swept("")
	w.holds(gus, "m0", "m1", "m2")
}
