package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/record"
)

// away is a way to Graph on which the mailbox of a person answers 503 to all that is about messages, until it is
// back.
type away struct {
	of    person
	next  http.RoundTripper // to Graph
	back  atomic.Bool
	asked atomic.Int64
}

func (a *away) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.back.Load() || !strings.Contains(r.URL.Path, a.of.id()) || !strings.Contains(r.URL.Path, "/messages") {
		return a.next.RoundTrip(r)
	}
	a.asked.Add(1)
	return &http.Response{StatusCode: http.StatusServiceUnavailable, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(
			`{"error":{"code":"ErrorMailboxMoveInProgress","message":"x"}}`)), Request: r}, nil
}

func (w *world) journalSize(batch string) int64 {
	w.t.Helper()
	_, size, err := w.store.Logs().Tail(context.Background(), strings.TrimSuffix(batch, ".ndjson")+".jsonl", 10)
	if err != nil {
		w.t.Fatal(err)
	}
	return size
}

// crowd adds people to the tenant.
func crowd(n int) (people []person, edit func(*mailboxtest.Options)) {
	for i := range n {
		people = append(people,
			person{fmt.Sprintf("P%03d", i), fmt.Sprintf("+4477009%05d", i), fmt.Sprintf("p%03d@contoso.example", i)})
	}
	return people, func(o *mailboxtest.Options) {
		for _, p := range people {
			o.Users = append(o.Users, mailboxtest.User{ID: p.id(), UPN: "upn-" + p.email, Mail: p.email})
		}
	}
}

// breakOff delivers the batch and ends the invocation once it has come so far.
func (a *app) breakOff(batch string, so func() bool) reply {
	ctx, end := context.WithCancel(a.w.t.Context())
	defer end()
	answer := make(chan reply, 1)
	go func() { answer <- a.event(ctx, batch) }()
	within(a.w.t, "the delivery comes so far", so)
	end()
	return <-answer
}

// A batch that comes again while one mailbox is away asks nothing about the copies that are done, and notes none of
// them again.
func TestRedeliveryWhileOneMailboxIsAway(t *testing.T) {
	virtual(t, func(t *testing.T) {
		people, edit := crowd(20)
		w := newWorld(t, edit)
		way := &away{of: kim, next: w.toGraph}
		var again atomic.Bool
		var read atomic.Int64 // rows of copies that are done, by a later delivery
		rule := func(r *http.Request) archivetest.Fault {
			if again.Load() && r.Method == http.MethodGet && slices.ContainsFunc(people, func(p person) bool {
				return strings.Contains(r.URL.Path, record.Key("", "m1", p.id()))
			}) {
				read.Add(1)
			}
			return archivetest.Pass
		}
		a := w.start(func(s *start) { s.transport, s.rule = way, rule }, doubt(inDoubtTest))
		batch := w.put(
			w.line(sms("m1", "to all, and to one who is away", jane, append([]person{kim}, people...)...)),
			w.line(sms("m2", "to those who are there", jane, people...)),
		)
		// The second line's record has its outcome, and of the first all other copies.
		done := func() bool {
			s := w.state(batch)
			_, ended := s.Record(2)
			return ended && len(s.Copies(1)) == len(people)+1 && way.asked.Load() > 0
		}
		var sizes, creates [3]int64
		for i := range sizes {
			way.asked.Store(0)
			if got := a.breakOff(batch, done); got.status == http.StatusOK {
				t.Fatalf("status %d: %s", got.status, got.value)
			}
			sizes[i], creates[i] = w.journalSize(batch), int64(w.calls(mailboxtest.Create))
			again.Store(true)
		}
		if n := read.Load(); n > 0 {
			t.Errorf("later deliveries asked the ledger %d times for copies that the journal has as done", n)
		}
		if sizes[0] == 0 || sizes[1] != sizes[0] || sizes[2] != sizes[0] {
			t.Errorf("the journal has %d bytes after three deliveries, of which the later ones did nothing", sizes)
		}
		if creates[0] != int64(2*(len(people)+1)) || creates[1] != creates[0] || creates[2] != creates[0] {
			t.Errorf("%d creates after three deliveries of %d copies, all done by the first", creates,
				2*(len(people)+1))
		}
		way.back.Store(true)
		w.start(doubt(inDoubtTest)).deliver(batch)
		if totals := w.balanced(batch); totals.Copies.Imported != 2*(len(people)+1)+1 {
			t.Errorf("copies %+v", totals.Copies)
		}
		w.holds(kim, "m1")
		w.holds(people[3], "m1", "m2")
	})
}

