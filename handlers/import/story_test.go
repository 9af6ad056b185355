package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/mailbox/mailboxtest"
)

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestBatchEndsInMailboxesAndJournal(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		picture := noise(30_000, 1)
		batch := w.put(
			w.line(sms("m1", "hello Ali, this is a secret", jane, ali)),
			w.line(w.file(sms("m2", "look at this secret picture", ali, kim, otto), "party-in-secret.png", picture)),
			w.line(sms("m3", "a guest has no mailbox here", otto, gus)),
			w.line(item{"messageId": "hb", "messageType": "SYSTEM", "msisdn": "447700900123",
				"textContent": "no traffic for 3 days"}),
			w.line(sms("m5", "this one is from the year 57300", jane, ali).with("messageTime",
				"57300-01-01T00:00:00Z")),
			w.line(sms("m6", "nobody knows this number here", otto, person{"Zoe", "65000", ""})),
		)
		res := w.start().deliver(batch)
		w.became(batch,
			"archived: ali imported, jane imported",
			"archived: ali imported, kim imported",
			"unmapped", "excluded", "quarantined", "unmapped",
		)
		w.holds(jane, "m1")
		w.holds(ali, "m1", with("m2", picture))
		w.holds(kim, with("m2", picture))
		want := journal.Totals{
			Records: journal.RecordTotals{Collected: 6, Archived: 2, Unmapped: 2, Excluded: 1, Quarantined: 1},
			Copies:  journal.CopyTotals{Planned: 4, Imported: 4},
		}
		if res.Totals != want || w.balanced(batch) != want {
			t.Errorf("totals %+v, in the journal %+v, want %+v", res.Totals, w.balanced(batch), want)
		}
		r, _ := w.state(batch).Record(5)
		if !strings.Contains(r.Reason, "messageTime") {
			t.Errorf("the reason of the quarantine is %q", r.Reason)
		}
		for _, n := range []int{1, 2} {
			r, _ := w.state(batch).Record(n)
			if len(r.Rendered) != 64 || len(r.Original) != 64 || r.Kind == "" || r.Message == "" {
				t.Errorf("line %d of the journal lacks something: %+v", n, r)
			}
		}
		// the guest's folder is refused
		if n := w.graph.Requests(); n.Refused > 1 || n.NoClientID > 0 || n.NoImmutableID > 0 {
			t.Errorf("Graph refused %d requests, %d were without id, %d without immutable ids", n.Refused, n.NoClientID,
				n.NoImmutableID)
		}
	})
}

func TestEventOfSomethingElseIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "never to be read by this event", jane, ali)))
		var asked atomic.Int64
		a := w.start(func(s *start) {
			s.rule = func(*http.Request) archivetest.Fault { asked.Add(1); return archivetest.Pass }
		})
		home := strings.TrimSuffix(a.engines.batches.URI(batch), "/batches/"+batch)
		for name, uri := range map[string]string{
			"another account":   strings.Replace(home, archivetest.Account, "another", 1) + "/batches/" + batch,
			"another host":      "https://127.0.0.1:1/" + archivetest.Account + "/batches/" + batch,
			"another service":   strings.Replace(home, ".blob.", ".table.", 1) + "/batches/" + batch,
			"another container": home + "/media/" + batch,
			"encoded":           home + "/batches/" + strings.ReplaceAll(batch, "/", "%2F"),
			"encoded twice":     home + "/batches/" + strings.ReplaceAll(batch, "/", "%252F"),
			"encoded dots":      home + "/batches/%2e%2e/batches/" + batch,
			"dots":              home + "/batches/../batches/" + batch,
			"a query":           home + "/batches/" + batch + "?snapshot=2026-11-23",
			"a fragment":        home + "/batches/" + batch + "#x",
			"a user":            strings.Replace(home, "https://", "https://me:secret@", 1) + "/batches/" + batch,
			"the manifest":      home + "/batches/" + w.folder + "/manifest.json",
			"nothing":           "",
			"no address":        "batches/" + batch,
		} {
			var res importer.Result
			a.invoke(t.Context(), "import", map[string]string{"Uri": uri}).result(t, &res)
			if res.Refused == "" {
				t.Errorf("%s: not refused: %+v", name, res)
			}
		}
		var res importer.Result
		a.invoke(t.Context(), "import", map[string]string{"uri": a.engines.batches.URI(batch)}).result(t, &res)
		if res.Refused == "" || asked.Load() != 0 || w.calls() != 0 {
			t.Errorf("refused: %q, with %d requests to storage and %d to Graph", res.Refused, asked.Load(), w.calls())
		}
		if n := len(w.logged("ERROR")); n != 15 {
			t.Errorf("%d errors in the log, want one for each event", n)
		}
		a.deliver(batch)
		w.holds(ali, "m1")
	})
}

