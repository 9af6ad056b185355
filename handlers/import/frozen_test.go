package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/local/soak"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
)

// ice stops an importer at its n-th request to Graph that changes something, behind all that is checked before it is
// sent, and with it all that it does, until it thaws. The request is sent then, whatever its context says: a process
// that stood still hears of its time-outs when it goes on, and maybe too late.
type ice struct {
	n      int64
	next   http.RoundTripper // to Graph
	writes atomic.Int64
	frozen atomic.Bool
	begins chan struct{}
	thaws  chan struct{}
}

func newIce(w *world, n int64) *ice {
	return &ice{n: n, next: w.toGraph, begins: make(chan struct{}), thaws: make(chan struct{})}
}

// rule is the way to the storage.
func (i *ice) rule(*http.Request) archivetest.Fault {
	if i.frozen.Load() {
		<-i.thaws
	}
	return archivetest.Pass
}

// RoundTrip is the way to Graph.
func (i *ice) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/$batch") && i.writes.Add(1) == i.n {
		i.frozen.Store(true)
		close(i.begins)
	}
	if i.frozen.Load() {
		<-i.thaws
		r = r.WithContext(context.WithoutCancel(r.Context()))
	}
	return i.next.RoundTrip(r)
}

// A process that stands still for longer than IN_DOUBT_AFTER, at any request, and goes on when another one has done its
// work, writes nothing: no message is there twice, and none is taken away. In the short form the large file is alone in
// its batch, and the process stands still at the requests that belong to the file.
func TestFrozenAtAnyWrite(t *testing.T) {
	t.Parallel()
	large := noise(parted, 7)
	fileAlone := func(w *world) (string, func(t *testing.T)) {
		batch := w.put(w.line(w.file(sms("m2", "with a large file", otto, ali), "file.bin", large)))
		return batch, func(t *testing.T) {
			w.holds(ali, with("m2", large))
			w.balanced(batch)
		}
	}
	content := large
	if !soak.ForTest(t).Long {
		content = noise(1000, 7)
		// A folder and a create come before these: the session, its two parts, and the completion.
		freezeAt(t, "under a file, at request %d", 3, 6, fileAlone)
	}
	batchOf := func(w *world) (string, func(t *testing.T)) {
		batch := w.put(
			w.line(sms("m1", "the first of three", jane, ali)),
			w.line(w.file(sms("m2", "the second, with a file", otto, ali), "file.bin", content)),
			w.line(piece3("p1", 1, "in "), piece3("p2", 2, "three "), piece3("p3", 3, "pieces")),
		)
		return batch, func(t *testing.T) {
			w.holds(jane, "m1", "p1")
			w.holds(ali, "m1", "p1", with("m2", content))
			w.balanced(batch)
		}
	}
	const fewest = 7 // two folders and five creates; a large file's session, parts and completion come after its create
	freezeAt(t, "at request %d", 1, fewest, batchOf)
}

// freezeAt stops a process at each request that changes something, from the first one that is given to the last one of
// the batch, of which there have to be so many at least.
func freezeAt(t *testing.T, name string, first, fewest int64, batchOf func(w *world) (string, func(t *testing.T))) {
	t.Helper()
	var writes int64
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		batch, check := batchOf(w)
		never := newIce(w, 0)
		w.start(func(s *start) { s.rule, s.transport = never.rule, never }).deliver(batch)
		check(t)
		writes = never.writes.Load()
	})
	if writes < fewest {
		t.Fatalf("%d requests that change something: the batch is too simple", writes)
	}
	cases := map[string]int64{}
	for n := first; n <= writes; n++ {
		cases[fmt.Sprintf(name, n)] = n
	}
	together(t, cases, func(t *testing.T, n int64) {
		w := newWorld(t)
		i := newIce(w, n)
		batch, check := batchOf(w)
		a := w.start(doubt(3*time.Second), func(s *start) { s.rule, s.transport = i.rule, i })
		b := w.start(doubt(3 * time.Second))
		var group sync.WaitGroup
		group.Go(func() { a.event(t.Context(), batch) })
		<-i.begins
		b.deliver(batch) // waits for the lease of the one that stands still, and for its claims
		check(t)
		close(i.thaws)
		group.Wait()
		check(t)
	})
}

// FOLDER_NAME is changed, which starts the app anew, while a create is under way: the message is found in the old
// folder.
func TestFolderNameChangedWhileInDoubt(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		way := roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/messages") {
				return w.toGraph.RoundTrip(r)
			}
			// Graph makes the message
			resp, err := w.toGraph.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
			if err == nil {
				resp.Body.Close()
			}
			end() // and the app is ended before it hears of it
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		a := w.start(func(s *start) { s.transport = way })
		batch := w.put(w.line(sms("m1", "once, whatever the folder is called", otto, ali)))
		if got := a.event(ctx, batch); got.status == http.StatusOK || len(w.copies(ali)) != 1 {
			t.Fatalf("status %d with %d messages: %s", got.status, len(w.copies(ali)), got.value)
		}
		w.start(doubt(inDoubtTest), set("FOLDER_NAME", "O2 Archive 2027")).deliver(batch)
		w.holds(ali, "m1")
		w.became(batch, "archived: ali imported")
	})
}

// The clocks of two importers are an hour apart: neither takes over what the other one is at work on.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			creating, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			way := roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages") {
					once.Do(func() { close(creating) })
					<-goOn
				}
				return w.toGraph.RoundTrip(r)
			})
			a := w.start(func(s *start) { s.transport = way })
			b := w.start(func(s *start) { s.now = func() time.Time { return time.Now().Add(apart) } })
			one := w.put(w.line(sms("m1", "under one claim", otto, ali)))
			two := w.put(w.line(sms("m1", "under one claim", otto, ali)))
			var group sync.WaitGroup
			group.Go(func() { a.deliver(one) })
			<-creating
			group.Go(func() { b.deliver(two) })
			within(t, "the second importer finds the claim", func() bool {
				return w.log.Count("held by another delivery") > 0 || w.log.Count("waiting") > 0
			})
			close(goOn)
			group.Wait()
			if n := w.calls(mailboxtest.Create, mailboxtest.Find); n != 1 {
				t.Errorf("%d creates and searches, want the one create", n)
			}
			w.became(one, "archived: ali imported")
			w.became(two, "archived: ali duplicate")
		}))
	}
}
