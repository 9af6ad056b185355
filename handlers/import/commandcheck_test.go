package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
	"o2archiver/shared/mailbox/mailboxtest"
)

// The links of a check of import, in their order.
var linkNames = []string{"storage", "ledger", "graph", "directory", "mailbox", "events"}

func TestCheckOfImport(t *testing.T) {
	const address = "ALI@contoso.example"
	for name, tt := range map[string]struct {
		mailbox string
		fault   func(w *world)
		start   []func(*start)
		bad     map[string]string // by link: a part of what is said, or of what helps
	}{
		"everything works":     {address, nil, nil, nil},
		"no mailbox was given": {"", nil, nil, map[string]string{"mailbox": "no mailbox was given"}},
		"no mailbox was given, and no right to the directory": {"", func(w *world) {
			w.graph.Fail(mailboxtest.LookUp, 1, fault{Times: -1, Status: 403, Code: "Authorization_RequestDenied"})
		}, nil, map[string]string{"directory": "User.Read.All", "mailbox": "no mailbox was given"}},
		"no such user": {"nobody@contoso.example", nil, nil,
			map[string]string{"directory": "no user with that address", "mailbox": "not tried"}},
		"no right to the directory": {address, func(w *world) {
			w.graph.Fail(mailboxtest.LookUp, 1, fault{Times: -1, Status: 403, Code: "Authorization_RequestDenied"})
		}, nil, map[string]string{"directory": "User.Read.All", "mailbox": "not tried"}},
		"no right to the mailbox": {address, func(w *world) {
			w.graph.Fail(mailboxtest.Create, 1, fault{Times: -1, Status: 403, Code: "ErrorAccessDenied"})
		}, nil, map[string]string{"mailbox": "infra/graph/README.md"}},
		"the written message is not found": {address, func(w *world) {
			w.graph.Fail(mailboxtest.Find, 3, fault{Times: -1, Status: 503})
		}, nil, map[string]string{"mailbox": "search the mailbox"}},
		"the message is deleted at the second try": {address, func(w *world) {
			w.graph.Fail(mailboxtest.Delete, 1, fault{Status: 503})
		}, nil, map[string]string{"mailbox": "delete the test message"}},
		"no mailbox": {"gus@contoso.example", nil, nil, map[string]string{"mailbox": "no mailbox in Exchange Online"}},
		"no right to the journal": {address, nil, []func(*start){denies("/journal/")},
			map[string]string{"storage": "container journal"}},
		"no right to the batches": {address, nil, []func(*start){denies("/batches")},
			map[string]string{"storage": "container batches"}},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t, withoutGus)
			if tt.fault != nil {
				tt.fault(w)
			}
			a := w.start(tt.start...)
			a.engines.events.Note(t.Context(), slog.New(slog.DiscardHandler))
			name := w.command(map[string]string{"kind": "check", "mailbox": tt.mailbox})
			a.sweep("")
			got := w.answerTo(name)
			if got.State != control.Done {
				t.Fatalf("answer %+v", got)
			}
			var names []string
			for _, l := range got.Links {
				names = append(names, l.Link)
				bad, ok := tt.bad[l.Link]
				if ok == (l.State == control.LinkOK) || !strings.Contains(l.Says+" "+l.Do, bad) {
					t.Errorf("link %+v, want %q", l, bad)
				}
			}
			if diff := cmp.Diff(linkNames, names); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			w.holds(ali)
			w.holds(gus)
		}))
	}
}

// A refusal of one address is not one of Graph.
func TestCheckOfAnAddressThatTheDirectoryRefuses(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(func(s *start) {
			s.transport = &oddLookUp{text: "odd", status: 400, code: "Request_BadRequest", next: w.toGraph}
		})
		name := w.command(map[string]string{"kind": "check", "mailbox": "odd+{x}@contoso.example"})
		a.sweep("")
		for _, l := range w.answerTo(name).Links {
			if l.Link == "graph" && l.State != control.LinkOK ||
				l.Link == "directory" && !strings.Contains(l.Says, "refuses to look that address up") {
				t.Errorf("link %+v", l)
			}
		}
	})
}

// Checks that wait for storage leave time for the sweep, and each is made in the end.
func TestChecksLeaveTimeForTheSweep(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				if strings.HasSuffix(r.URL.Path, "/probe") {
					return archivetest.Stall
				}
				return archivetest.Pass
			}
		})
		var names []string
		for range 30 {
			names = append(names, w.command(map[string]string{"kind": "check", "mailbox": "ali@contoso.example"}))
		}
		batch := w.put(w.texts("m", 1)...)
		time.Sleep(15 * time.Minute)
		began := time.Now()
		a.swept("")
		if took := time.Since(began); took > 8*time.Minute {
			t.Errorf("the sweep took %v", took)
		}
		w.balanced(batch)
		for range 8 {
			a.swept("")
		}
		for _, name := range names {
			if got := w.answerTo(name); got.State != control.Done || len(got.Links) != len(linkNames) {
				t.Errorf("answer %+v", got)
			}
		}
		w.holds(ali, "m000")
	})
}

// A check that ends after it has written its message is no result: the next try deletes the message, and answers.
func TestCheckIsKilled(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		a := w.start(func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				answer, err := w.toGraph.RoundTrip(r)
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages") {
					kill()
				}
				return answer, err
			})
		})
		name := w.command(map[string]string{"kind": "check", "mailbox": "ali@contoso.example"})
		a.invoke(ctx, "sweep", map[string]string{"timer": ""})
		b := w.start()
		b.swept("")
		if got := w.answerTo(name); got.State != control.Done {
			t.Errorf("answer %+v", got)
		}
		again := w.command(map[string]string{"kind": "check", "mailbox": "ali@contoso.example"})
		b.swept("")
		if got := w.answerTo(again); got.State != control.Done {
			t.Errorf("answer %+v", got)
		}
		w.holds(ali)
	})
}
