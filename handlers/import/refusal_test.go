package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

// foreign are refusals that are none of Graph's own, or say that Graph knows nothing. shared/mailbox goes through all
// of them.
func foreign() map[string]fault {
	return map[string]fault{
		"404 in HTML": {Status: 404, HTML: true}, "413 without a body": {Status: 413, Empty: true},
		"423 moved": {Status: 423, Code: "ErrorMailboxMoveInProgress"}, "409 conflict": {Status: 409,
			Code: "ErrorIrresolvableConflict"},
	}
}

// No passing refusal decides anything about a copy, whatever it is an answer to.
func TestAPassingRefusalIsNoFact(t *testing.T) {
	t.Parallel()
	cases := map[string]graphFault{}
	for name, f := range foreign() {
		f.Times = 2
		for _, kind := range []string{mailboxtest.Create, mailboxtest.Find, mailboxtest.Folder, mailboxtest.FindFolder,
			mailboxtest.Batch, mailboxtest.LookUp} {
			cases[kind+", "+name] = graphFault{kind: kind, fault: f}
		}
	}
	together(t, cases, func(t *testing.T, c graphFault) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "whatever stands in between", otto, ali)))
		if c.kind == mailboxtest.Find { // what it takes to have a copy looked for
			// one that the claim's age breaks off counts too
			w.graph.Fail(mailboxtest.Create, 1, fault{After: true, Reset: true, Times: 3})
		}
		w.graph.Fail(c.kind, 1, c.fault)
		w.start(doubt(inDoubtTest)).deliver(batch)
		if n := w.calls(c.kind); n < 2 {
			t.Errorf("the fault was met by none of %d requests", n)
		}
		w.holds(ali, "m1")
		w.became(batch, "archived: ali imported")
	})
}

// A message that was made although the answer says that it was refused is not made again.
func TestAForeignRefusalMayHideASuccess(t *testing.T) {
	t.Parallel()
	together(t, foreign(), func(t *testing.T, f fault) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "made, and called refused", otto, ali)))
		f.After = true
		w.graph.Fail(mailboxtest.Create, 1, f)
		w.start(doubt(inDoubtTest)).deliver(batch)
		w.holds(ali, "m1")
		w.became(batch, "archived: ali imported")
	})
}

// A file's message is whole in the end, whatever request of it was refused in passing.
func TestAPassingRefusalUnderAFile(t *testing.T) {
	t.Parallel()
	cases := map[string]graphFault{}
	for kind, name := range map[string]string{
		mailboxtest.AddFile: "409 conflict", mailboxtest.Session: "404 in HTML", mailboxtest.Part: "409 conflict",
		mailboxtest.Patch:  "404 in HTML",
		mailboxtest.Delete: "404 in HTML",
	} {
		cases[kind+", "+name] = graphFault{kind: kind, fault: foreign()[name]}
	}
	session, post := noise(sessioned, 1), noise(posted, 3)
	together(t, cases, func(t *testing.T, c graphFault) {
		w := newWorld(t)
		content := session
		switch c.kind {
		case mailboxtest.Delete: // what it takes to have half a message taken away
			w.graph.Fail(mailboxtest.Part, 1, fault{After: true, Reset: true})
		case mailboxtest.AddFile:
			content = post
		}
		batch := w.put(w.line(w.file(sms("m1", "with a file that is large", otto, ali), "file.bin", content)))
		w.graph.Fail(c.kind, 1, c.fault)
		w.start(doubt(18 * time.Second)).deliver(batch)
		w.holds(ali, with("m1", content))
		w.became(batch, "archived: ali imported")
	})
}

