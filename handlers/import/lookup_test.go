package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/recipients"
	"o2archiver/shared/mailbox/mailboxtest"
)

// oddLookUp is a way to Graph on which each look-up of an address with the text has another answer; status 0: none at
// all.
type oddLookUp struct {
	text   string
	status int
	code   string
	next   http.RoundTripper // to Graph
	over   atomic.Bool
}

func (odd *oddLookUp) RoundTrip(r *http.Request) (*http.Response, error) {
	return odd.send(r, odd.next)
}

// send is RoundTrip with another way to Graph.
func (odd *oddLookUp) send(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if odd.over.Load() || !strings.HasSuffix(r.URL.Path, "/$batch") {
		return next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var question struct{ Requests []struct{ ID, URL string } }
	if err := json.Unmarshal(body, &question); err != nil {
		return nil, err
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Responses []map[string]any `json:"responses"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	for _, q := range question.Requests {
		if !strings.Contains(q.URL, odd.text) {
			continue
		}
		answer.Responses = slices.DeleteFunc(answer.Responses, func(a map[string]any) bool { return a["id"] == q.ID })
		if odd.status != 0 {
			answer.Responses = append(answer.Responses, map[string]any{"id": q.ID, "status": odd.status,
				"body": map[string]any{"error": map[string]any{"code": odd.code, "message": "x"}}})
		}
	}
	text, err := json.Marshal(answer)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, err
}

// An address that the directory refuses belongs to no user; its item has the reason, and the batch continues.
func TestAddressThatTheDirectoryRefuses(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		odd := person{"Odd", "+447700900555", "odd+{x}@contoso.example"}
		a := w.start(func(s *start) {
			s.transport = &oddLookUp{text: "odd", status: 400, code: "Request_BadRequest", next: w.toGraph}
		})
		batch := w.put(
			w.line(sms("m1", "to an odd address", otto, odd)), w.line(sms("m2", "a good message", jane,
				ali)), w.line(sms("m3", "to both", odd, ali)),
		)
		a.deliver(batch)
		w.became(batch, "unmapped", "archived: ali imported, jane imported", "archived: ali imported")
		for _, n := range []int{1, 3} {
			if r, _ := w.state(batch).Record(n); !strings.Contains(r.Reason, "HTTP 400, Request_BadRequest") {
				t.Errorf("line %d: the reason is %q", n, r.Reason)
			}
		}
	})
}

// An address about which the directory never answers holds up its own items alone, and of those only what is not
// known.
func TestAddressWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]*oddLookUp{
		"times out":    {text: "kim", status: 504, code: "UnknownError"},
		"is throttled": {text: "kim", status: 429, code: "TooManyRequests"},
		"is left out":  {text: "kim"},
		"is denied":    {text: "kim", status: 403, code: "ErrorAccessDenied"},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			way.next = w.toGraph
			a := w.start(func(s *start) { s.transport, s.deadline = way, 25*time.Second }, doubt(inDoubtTest),
				lookUpWait(3*time.Second))
			batch := w.put(
				w.line(sms("m1", "to one of whom nothing is known", otto, kim)), w.line(sms("m2", "a good message",
					jane, ali)),
				w.line(sms("m3", "to both", kim, ali)),
			)
			// A second batch in which only that address is new.
			other := w.put(w.line(sms("n1", "to one of whom nothing is known", otto, kim)),
				w.line(sms("n2", "a good message", jane, ali)))
			for _, b := range []string{batch, other} {
				if got := a.event(t.Context(), b); got.status == http.StatusOK {
					t.Errorf("status %d: %s", got.status, got.value)
				}
			}
			w.holds(ali, "m2", "m3", "n2")
			w.holds(jane, "m2", "n2")
			if _, ended := w.state(batch).Record(3); ended {
				t.Error("an item that may be for more has its outcome")
			}
			way.over.Store(true)
			w.start(doubt(inDoubtTest)).swept("")
			w.became(batch, "archived: kim imported", "archived: ali imported, jane imported",
				"archived: ali imported, kim imported")
			w.became(other, "archived: kim imported", "archived: ali imported, jane imported")
			w.holds(ali, "m2", "m3", "n2")
		}))
	}
}

// One item with a million addresses is archived for those that are looked up, and says how many were not.
func TestItemWithManyAddresses(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Limits.Off = true })
		var to []item
		for i := range 2100 { // the bound is 20,000
			var emails []string
			for j := range 10 {
				emails = append(emails, fmt.Sprintf("%x@a.example", i*10+j))
			}
			to = append(to, item{"email": strings.Join(emails, " ")})
		}
		huge := sms("m1", "to very many", ali)
		huge["to"] = to
		batch := w.put(w.line(huge), w.line(sms("m2", "a good message", jane, ali)))
		a := w.start()
		a.deliver(batch)
		w.became(batch, "archived: ali imported", "archived: ali imported, jane imported")
		r, _ := w.state(batch).Record(1)
		if n := w.calls(mailboxtest.LookUp); n > 20_100 || !strings.Contains(r.Reason, "were not looked up") {
			t.Errorf("%d look-ups; the reason is %q", n, r.Reason)
		}
	})
}

// What was answered is kept, however the question ends.
func TestAnsweredLookUpsAreKept(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		way := &oddLookUp{text: "never", status: 504, code: "UnknownError", next: w.toGraph}
		a := w.start(func(s *start) { s.transport = way })
		users := recipients.NewDirectory(a.clients.boxes, recipients.DirectoryOptions{
			Concurrency: a.config.concurrency, Wait: 2 * time.Second, Now: time.Now,
		})
		addresses := []string{jane.email, ali.email, "never@contoso.example"}
		for i := range recipients.QuestionSize {
			addresses = append(addresses, fmt.Sprintf("p%d@contoso.example", i))
		}
		slices.Sort(addresses)
		for range 2 {
			got, err := users.Mailboxes(t.Context(), addresses)
			if len(got) != 2 || err == nil {
				t.Errorf("%d found, %v", len(got), err)
			}
		}
		if n := w.calls(mailboxtest.LookUp); n > len(addresses)+10 {
			t.Errorf("%d look-ups for %d addresses that were asked about twice", n, len(addresses))
		}
	})
}
