package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/record"
)

// A gateway gives up, and the mailbox does what was asked all the same, after the message was looked for and not found.
func TestCreateHasItsEffectLate(t *testing.T) {
	t.Parallel()
	together(t, map[string]fault{
		"504":   {Status: 504, Late: time.Second},
		"408":   {Status: 408, Late: time.Second},
		"reset": {Reset: true, Late: time.Second},
	}, func(t *testing.T, f fault) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "it was only slow", jane, ali)))
		w.graph.Fail(mailboxtest.Create, 1, f)
		began := time.Now()
		w.start(doubt(4 * time.Second)).deliver(batch) // looks after 0.2 s, and again when 2.7 s are over
		w.holds(ali, "m1")
		w.holds(jane, "m1")
		w.became(batch, "archived: ali imported, jane imported")
		if took := time.Since(began); took < time.Second {
			t.Errorf("took %v: the effect was not late", took)
		}
	})
}

// The mailbox's search lags behind what was created there. If Graph has returned the message's id, no search is needed.
func TestSearchLags(t *testing.T) {
	t.Parallel()
	lag := func(o *mailboxtest.Options) { o.FindLag = time.Minute }
	t.Run("the ledger is away when the message is there", virtually(func(t *testing.T) {
		w := newWorld(t, lag)
		batch := w.put(w.line(sms("m1", "the answer came", otto, ali)))
		var lost atomic.Int32
		w.start(doubt(inDoubtTest), func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				// more often than the SDK tries
				if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "ledger") && lost.Load() < 6 {
					lost.Add(1)
					return archivetest.Refuse
				}
				return archivetest.Pass
			}
		}).deliver(batch)
		w.holds(ali, "m1")
		w.became(batch, "archived: ali imported")
		if lost.Load() < 5 {
			t.Errorf("the ledger was away %d times only", lost.Load())
		}
	}))
	t.Run("an attachment's upload breaks", virtually(func(t *testing.T) {
		w := newWorld(t, lag)
		content := noise(parted, 2)
		batch := w.put(w.line(w.file(sms("m1", "with a file that is large", otto, ali), "file.bin", content)))
		w.graph.Fail(mailboxtest.Part, 1, fault{Reset: true})
		w.start(doubt(18 * time.Second)).deliver(batch)
		w.holds(ali, with("m1", content))
		w.became(batch, "archived: ali imported")
		if left := w.graph.Deleted(ali.id()); len(left) != 0 {
			t.Errorf("%d messages in Deleted Items, want none: half a message looks like one", len(left))
		}
	}))
}

// The later pieces of a long SMS are noted as done in one step: no death in between leaves a claim on one that looks as
// if its message had yet to be written.
func TestPartsAreRecordedInOneStep(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.start().deliver(w.put(w.line(piece3("p1", 1, "first part, "), piece3("p2", 2, "second part, "),
			piece3("p3", 3, "third part."))))
		first, err := w.ledger.Look(t.Context(), record.Key("", "p1", ali.id()))
		if err != nil || first == nil || first.GraphID == "" {
			t.Fatalf("row of the message: %+v, %v", first, err)
		}
		for _, id := range []string{"p2", "p3"} {
			row, err := w.ledger.Look(t.Context(), record.Key("", id, ali.id()))
			if err != nil || row == nil || row.State != ledger.Done || row.GraphID != first.GraphID ||
				row.Outcome != first.Outcome {
				t.Errorf("row of %s: %+v, %v", id, row, err)
			}
		}
	})
}
