package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/mailbox/mailboxtest"
)

func TestReplay(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.Fail(mailboxtest.Create, 1, fault{Status: 403})
		a := w.start(set("IMPORT_CONCURRENCY", "1"))
		failed := w.put(w.line(sms("m1", "denied at first", otto, ali)))
		a.deliver(failed)
		w.became(failed, "failed: ali failed")
		rest := w.put(
			w.line(sms("m2", "to a guest, who gets a mailbox", otto, gus)), raw(`{"v":7}`), w.line(sms("m3",
				"this one was imported", jane, gus)),
			w.line(sms("m4", "nobody's, and stays so", otto, otto)),
		)
		a.deliver(rest)
		w.became(rest, "unmapped", "quarantined", "archived: jane imported", "unmapped")

		// The causes go away, and the same process is told to try again.
		licensed := tenant()[3]
		licensed.MailboxCode = ""
		w.graph.SetUser(licensed)
		if res := a.swept(""); res != (sweeper.Result{}) {
			t.Errorf("a sweep touches what is finished: %+v", res)
		}
		if res := a.swept(`{"replay":"` + w.folder + `"}`); res != (sweeper.Result{Batches: 2, Finished: 2}) {
			t.Errorf("replay %+v", res)
		}
		w.became(failed, "archived: ali imported")
		// m3 was archived, but not for Gus, who had no mailbox then.
		w.became(rest, "archived: gus imported", "quarantined", "archived: gus imported, jane imported", "unmapped")
		w.holds(ali, "m1")
		w.holds(gus, "m2", "m3")
		w.holds(jane, "m3")

		// Again, for one batch: nothing is left but what stays.
		if res := a.swept(`{"replay":"` + rest + `"}`); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("replay of a batch %+v", res)
		}
		w.became(rest, "archived: gus imported", "quarantined", "archived: gus imported, jane imported", "unmapped")
		w.holds(gus, "m2", "m3")
		w.holds(jane, "m3")
	})
}

func TestReplayAfterTheMappingChanged(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		w.csv("447700900789,kim@contoso.example")
		batch := w.put(w.line(sms("m1", "to a number that is in the next file", otto,
			person{"Zoe", "07700 900555", ""})))
		a.deliver(batch)
		w.became(batch, "unmapped")
		w.csv("447700900789,kim@contoso.example", "447700900555,ali@contoso.example")
		a.swept(`{"replay":"` + batch + `"}`)
		w.became(batch, "archived: ali imported")
	})
}

func TestReplayOfACopyThatFailed(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.Fail(mailboxtest.Create, 1, fault{Status: 400, Code: "ErrorInvalidRecipients"})
		a := w.start(set("IMPORT_CONCURRENCY", "1"))
		batch := w.put(w.line(sms("m1", "one copy fails, the other does not", jane, ali)))
		a.deliver(batch)
		if totals := w.balanced(batch); totals.Records.Failed != 1 || totals.Copies.Failed != 1 ||
			totals.Copies.Imported != 1 {
			t.Errorf("totals %+v", totals)
		}
		a.swept(`{"replay":"` + batch + `"}`)
		w.became(batch, "archived: ali imported, jane imported")
		w.holds(ali, "m1")
		w.holds(jane, "m1")
	})
}

// beforeCreate ends the importer at the moment at which it would create a message.
func (w *world) beforeCreate(kill func()) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages") {
			kill()
			return nil, errDead
		}
		return w.toGraph.RoundTrip(r)
	}
}

// A replay that was interrupted is continued by the next delivery or sweep of the batch.
func TestReplayBreaksOff(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Users[3].MailboxCode = "ErrorInvalidUser" })
		batch := w.put(w.line(sms("m1", "to a guest, who gets a mailbox", otto, gus)))
		w.start().deliver(batch)
		w.became(batch, "unmapped")
		licensed := tenant()[3]
		licensed.MailboxCode = ""
		w.graph.SetUser(licensed)
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		short := w.start(doubt(time.Second), func(s *start) { s.transport = w.beforeCreate(kill) })
		if got := short.invoke(ctx, "sweep",
			map[string]string{"timer": `{"replay":"` + batch + `"}`}); got.status == http.StatusOK {
			t.Errorf("a replay that could import nothing: %s", got.value)
		}
		if s := w.state(batch); s.Done || s.Totals().Copies.Pending != 1 {
			t.Errorf("done %v, %+v", s.Done, s.Totals().Copies)
		}
		if res := w.start(doubt(time.Second)).swept(""); res.Finished != 1 {
			t.Errorf("sweep %+v", res)
		}
		w.became(batch, "archived: gus imported")
		w.holds(gus, "m1")
	})
}

// A mailbox that is gone by the time of the next try is not waited for.
func TestPlanIsOfTheLastTry(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "his mailbox goes in between", otto, ali)))
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		if got := w.start(doubt(time.Second), func(s *start) { s.transport = w.beforeCreate(kill) }).event(ctx,
			batch); got.status == http.StatusOK {
			t.Errorf("status %d", got.status)
		}
		if c := w.state(batch).Totals().Copies; c.Pending != 1 {
			t.Errorf("copies %+v", c)
		}
		gone := tenant()[1]
		gone.MailboxCode = "ErrorInvalidUser"
		w.graph.SetUser(gone)
		w.start(doubt(time.Second)).deliver(batch)
		w.became(batch, "unmapped")
	})
}

// A replay is given up when it is old and was tried often, not when import was paused for a month.
func TestReplayOutlivesAPause(t *testing.T) {
	for tries, givenUp := range map[int]bool{0: false, 99: false, 100: true} {
		t.Run(fmt.Sprint(tries, " tries"), virtually(func(t *testing.T) {
			w := newWorld(t)
			a := w.start()
			a.deliver(w.put(w.texts("m", 1)...))
			w.close(w.folder)
			a.swept("")
			_, err := w.store.Sweeps().Put(t.Context(), sweeper.ReplaysBlob, sweeper.Replays{
				Open: []sweeper.Replay{{ID: "0b1c", What: w.folder, At: time.Now().AddDate(0, 0, -40), Tries: tries}}},
				"*", nil)
			if err != nil {
				t.Fatal(err)
			}
			a.swept("")
			var all sweeper.Replays
			if _, err := w.store.Sweeps().Get(t.Context(), sweeper.ReplaysBlob, &all); err != nil {
				t.Fatal(err)
			}
			if n := w.log.Count(`"event":"import.replayGivenUp"`); len(all.Open) > 0 || (n > 0) != givenUp {
				t.Errorf("%d reports, want them: %v; %d replays are open", n, givenUp, len(all.Open))
			}
		}))
	}
}
