package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"o2archiver/local/soak"
	"o2archiver/shared/mailbox/mailboxtest"
)

type fault = mailboxtest.Fault

// graphFault is one request to Graph that goes wrong.
type graphFault struct {
	kind  string
	fault fault
	date  bool // Retry-After is a date, to be made when the test runs
}

var (
	withoutEffect = map[string]fault{
		"503": {}, "500 thrice": {Status: 500,
			Times: 3}, "503 asks for a second": {RetryAfter: "1"}, "504 of a proxy": {Status: 504, HTML: true},
		"429": {Status: 429, RetryAfter: "1"}, "reset": {Reset: true}, "an empty success": {Empty: true},
		"a success in HTML": {HTML: true},
	}
	afterEffect = map[string]fault{
		"503 after": {After: true}, "504 after": {After: true, Status: 504, Empty: true}, "reset after": {After: true,
			Reset: true},
		"cut after": {After: true, Cut: true}, "stall after": {After: true, Stall: time.Minute},
	}
)

// graphFaults are one case for each kind of request and each way of going wrong.
func graphFaults(kinds ...string) map[string]graphFault {
	all := map[string]graphFault{}
	for _, kind := range kinds {
		for _, faults := range []map[string]fault{withoutEffect, afterEffect} {
			for name, f := range faults {
				all[kind+", "+name] = graphFault{kind: kind, fault: f}
			}
		}
	}
	return all
}

func TestGraphFails(t *testing.T) {
	t.Parallel()
	cases := graphFaults(mailboxtest.Create, mailboxtest.Find, mailboxtest.Folder, mailboxtest.FindFolder,
		mailboxtest.Batch, mailboxtest.LookUp)
	for _, kind := range []string{mailboxtest.Create, mailboxtest.Find, mailboxtest.Batch} {
		cases[kind+", 503 with a date"] = graphFault{kind: kind, date: true}
		cases[kind+", 401"] = graphFault{kind: kind, fault: fault{Status: 401}}
		cases[kind+", 401 for a while"] = graphFault{kind: kind, fault: fault{Status: 401, Times: 4}}
	}
	cases["create, 429 without Retry-After"] = graphFault{kind: mailboxtest.Create, fault: fault{Status: 429}}
	together(t, cases, func(t *testing.T, c graphFault) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "however often it goes wrong", jane, ali)))
		if c.kind == mailboxtest.Find { // what it takes to have a copy looked for
			// one that the claim's age breaks off counts too
			w.graph.Fail(mailboxtest.Create, 1, fault{After: true, Reset: true, Times: 3})
		}
		if c.date {
			c.fault.RetryAfter = time.Now().Add(1500 * time.Millisecond).UTC().Format(http.TimeFormat)
		}
		w.graph.Fail(c.kind, 1, c.fault)
		w.start(doubt(inDoubtTest)).deliver(batch)
		if n := w.calls(c.kind); n < 2 {
			t.Errorf("the fault was met by none of %d requests", n)
		}
		w.holds(ali, "m1")
		w.holds(jane, "m1")
		w.became(batch, "archived: ali imported, jane imported")
	})
}

