package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
	"o2archiver/shared/mailbox/mailboxtest"
)

// command writes a command for import and returns its name.
func (w *world) command(content any) string {
	w.t.Helper()
	name := control.Name(time.Now(), fmt.Sprintf("%08x", invocations.Add(1)))
	if _, err := w.store.Commands().Put(w.t.Context(), "import/"+name+".json", content, "", nil); err != nil {
		w.t.Fatal(err)
	}
	return name
}

func replayOf(what string) map[string]string {
	return map[string]string{"kind": "replay", "what": what}
}

func (w *world) answerTo(name string) (a control.Answer) {
	w.t.Helper()
	if _, err := w.store.Reports().Get(w.t.Context(), "answers/"+name+".json", &a); err != nil {
		w.t.Fatalf("the answer to a command: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.said, "%+v", a)
	return a
}

// connector writes what the administrator sets while the apps run.
func (w *world) connector(paused bool) {
	w.t.Helper()
	said := map[string]any{"v": 1, "paused": map[string]bool{"import": paused}}
	if _, err := w.store.Settings().Put(w.t.Context(), "connector.json", said, "*", nil); err != nil {
		w.t.Fatal(err)
	}
}

// unmapped is a batch of a message for Gus, who has no mailbox at first, and gets one.
func (w *world) unmapped(a *app) (batch string) {
	w.t.Helper()
	batch = w.put(w.line(sms("m1", "to a guest, who gets a mailbox", otto, gus)))
	a.deliver(batch)
	w.became(batch, "unmapped")
	licensed := tenant()[3]
	licensed.MailboxCode = ""
	w.graph.SetUser(licensed)
	return batch
}

func withoutGus(o *mailboxtest.Options) { o.Users[3].MailboxCode = "ErrorInvalidUser" }

// A replay is asked for by a document, and answered in one; sweep carries it out.
func TestReplayByCommand(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, withoutGus)
		a := w.start()
		batch := w.unmapped(a)
		name := w.command(replayOf(w.folder))
		a.swept("")
		w.became(batch, "archived: gus imported")
		w.holds(gus, "m1")
		if got := w.answerTo(name); got.State != control.Done || got.Done != 1 || got.Of != 1 ||
			got.Says != "replayed: 1 batches" {
			t.Errorf("answer %+v", got)
		}
		if !w.log.Has(slog.LevelInfo, `"event":"import.commandFinished"`) {
			t.Error("the log does not have the end of the command")
		}
		gone := w.command(replayOf(w.folder + "/09999.ndjson"))
		a.swept("")
		if got := w.answerTo(gone); got.State != control.Failed || !strings.Contains(got.Says, "does not exist") {
			t.Errorf("a batch that does not exist: answer %+v", got)
		}
		wrong := w.command(replayOf("2020/01/01/none"))
		nonsense := w.command(map[string]string{"kind": "replay", "what": ali.email})
		a.swept("")
		for _, name := range []string{wrong, nonsense} {
			if got := w.answerTo(name); got.State != control.Refused || !strings.Contains(got.Says, "no run or batch") {
				t.Errorf("answer %+v", got)
			}
		}
	})
}

// A sweep that carries out a command dies after its n-th write, for every n, and the next one goes on: the replay is
// done once, and has its answer.
func TestReplayByCommandKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for n, more := 0, true; more; n++ {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, withoutGus)
			batch := w.unmapped(w.start())
			// Each third point has one of the three forms of a replay.
			name := w.command([]map[string]any{{"kind": "replay", "what": batch},
				{"kind": "replay", "what": batch, "lines": []int{1}},
				{"kind": "replay", "what": batch, "reason": "noMailbox"}}[n%3])
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			death := archivetest.DieAfter(n, func(r *http.Request) bool {
				return r.Method != http.MethodGet && r.Method != http.MethodHead
			}, kill)
			dying := w.start(doubt(time.Second), func(s *start) { s.rule = death.Rule })
			dying.invoke(ctx, "sweep", map[string]string{"timer": ""})
			more = death.Dead()
			time.Sleep(2 * time.Minute) // the claims and leases of the dead are over
			a := w.start(doubt(time.Second))
			for range 2 {
				a.swept("")
			}
			w.became(batch, "archived: gus imported")
			w.holds(gus, "m1")
			if got := w.answerTo(name); got.State != control.Done {
				t.Errorf("answer %+v", got)
			}
			replays, err := sweeper.New(sweeper.Options{Sweeps: w.store.Sweeps(), Now: time.Now}, nil).
				SavedReplays(t.Context())
			if err != nil || len(replays.Open) != 0 || len(replays.Ended) != 1 {
				t.Errorf("replays %+v, %v", replays, err)
			}
		})
		if t.Failed() {
			t.Fatalf("killed after write %d", n)
		}
		if !more && n < 10 {
			t.Errorf("only %d writes: the test does not reach what it should", n)
		}
	}
}

// While import is paused, its events succeed and its batches wait; nothing reaches a mailbox. A check is made all the
// same. When it is started, sweep finds what waits.
func TestPausedImport(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(set("PAUSED", "true"))
		batch := w.put(w.texts("m", 2)...)
		if res := a.deliver(batch); !res.Paused {
			t.Errorf("the event of a paused app: %+v", res)
		}
		name := w.command(map[string]string{"kind": "check", "mailbox": "ali@contoso.example"})
		replay := w.command(replayOf(batch))
		if res := a.swept(""); res != (sweeper.Result{}) {
			t.Errorf("a paused sweep: %+v", res)
		}
		if got := w.answerTo(name); got.State != control.Done || got.Links[len(got.Links)-1].State != control.LinkOK {
			t.Errorf("answer %+v", got)
		}
		if got := w.answerTo(replay); got.State != control.Working || !strings.Contains(got.Says, "paused") {
			t.Errorf("answer %+v", got)
		}
		w.holds(ali)
		if w.log.Count(`"event":"import.paused"`) == 0 {
			t.Error("the log does not have the pause")
		}

		w.connector(false)
		time.Sleep(time.Minute)
		a.swept("")
		w.holds(ali, "m000", "m001")
		w.balanced(batch)
		a.swept("")
		if got := w.answerTo(replay); got.State != control.Done {
			t.Errorf("answer %+v", got)
		}

		w.connector(true)
		time.Sleep(time.Minute)
		next := w.put(w.texts("n", 1)...)
		a.deliver(next)
		w.holds(ali, "m000", "m001")
	})
}

