package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/local/soak"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// refers makes the line refer to the record that was collected first, as fetch does across batches of a window.
func refers(l raw, batch string, line int) raw {
	var e record.Entry
	if err := json.Unmarshal(l, &e); err != nil {
		panic(err)
	}
	e.Earlier = &record.Place{Batch: batch, Line: line}
	out, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return out
}

// pairs are messages between Jane and Ali, each in two records with other content, as the phones of both archived it:
// of every third one only the first has a picture, of every third only the second.
func (w *world) pairs(n int) (first, second []raw) {
	for i := range n {
		id := fmt.Sprintf("pair-%03d", i)
		one := sms(id, "the first text of "+id, jane, ali)
		two := sms(id, "the second text of "+id, jane, ali).with("msisdn", ali.number[1:]).with("direction", "In")
		switch i % 3 {
		case 1:
			one = w.file(one, "picture.jpg", noise(900, uint64(i)))
		case 2:
			two = w.file(two, "picture.jpg", noise(900, uint64(i)))
		}
		first, second = append(first, w.line(one)), append(second, w.line(two))
	}
	return first, second
}

// firstEverywhere checks that both mailboxes have each message once, as its first record has it, and returns the second
// records that the journals don't report as differing.
func (w *world) firstEverywhere(n int) {
	w.t.Helper()
	for _, p := range []person{jane, ali} {
		seen := map[string]int{}
		for _, m := range w.graph.Messages(p.id()) {
			id := sourceID(m)
			seen[id]++
			i := -1
			_, _ = fmt.Sscanf(id, "pair-%03d", &i)
			if files := len(m.Attachments); !strings.HasPrefix(m.Text, "the first text of "+id) ||
				(files == 1) != (i%3 == 1) {
				w.t.Errorf("%s of %s has %d files and the text %.12q", id, p.name, files, m.Text)
			}
		}
		if len(seen) != n {
			w.t.Errorf("%s has %d messages, want %d", p.name, len(seen), n)
		}
		for id, times := range seen {
			if times != 1 {
				w.t.Errorf("%s is with %s %d times", id, p.name, times)
			}
		}
	}
}

// truthful checks what a batch's journal says of the copies of its lines: whether each differs, and why.
func (w *world) truthful(batch string, differs func(line int) bool) {
	w.t.Helper()
	s := w.state(batch)
	for _, n := range s.Lines() {
		for _, c := range s.Copies(n) {
			want := ""
			if differs(n) {
				want = importer.OtherContent
			}
			if c.Differs != differs(n) || c.Reason != want {
				w.t.Errorf("line %d of %s: %s, differs %t, %q", n, batch, c.Outcome, c.Differs, c.Reason)
			}
		}
		if r, _ := s.Record(n); r.Differs != differs(n) {
			w.t.Errorf("line %d of %s: the record differs: %t", n, batch, r.Differs)
		}
	}
}

// Of two records with one message id and other content, the one that was collected first is in both mailboxes, whatever
// is scheduled first: neighbours in one batch, and in two batches that two importers work on at the same time, the
// later one first.
func TestFirstRecordWins(t *testing.T) {
	t.Parallel()
	n, rounds := 12, 1
	if soak.ForTest(t).Long {
		n, rounds = 200, 20
	}
	alternate := func(line int) bool { return line%2 == 0 }
	never, always := func(int) bool { return false }, func(int) bool { return true }
	slow := func(o *mailboxtest.Options) { o.Latency, o.Limits.Off = 2*time.Millisecond, true }
	for round := range rounds {
		t.Run(fmt.Sprintf("one batch/%d", round), virtually(func(t *testing.T) {
			w := newWorld(t, slow)
			first, second := w.pairs(n)
			var lines []raw
			for i := range first {
				lines = append(lines, first[i], second[i])
			}
			batch := w.put(lines...)
			w.start().deliver(batch)
			w.firstEverywhere(n)
			w.truthful(batch, alternate)
		}))
		t.Run(fmt.Sprintf("two importers/%d", round), virtually(func(t *testing.T) {
			w := newWorld(t, slow)
			first, second := w.pairs(n)
			one := w.put(first...)
			for i := range second {
				second[i] = refers(second[i], one, i+1)
			}
			two := w.put(second...)
			a, b := w.start(), w.start()
			var group sync.WaitGroup
			group.Go(func() { b.deliver(two) })
			group.Go(func() { a.deliver(one) })
			group.Wait()
			w.firstEverywhere(n)
			w.truthful(one, never)
			w.truthful(two, always)
		}))
	}
}