// Requests with files take long where the race detector looks on: there are fewer cases, with more time. The short form
// has one of each kind of request, with an effect whose answer is lost.
func TestGraphFailsUnderAFile(t *testing.T) {
	t.Parallel()
	cases := map[string]graphFault{}
	long := soak.ForTest(t).Long
	for kind, names := range map[string][]string{
		mailboxtest.AddFile: {"503 after"},
		mailboxtest.Session: {"reset after"},
		mailboxtest.Part:    {"cut after", "503", "429", "reset", "stall after"},
		mailboxtest.Patch:   {"503 after", "an empty success", "cut after"},
		mailboxtest.Delete:  {"503 after", "an empty success"},
	} {
		if !long {
			names = names[:1]
		}
		for _, name := range names {
			f, ok := withoutEffect[name]
			if !ok {
				f = afterEffect[name]
			}
			cases[kind+", "+name] = graphFault{kind: kind, fault: f}
		}
	}
	session, parts, post := noise(sessioned, 1), noise(parted, 2), noise(posted, 3)
	together(t, cases, func(t *testing.T, c graphFault) {
		w := newWorld(t)
		content := session
		switch c.kind {
		case mailboxtest.Delete: // what it takes to have half a message taken away
			w.graph.Fail(mailboxtest.Part, 1, fault{After: true, Reset: true})
		case mailboxtest.AddFile:
			content = post
		case mailboxtest.Part:
			content = parts
		}
		batch := w.put(w.line(w.file(sms("m1", "with a file that is large", otto, ali), "file.bin", content)))
		w.graph.Fail(c.kind, 1, c.fault)
		w.start(doubt(18 * time.Second)).deliver(batch)
		// what is gone is not deleted twice
		if n := w.calls(c.kind); n < 2 && (c.kind != mailboxtest.Delete || !c.fault.After) {
			t.Errorf("the fault was met by none of %d requests", n)
		}
		w.holds(ali, with("m1", content))
		w.became(batch, "archived: ali imported")
	})
}

func TestGraphIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	type way func(http.RoundTripper, *http.Request) (*http.Response, error)
	unconnected := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}}
	together(t, map[string]way{
		"no connection": func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
			return unconnected.RoundTrip(r)
		},
		"all answers lost": func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil {
				resp.Body.Close()
			}
			return nil, fmt.Errorf("%s %s: broken off", r.Method, r.URL) // as net/http's errors do
		},
		"503": func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		},
	}, func(t *testing.T, broken way) {
		w := newWorld(t)
		batch := w.put(w.texts("m", 10)...)
		var away atomic.Bool
		away.Store(true)
		a := w.start(doubt(inDoubtTest), func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if away.Load() {
					return broken(w.toGraph, r)
				}
				return w.toGraph.RoundTrip(r)
			})
		})
		// Away from the start, back, and away again in the middle.
		time.AfterFunc(time.Second, func() { away.Store(false) })
		time.AfterFunc(1500*time.Millisecond, func() { away.Store(true) })
		time.AfterFunc(3*time.Second, func() { away.Store(false) })
		a.deliver(batch)
		if totals := w.balanced(batch); totals.Copies.Imported != 20 {
			t.Errorf("copies %+v", totals.Copies)
		}
		if len(w.copies(ali)) != 10 || len(w.copies(jane)) != 10 {
			t.Errorf("%d and %d messages, want 10 each", len(w.copies(ali)), len(w.copies(jane)))
		}
	})
}

func TestWaitingIsReported(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "whoever looks should see what is waited for", jane, ali)))
		w.graph.Fail(mailboxtest.Create, 1, fault{Status: 429, RetryAfter: "1", Times: 4})
		w.start().deliver(batch)
		w.holds(ali, "m1")
		if said := w.logged("WARN"); len(said) != 1 || !strings.Contains(said[0], "waiting") ||
			!strings.Contains(said[0], "429") {
			t.Errorf("warnings: %q, want one that says what is waited for", said)
		}
	})
}