// A pause ends what is at work, an event's delivery and a sweep, within two minutes, and neither is an error.
func TestPauseEndsWhatIsAtWork(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var up atomic.Bool
		a := w.start(func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages") && !up.Load() {
					return nil, errors.New("the connection breaks")
				}
				return w.toGraph.RoundTrip(r)
			})
		})
		batch := w.put(w.texts("m", 1)...)
		pauseAtWork := func(work func()) {
			t.Helper()
			began := time.Now()
			time.AfterFunc(30*time.Second, func() { w.connector(true) })
			work()
			if took := time.Since(began); took > 3*time.Minute {
				t.Errorf("it took %v", took)
			}
			w.connector(false)
			time.Sleep(15 * time.Minute)
		}
		pauseAtWork(func() {
			if res := a.deliver(batch); !res.Paused {
				t.Errorf("the event: %+v", res)
			}
		})
		pauseAtWork(func() { a.swept("") })
		up.Store(true)
		a.swept("")
		w.balanced(batch)
		w.holds(ali, "m000")
	})
}

// If batches come for a day and no event of any, that is reported once a day: every batch would be imported, and late.
func TestNoEvents(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		told := func() int { return w.log.Count(`"level":"ERROR"`, `"event":"import.noEvents"`) }
		day := func(n int, events bool) {
			w.folder = time.Now().UTC().Format("2006/01/02") + "/run"
			batch := w.put(w.texts(fmt.Sprintf("d%d", n), 1)...)
			if events {
				a.deliver(batch)
			}
			for range 6 {
				time.Sleep(10 * time.Minute)
				a.swept("")
			}
			time.Sleep(23 * time.Hour)
		}
		for n, step := range []struct {
			events bool
			want   int
		}{{true, 0}, {true, 0}, {false, 1}, {false, 2}, {true, 2}, {true, 2}} {
			if day(n, step.events); told() != step.want {
				t.Errorf("day %d: reported %d times, want %d", n, told(), step.want)
			}
		}
	})
}

// A time of an event that could not be saved is no silence: the next event is noted.
func TestEventIsNotedAfterAFailure(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		failed := false
		a := w.start(func(s *start) {
			s.around = func(way http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/events.json") && !failed {
						failed = true
						return storageError(r, http.StatusForbidden, "AuthorizationFailure"), nil
					}
					return way.RoundTrip(r)
				})
			}
		})
		for range 2 {
			a.deliver(w.put(w.texts("m", 1)...))
			time.Sleep(time.Minute)
		}
		last, err := a.engines.events.Last(t.Context())
		if err != nil || time.Since(last) > 2*time.Minute || !failed {
			t.Errorf("the last event: %v, %v", last, err)
		}
	})
}

// A sweep with nothing to do costs few requests to storage, whatever the archive holds. docs/performance.md has the
// number.
func TestIdleSweepIsCheap(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var requests atomic.Int64
		a := w.start(func(s *start) {
			s.rule = func(*http.Request) archivetest.Fault { requests.Add(1); return archivetest.Pass }
		})
		for n := range 3 {
			w.folder = time.Now().UTC().AddDate(0, 0, n-20).Format("2006/01/02") + "/run"
			a.deliver(w.put(w.texts(fmt.Sprintf("d%d", n), 1)...))
			w.finishRun()
		}
		a.swept("") // a full one
		time.Sleep(10 * time.Minute)
		requests.Store(0)
		a.swept("")
		const most = 12
		if n := requests.Load(); n > most {
			t.Errorf("an idle sweep makes %d requests, want at most %d", n, most)
		}
	})
}

// Between two full sweeps an old day that is not finished is looked at, and one of which nothing is known is not.
func TestSweepBetweenFullOnes(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		w.folder = time.Now().UTC().AddDate(0, 0, -20).Format("2006/01/02") + "/run" // without a manifest
		a.deliver(w.put(w.texts("a", 1)...))
		a.swept("")
		time.Sleep(10 * time.Minute)
		late := w.put(w.texts("b", 1)...)
		if res := a.swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("a batch of an open run: %+v", res)
		}
		w.balanced(late)
		w.folder = time.Now().UTC().AddDate(0, 0, -30).Format("2006/01/02") + "/run"
		new := w.put(w.texts("c", 1)...)
		if res := a.swept(""); res != (sweeper.Result{}) {
			t.Errorf("a day that is not known: %+v", res)
		}
		time.Sleep(time.Hour)
		if res := a.swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("the full sweep after an hour: %+v", res)
		}
		w.balanced(new)
		if s := w.sweeps(); !slices.Contains(s.Unfinished, w.folder[:10]) {
			t.Errorf("unfinished days: %v", s.Unfinished)
		}
	})
}

// finishRun writes the manifest of the run whose batches put writes.
func (w *world) finishRun() {
	w.t.Helper()
	if _, _, err := w.store.Batches().WriteManifest(w.t.Context(), w.folder, archive.Manifest{Version: 1}); err != nil {
		w.t.Fatal(err)
	}
}