// A failover of the storage account can lose rows of the ledger; the batch's own journal says what is in the
// mailboxes.
func TestLedgerRowsAreLost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		way := &away{of: kim, next: w.toGraph}
		a := w.start(func(s *start) { s.transport = way }, doubt(inDoubtTest))
		batch := w.put(
			w.line(sms("m1", "to two, one of whom is away", otto, ali, kim)),
			w.line(piece3("p1", 1, "first, "), piece3("p2", 2, "second, "), piece3("p3", 3, "third.")),
		)
		a.breakOff(batch, func() bool {
			s := w.state(batch)
			_, ended := s.Record(2)
			return ended && len(s.Copies(1)) == 1
		})
		empty := newWorld(t).ledger
		way.back.Store(true)
		b := w.start(doubt(inDoubtTest), func(s *start) { s.ledger = empty })
		b.swept("")
		w.became(batch, "archived: ali imported, kim imported", "archived: ali imported, jane imported")
		w.holds(ali, "m1", "p1")
		w.holds(kim, "m1")
		// The row came back from the journal, so the same message in a later batch is a duplicate.
		later := w.put(w.line(sms("m1", "to two, one of whom is away", otto, ali, kim)))
		b.deliver(later)
		w.became(later, "archived: ali duplicate, kim duplicate")
		// What was finished comes back by a replay, pieces of a long SMS too.
		b.swept(`{"replay":"` + batch + `"}`)
		again := w.put(w.line(piece3("p2", 2, "second, ")),
			w.line(piece3("p1", 1, "first, "), piece3("p2", 2, "second, "), piece3("p3", 3, "third.")))
		b.deliver(again)
		w.became(again, "archived: ali duplicate, jane duplicate", "archived: ali duplicate, jane duplicate")
		w.holds(ali, "m1", "p1")
	})
}

// The journal has the plan and not the outcome, and the ledger has lost the row: the message may be there, so it is
// looked for.
func TestLedgerRowIsLostUnderACopy(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "made, and the process ended", otto, ali)))
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		w.start(doubt(time.Second), func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/messages") {
					return w.toGraph.RoundTrip(r)
				}
				if resp, err := w.toGraph.RoundTrip(r.WithContext(context.WithoutCancel(r.Context()))); err == nil {
					resp.Body.Close()
				}
				kill()
				return nil, errDead
			})
		}).event(ctx, batch)
		w.holds(ali, "m1")
		empty := newWorld(t).ledger
		b := w.start(doubt(time.Second), func(s *start) { s.ledger = empty })
		b.deliver(batch)
		w.became(batch, "archived: ali imported")
		w.holds(ali, "m1")
	})
}

// A replay adds to what an earlier delivery knew, and takes nothing of it away.
func TestReplayKeepsWhatIsKnown(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		batch := w.put(
			w.line(sms("m1", "to two, one of whom leaves", otto, ali, jane)),
			w.line(sms("m2", "to one who leaves", otto, jane)),
			w.line(sms("m3", "to nobody", otto, otto)),
		)
		a.deliver(batch)
		size := w.journalSize(batch)
		a.swept(`{"replay":"` + batch + `"}`)
		if again := w.journalSize(batch); again != size {
			t.Errorf("a replay that changes nothing makes %d bytes of %d", again, size)
		}
		gone := tenant()[0]
		gone.MailboxCode = "ErrorInvalidUser"
		w.graph.SetUser(gone)
		w.start().swept(`{"replay":"` + batch + `"}`)
		w.became(batch, "archived: ali imported, jane imported", "archived: jane imported", "unmapped")
		w.balanced(batch)
	})
}