// A proxy's 404 in place of the folders says nothing of the mailbox, and is not remembered.
func TestAProxysNotFoundIsNoMissingMailbox(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var bad atomic.Bool
		bad.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var refusals atomic.Int64
		a := w.start(doubt(inDoubtTest), func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if bad.Load() && strings.Contains(r.URL.Path, "/mailFolders") {
					// one mailbox is asked about at a time: the invocation ends when it was asked again
					if refusals.Add(1) == 4 {
						cancel()
					}
					return &http.Response{StatusCode: 404, ProtoMajor: 1, ProtoMinor: 1,
						Header: http.Header{"Content-Type": {"text/html"}},
						Body:   http.NoBody, Request: r}, nil
				}
				return w.toGraph.RoundTrip(r)
			})
		})
		one := w.put(w.line(sms("m1", "while a proxy answers", otto, ali)))
		if r := a.event(ctx, one); r.status == http.StatusOK {
			t.Errorf("the batch ended with %s while the folders were out of reach", r.value)
		}
		bad.Store(false)
		two := w.put(w.line(sms("m2", "a moment later", otto, ali)))
		w.close(w.folder)
		a.deliver(two)
		a.swept("")
		w.holds(ali, "m1", "m2")
		w.became(one, "archived: ali imported")
	})
}

// What Graph refuses without an end and without a final answer stays pending, is told, and keeps nothing else from its
// turn.
func TestARefusalThatNeverPassesStaysPending(t *testing.T) {
	t.Parallel()
	for kind, f := range map[string]fault{
		mailboxtest.Create:     {Status: 400, Code: "SomethingNew", Times: -1},
		mailboxtest.FindFolder: {Status: 409, Code: "SomethingNew", Times: -1},
	} {
		t.Run(kind, virtually(func(t *testing.T) {
			w := newWorld(t)
			w.start().deliver(w.put(w.line(sms("m0", "both have the folder", jane, ali))))
			stuck := w.put(w.line(sms("m1", "for one who is refused", otto, ali)),
				w.line(sms("m2", "for another", otto, jane)))
			behind := w.put(w.line(sms("m3", "the next batch", otto, jane)))
			w.close(w.folder)
			a := w.start(doubt(inDoubtTest), func(s *start) { s.transport = w.refuseFor(ali.id(), kind, f) })
			for range 2 {
				if r := a.sweep(""); r.status == http.StatusOK {
					t.Errorf("the sweep ended with %s", r.value)
				}
			}
			w.holds(jane, "m0", "m2", "m3")
			w.became(behind, "archived: jane imported")
			if s := w.state(stuck); s.Done {
				t.Error("the batch is closed")
			} else if r, ok := s.Record(1); ok {
				t.Errorf("the record ended as %s", r.Outcome)
			}
			if w.log.Count("WARN", stuck, "SomethingNew", "stays pending") < 2 {
				t.Errorf("it was not told:\n%s", w.log.String())
			}
			w.start(doubt(inDoubtTest)).swept("") // Graph is as it was
			w.holds(ali, "m0", "m1")
			w.became(stuck, "archived: ali imported", "archived: jane imported")
		}))
	}
}

// refuseFor refuses the requests of one kind to one user's mailbox.
func (w *world) refuseFor(user, kind string, f fault) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		create := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages")
		folders := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/mailFolders")
		if !strings.Contains(r.URL.Path, user) ||
			!(create && kind == mailboxtest.Create || folders && kind == mailboxtest.FindFolder) {
			return w.toGraph.RoundTrip(r)
		}
		body := `{"error":{"code":"` + f.Code + `","message":"no"}}`
		return &http.Response{StatusCode: f.Status, ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}},
			Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
	})
}

// An address with a letter that only Unicode's lower case makes one of ASCII is no address, and its item is archived
// for the others.
func TestALetterThatLowersIntoASCII(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"capital I with dot": "INFO@B\u0130LG\u0130.COM", "Kelvin sign": "info@\u212aent.example",
		"Kelvin in the local part":             "\u212aim@contoso.example",
		"long s":                               "\u017fam@contoso.example",
		"capital I with dot in the local part": "\u0130nfo@contoso.example",
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			odd := person{"Odd", "+447700900555", address}
			batch := w.put(w.line(sms("m1", "with an odd address", ali, odd)), w.line(sms("m2", "from one", odd, jane)),
				w.line(sms("m3", "a good one", jane, ali)))
			w.start().deliver(batch)
			w.became(batch, "archived: ali imported", "archived: jane imported",
				"archived: ali imported, jane imported")
		}))
	}
}