func TestMissingBatch(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.folder + "/00007.ndjson"
		res := w.start().deliver(batch)
		if res.Refused == "" || len(w.state(batch).Lines()) > 0 {
			t.Errorf("a batch that is not there: %+v, lines of its journal: %v", res, w.state(batch).Lines())
		}
	})
}

func TestMissingContainerIsNoMissingBatch(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.texts("m", 1)...)
		a := w.start(hides("/journal/", "ContainerNotFound"))
		if got := a.event(t.Context(), batch); got.status == http.StatusOK {
			t.Errorf("success without a journal: %s", got.value)
		}
	})
}

func TestLinesThatAreNoRecordsAreQuarantined(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		none := w.put(raw("this is no JSON at all: 07700 900123"))
		a.deliver(none)
		w.became(none, "quarantined")
		some := w.put(
			raw(`{"v":1,"items":[{"sha256":"00","raw":{"messageId":7}}]}`), raw(`{"v":2}`), raw(`[]`), raw(
				`{"v":1,"items":"cut of`),
			raw("\xff\xfe\x00"), raw(`{"v":1,"fault":"its JSON is nested too deeply"}`), raw(
				`{"v":1,"items":[{"sha256":"00","raw":"text"}]}`),
			w.line(sms("m1", "the one that can be read", jane, ali)), raw(""), raw(strings.Repeat("[", 20_000)),
		)
		a.deliver(some)
		w.became(some, "quarantined", "quarantined", "quarantined", "quarantined", "quarantined", "quarantined",
			"quarantined",
			"archived: ali imported, jane imported", "quarantined")
		w.holds(ali, "m1")
		empty := w.put()
		a.deliver(empty)
		if totals := w.balanced(empty); totals != (journal.Totals{}) {
			t.Errorf("an empty batch has %+v", totals)
		}
		endless := w.put(raw(strings.Repeat("x\n", 50_000)))
		a.deliver(endless)
		if totals := w.balanced(endless); totals.Records.Quarantined != importer.MaxLines+1 {
			t.Errorf("of a batch with 50,000 lines %d are in the journal", totals.Records.Quarantined)
		}
		w.secret("cut of", "no JSON at all", "07700 900123")
	})
}

func TestSecondDelivery(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "delivered more than once", jane, ali)),
			w.line(sms("m2", "this one, too", ali, jane)))
		first := w.start().deliver(batch)
		made := w.calls()
		again := w.start()
		if res := again.deliver(batch); res != first {
			t.Errorf("the second delivery says %+v, the first %+v", res, first)
		}
		if n := w.calls(); n != made {
			t.Errorf("the second delivery made %d requests to Graph", n-made)
		}
		// The process that finished the batch may have been killed before this line, which the alerts count.
		if n := w.log.Count(`"event":"import.batchImported"`, `"batch":"`+batch+`"`, `"archived":2`); n != 2 {
			t.Errorf("%d lines say that the batch is imported, want one of each delivery", n)
		}
		w.holds(jane, "m1", "m2")
	})
}

func TestDeliveriesAtTheSameTime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Latency = 20 * time.Millisecond })
		batch := w.put(w.texts("m", 12)...)
		one, two := w.start(), w.start()
		var group sync.WaitGroup
		results := make([]importer.Result, 6)
		for i := range results {
			group.Go(func() {
				a := []*app{one, two}[i%2]
				got := a.event(t.Context(), batch)
				if err := json.Unmarshal([]byte(got.value), &results[i]); err != nil || got.status != http.StatusOK {
					t.Errorf("status %d: %s", got.status, got.value)
				}
			})
		}
		group.Wait()
		totals := w.balanced(batch)
		for _, r := range results {
			if r.Totals != totals {
				t.Errorf("a delivery says %+v, the journal %+v", r.Totals, totals)
			}
		}
		if n := w.calls(mailboxtest.Create); n != 24 || totals.Copies.Imported != 24 || len(w.copies(ali)) != 12 {
			t.Errorf("%d creates, %d imported, %d in a mailbox", n, totals.Copies.Imported, len(w.copies(ali)))
		}
	})
}