// The later record's batch comes first, and there is nothing else: its mailboxes get the first record's message all the
// same, with its attachment, and the first record's own line finds it there.
func TestLaterBatchComesFirst(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.pairs(2)
		one := w.put(first...)
		two := w.put(refers(second[0], one, 1), refers(second[1], one, 2))
		a := w.start()
		a.deliver(two)
		w.firstEverywhere(2)
		w.truthful(two, func(int) bool { return true })
		c := w.state(two).Copies(2)[0]
		if c.Outcome != journal.Imported || c.First == nil || *c.First != (record.Place{Batch: one, Line: 2}) {
			t.Errorf("the copy does not name the record that its message was made of: %+v", c)
		}
		a.deliver(one)
		w.became(one, "archived: ali duplicate, jane duplicate", "archived: ali duplicate, jane duplicate")
		w.firstEverywhere(2)
	})
}

// Batches of two windows: what is imported first is the first, in every mailbox and for good, also for a mailbox that
// only the later record has.
func TestFirstAcrossWindows(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		one := w.put(w.line(sms("m1", "the first text", jane, ali)))
		a.deliver(one)
		two := w.put(w.line(sms("m1", "another text", jane, ali, kim)))
		w.start().deliver(two)
		w.became(two, "archived: ali duplicate (differs), jane duplicate (differs), kim imported (differs)")
		three := w.put(w.line(sms("m1", "the first text", jane, ali)))
		a.deliver(three)
		w.became(three, "archived: ali duplicate, jane duplicate")
		for _, p := range []person{jane, ali, kim} {
			w.holds(p, "m1")
			if text := w.graph.Messages(p.id())[0].Text; !strings.HasPrefix(text, "the first text") {
				t.Errorf("%s has %.16q", p.name, text)
			}
		}
	})
}

// The same text with other recipients is reported, and which of the records the mailboxes have.
func TestOtherRecipientsDiffer(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(
			w.line(sms("m1", "one text", jane, ali)),
			w.line(sms("m1", "one text", jane, ali).with("msisdn", ali.number[1:])), // of the other owner
			w.line(sms("m1", "one text", jane, kim)),
		)
		w.start().deliver(batch)
		s := w.state(batch)
		for line, want := range map[int]string{1: "", 2: "", 3: importer.OtherPeople} {
			for _, c := range s.Copies(line) {
				if c.Reason != want || c.Differs != (want != "") {
					t.Errorf("line %d: differs %t, %q", line, c.Differs, c.Reason)
				}
			}
		}
		for _, p := range []person{jane, ali, kim} {
			w.holds(p, "m1")
		}
	})
}

// A first record that can't be had does not keep the others from being archived: it is quarantined, of another message,
// or gone.
func TestFirstRecordCanNotBeHad(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(w *world) record.Place{
		"no such batch": func(w *world) record.Place {
			return record.Place{Batch: w.folder + "/00077.ndjson", Line: 1}
		},
		"no such line":  func(w *world) record.Place { return record.Place{Batch: w.put(w.texts("x", 1)...), Line: 9} },
		"of another id": func(w *world) record.Place { return record.Place{Batch: w.put(w.texts("x", 1)...), Line: 1} },
		"no batch":      func(*world) record.Place { return record.Place{Batch: "../settings/mapping.csv", Line: 1} },
		"quarantined": func(w *world) record.Place {
			return record.Place{Batch: w.put(w.line(sms("m1", "from the year 57300", jane, ali).with("messageTime",
				"57300-01-01T00:00:00Z"))), Line: 1}
		},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			place := at(w)
			batch := w.put(refers(w.line(sms("m1", "the only one that there is", jane, ali)), place.Batch, place.Line))
			w.start().deliver(batch)
			w.became(batch, "archived: ali imported, jane imported")
			w.holds(ali, "m1")
		}))
	}
	t.Run("the batch is not as it was written", virtually(func(t *testing.T) {
		w := newWorld(t)
		one := w.put(w.line(sms("m1", "the first text", jane, ali)))
		two := w.put(refers(w.line(sms("m1", "another text", jane, ali)), one, 1),
			w.line(sms("m2", "another message", jane, ali)))
		way := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := w.way().RoundTrip(r)
			if err == nil && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/batches/"+one) {
				resp.Header.Set("X-Ms-Meta-Sha256", strings.Repeat("0", 64))
			}
			return resp, err
		})
		a := w.start(through(way), func(s *start) { s.deadline = 20 * time.Second })
		if got := a.event(t.Context(), two); got.status == http.StatusOK {
			t.Errorf("the event ends in success: %s", got.value)
		}
		w.holds(ali, "m2") // the other line does not wait
	}))
}