func TestWhatGraphRefusesForGood(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind   string
		fault  fault
		reason string
	}{
		"denied":            {mailboxtest.Create, fault{Status: 403, Times: -1}, "outside the scope"},
		"denied the folder": {mailboxtest.FindFolder, fault{Status: 403, Times: -1}, "outside the scope"},
		"bad request": {mailboxtest.Create, fault{Status: 400, Code: "ErrorInvalidRecipients", Times: -1},
			"HTTP 400, ErrorInvalidRecipients"},
		"a full mailbox": {mailboxtest.Create, fault{Status: 507, Code: "ErrorQuotaExceeded", Times: -1},
			"is full"},
		"a full table": {mailboxtest.Create, fault{Status: 403, Code: "ErrorQuotaExceeded", Times: -1},
			"is full"},
		"a draft": {mailboxtest.Create, fault{Status: 201, Body: `{"id":"x","isDraft":true}`, Times: -1},
			"CreatedAsDraft"},
		"no licence any more": {mailboxtest.Create, fault{Status: 401, Code: "AuthenticationError", Times: -1},
			"no mailbox any more"},
		"gone": {mailboxtest.Create, fault{Status: 404, Code: "ErrorInvalidUser", Times: -1},
			"no mailbox any more"},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			w.graph.Fail(test.kind, 1, test.fault)
			a := w.start()
			batch := w.put(w.line(sms("m1", "refused for good", otto, ali)))
			a.deliver(batch)
			w.became(batch, "failed: ali failed")
			r, _ := w.state(batch).Record(1)
			if c := w.state(batch).Copies(1)[0]; !strings.Contains(c.Reason, test.reason) ||
				!strings.Contains(r.Reason, c.Reason) {
				t.Errorf("reasons %q and %q", c.Reason, r.Reason)
			}
			w.holds(ali)
		}))
	}
}

func TestUsersWithoutMailbox(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"MailboxNotEnabledForRESTAPI", "ResourceNotFound", "ErrorItemNotFound",
		"ErrorInvalidUser", "AuthenticationError"} {
		t.Run(code, virtually(func(t *testing.T) {
			w := newWorld(t, func(o *mailboxtest.Options) { o.Users[3].MailboxCode = code })
			batch := w.put(w.line(sms("m1", "for a guest", otto, gus)),
				w.line(sms("m2", "for a guest and another", gus, ali)))
			w.start().deliver(batch)
			w.became(batch, "unmapped", "archived: ali imported")
		}))
	}
}

func TestOneMailboxIsAway(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Users[3].MailboxCode = "" })
		var well atomic.Bool
		a := w.start(doubt(inDoubtTest), func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.Path, gus.id()) && !well.Load() {
					return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
				}
				return w.toGraph.RoundTrip(r)
			})
		}, lookUpWait(300*time.Millisecond))
		batch := w.put(w.line(sms("m1", "to one who is being moved", jane, gus)),
			w.line(sms("m2", "to one who is not", jane, ali)))
		go func() {
			defer well.Store(true)
			within(t, "nobody else waits", func() bool { return len(w.copies(jane)) == 2 && len(w.copies(ali)) == 1 })
			w.holds(gus)
		}()
		a.deliver(batch)
		w.became(batch, "archived: gus imported, jane imported", "archived: ali imported, jane imported")
		w.holds(gus, "m1")
	})
}

func TestUserDeletesTheFolder(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		first := w.put(w.texts("m", 3)...)
		a.deliver(first)
		if !w.graph.DeleteFolder(ali.id(), target) {
			t.Fatal("there is no folder")
		}
		second := w.put(w.texts("n", 3)...)
		a.deliver(second)
		w.holds(ali, "n000", "n001", "n002")
		// A renamed folder keeps its id, so it stays the target until the importer is started again.
		w.graph.RenameFolder(ali.id(), target, "Old messages")
		third := w.put(w.texts("o", 1)...)
		w.start().deliver(third)
		w.holds(ali, "n000 in Old messages", "n001 in Old messages", "n002 in Old messages", "o000")
		for _, b := range []string{first, second, third} {
			w.balanced(b)
		}
	})
}

func TestFolderIsDeletedWhileACopyIsInDoubt(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.Fail(mailboxtest.Create, 1, fault{After: true, Reset: true})
		var deleted atomic.Bool
		a := w.start(doubt(inDoubtTest), func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/messages") && !deleted.Swap(true) {
					w.graph.DeleteFolder(ali.id(), target)
				}
				return w.toGraph.RoundTrip(r)
			})
		})
		batch := w.put(w.line(sms("m1", "the folder goes with it", otto, ali)))
		a.deliver(batch)
		w.became(batch, "archived: ali imported")
		w.holds(ali, "m1")
		if !deleted.Load() {
			t.Error("nobody looked for the copy")
		}
	})
}