func TestSameMessageOfTwoOwners(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		of := func(owner person) item {
			return sms("m1", "archived by both phones", jane, ali).with("msisdn", owner.number).with("direction", "In")
		}
		batch := w.put(w.line(of(jane)), w.line(of(ali)))
		a.deliver(batch)
		w.holds(jane, "m1")
		w.holds(ali, "m1")
		if totals := w.balanced(batch); totals.Copies.Imported != 2 || totals.Copies.Duplicate != 2 ||
			totals.Records.Archived != 2 {
			t.Errorf("in one batch: %+v", totals)
		}
		// a number without a mailbox
		next := w.put(w.line(of(ali)), w.line(of(jane).with("textContent", "the same id with another text")),
			w.line(of(kim)))
		a.deliver(next)
		w.became(next, "archived: ali duplicate, jane duplicate",
			"archived: ali duplicate (differs), jane duplicate (differs)",
			"archived: ali duplicate, jane duplicate")
		w.holds(jane, "m1")
		c := w.state(next).Copies(2)[0]
		if c.GraphID == "" || !strings.Contains(c.Reason, "first one stays") {
			t.Errorf("the copy that differs: %+v", c)
		}
	})
}

func TestBothOwnersAtTheSameTime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.Latency = 10 * time.Millisecond })
		var lines []raw
		for range 10 {
			lines = append(lines, w.line(sms("m1", "archived again and again", jane, ali)))
		}
		one, two := w.put(lines...), w.put(lines...)
		a, b := w.start(), w.start()
		var group sync.WaitGroup
		group.Go(func() { a.deliver(one) })
		group.Go(func() { b.deliver(two) })
		group.Wait()
		w.holds(jane, "m1")
		w.holds(ali, "m1")
		totals := w.balanced(one).Add(w.balanced(two))
		if totals.Copies.Imported != 2 || totals.Copies.Duplicate != 38 {
			t.Errorf("copies %+v", totals.Copies)
		}
	})
}

func piece3(id string, number int, text string) item {
	return sms(id, text, jane, ali).with("segmentedData",
		item{"segmentedId": "long-one", "pieceNumber": number, "totalPieces": 3})
}

func TestLongMessageInParts(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		batch := w.put(w.line(piece3("p1", 1, "first part, "), piece3("p2", 2, "second part, "),
			piece3("p3", 3, "third part.")))
		a.deliver(batch)
		w.became(batch, "archived: ali imported, jane imported")
		if totals := w.balanced(batch); totals.Records.Archived != 3 || totals.Copies.Imported != 2 {
			t.Errorf("three pieces: %+v", totals)
		}
		if text := w.graph.Messages(ali.id())[0].Text; !strings.HasPrefix(text,
			"first part, second part, third part.\r\n") {
			t.Errorf("the text is %.60q", text)
		}
		// Each piece once more, alone; the later ones are known by their own ids.
		alone := w.put(w.line(piece3("p2", 2, "second part, ")), w.line(piece3("p3", 3, "third part.")))
		a.deliver(alone)
		w.became(alone, "archived: ali duplicate, jane duplicate", "archived: ali duplicate, jane duplicate")
		w.holds(ali, "p1")
		w.holds(jane, "p1")
		// With the first piece missing, the message goes by the second's id.
		gap := w.put(w.line(piece3("q2", 2, "second part, "), piece3("q3", 3, "third part.")))
		a.deliver(gap)
		w.became(gap, "archived: ali imported, jane imported")
		if text := w.graph.Messages(ali.id())[1].Text; !strings.HasPrefix(text, "⟦part 1 of 3 is missing⟧second part") {
			t.Errorf("the text is %.60q", text)
		}
	})
}