// What an importer of the version before has left has no rows of messages: what its copies say is right all the same.
func TestFirstOfAnOldArchive(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		one := w.put(w.line(sms("m1", "the first text", jane, ali)))
		first, err := telemessage.Parse(w.entry(one))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []person{jane, ali} {
			holder := ledger.Holder{Batch: one, Line: 1, Invocation: "old"}
			if err := w.ledger.Settle(t.Context(), record.Key("", "m1", p.id()), holder, first.Fingerprint(),
				"graph-id", "imported"); err != nil {
				t.Fatal(err)
			}
		}
		two := w.put(w.line(sms("m1", "another text", jane, ali)))
		a.deliver(two)
		w.became(two, "archived: ali duplicate (differs), jane duplicate (differs)")
		w.truthful(two, func(int) bool { return true })
	})
}

// A delivery that broke off decides as it did before, whatever has its outcome by then.
func TestFirstAfterABreak(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		way := &away{of: ali, next: w.toGraph}
		batch := w.put(
			w.line(sms("m1", "the first text, to a guest", otto, gus)), // unmapped: it has its outcome at once
			w.line(sms("m1", "the second text", jane, ali)),
		)
		a := w.start(func(s *start) { s.transport, s.deadline = way, 6*time.Second }, doubt(inDoubtTest))
		if got := a.event(t.Context(), batch); got.status == http.StatusOK {
			t.Fatalf("status %d: %s", got.status, got.value)
		}
		way.back.Store(true)
		w.start(doubt(inDoubtTest)).deliver(batch)
		for _, p := range []person{jane, ali} {
			if got := w.graph.Messages(p.id()); len(got) != 1 || !strings.HasPrefix(got[0].Text, "the first text") {
				t.Errorf("%s has %d messages, and not the first record's", p.name, len(got))
			}
		}
	})
}

// A message of which the ledger does not tell which record is the first, or whose first record can't be read, keeps no
// other line of its batch waiting.
func TestUndecidedMessageBlocksNothing(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]string{"the ledger hangs": record.MessageKey("", "m1"),
		"the batch hangs": "/batches/"} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			one := w.put(w.line(sms("m1", "the first text", jane, ali)))
			two := w.put(
				refers(w.line(sms("m1", "another text", jane, ali)), one, 1),
				// does not wait for the line before it either
				refers(w.line(sms("m1", "another text", otto, kim)), one, 1),
				w.line(sms("m2", "another message", jane, ali)),
			)
			if what == "/batches/" {
				what += one
			}
			hangs := make(chan struct{})
			a := w.start(func(s *start) {
				s.rule = func(r *http.Request) archivetest.Fault {
					body, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(body))
					// in URL.String the slashes of a blob's name are escaped
					if strings.Contains(r.URL.Path+string(body), what) {
						<-hangs
					}
					return archivetest.Pass
				}
			})
			done := make(chan struct{})
			go func() {
				defer close(done)
				a.event(t.Context(), two)
			}()
			within(t, "the other line is archived", func() bool { return len(w.copies(ali)) == 1 })
			close(hangs)
			<-done
			w.holds(ali, "m1", "m2")
			w.became(two, "archived: ali imported (differs), jane imported (differs)",
				"archived: kim imported (differs)",
				"archived: ali imported, jane imported")
		}))
	}
}

// One row for each record is all that the decision costs: no batch is read for a record whose content is that of the
// first.
func TestWhatTheFirstCosts(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var tables, batches atomic.Int64
		a := w.start(func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				switch {
				case strings.Contains(r.URL.Path, "/ledger"):
					tables.Add(1)
				case strings.Contains(r.URL.Path, "/batches/") && r.Method == http.MethodGet:
					batches.Add(1)
				}
				return archivetest.Pass
			}
		})
		const n = 20
		one, two := w.put(w.texts("m", n)...), w.put(w.texts("m", n)...)
		a.deliver(one)
		if got := tables.Swap(0); got != n+2*2*n {
			t.Errorf("%d requests to the ledger for %d records of two copies", got, n)
		}
		a.deliver(two) // all are duplicates: each row is there already, and is read
		if got := tables.Load(); got != 2*n+2*2*n {
			t.Errorf("%d requests to the ledger for %d duplicates of two copies", got, n)
		}
		if got := batches.Load(); got != 2 {
			t.Errorf("%d batches were read, want two", got)
		}
	})
}
