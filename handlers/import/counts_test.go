package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/journal"
	"o2archiver/shared/record"
)

// What a message lacks, and that another record differs from it, is counted of each record in the journal: not of a
// heartbeat, of which no message is made, and of an item without a mailbox too, for there it is the reason.
func TestWhatIsLeftOutIsCounted(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		to := []any{item{"value": ali.number, "email": []string{"a", "b"}}, item{"value": kim.number, "email": 7}}
		gone := sms("m3", "the picture is gone", jane, ali).with("attachment",
			[]item{{"name": "gone.png", "contentUrl": "/gone"}})
		gone["media"] = []record.Media{{Gone: "the source does not have it"}}
		a := w.start()
		first := w.put(w.line(sms("m1", "the whole text", jane, ali)))
		if res := a.deliver(first); res.Totals.Records != (journal.RecordTotals{Collected: 1, Archived: 1}) {
			t.Errorf("of a message that lacks nothing: %+v", res.Totals.Records)
		}
		batch := w.put(
			w.line(sms("m2", "three fields", jane, ali).with("to", to).with("callInfo", "none")),
			w.line(gone),
			w.line(sms("m1", "another text", jane, ali)),
			w.line(item{"messageId": "hb", "messageType": "SYSTEM", "network": 7,
				"attachment": []item{{"contentUrl": "/gone"}}}),
			w.line(sms("m5", "", jane, ali).with("recipients", []item{{"value": ali.number}}).with("to", []item{})),
			w.line(sms("m4", "from a stranger", otto).with("from", "someone").with("msisdn", 7)),
		)
		res := a.deliver(batch)
		w.became(batch, "archived: jane imported", "archived: ali imported, jane imported",
			"archived: ali duplicate (differs), jane duplicate (differs)", "excluded", "archived: jane imported",
			"unmapped")
		want := journal.RecordTotals{Collected: 6, Archived: 4, Excluded: 1, Unmapped: 1, LeftOut: 2, Incomplete: 1,
			Differing: 1}
		if diff := cmp.Diff(want, res.Totals.Records); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
		state := w.state(batch)
		fields := map[string]int{"callInfo": 1, "from": 1, "msisdn": 1, "to[].email": 1}
		if diff := cmp.Diff(fields, state.FieldsLeftOut()); diff != "" {
			t.Errorf("fields left out (-want +got):\n%s", diff)
		}
		missing := map[string]int{"textContent": 1, "to": 2}
		if diff := cmp.Diff(missing, state.FieldsMissing()); diff != "" {
			t.Errorf("fields missing (-want +got):\n%s", diff)
		}
		if n := w.log.Count(`"event":"import.batchImported"`, `"batch":"`+batch+`"`,
			`"leftOut":2,"incomplete":1,"differing":1`,
			`"fields_left_out":{"callInfo":1,"from":1,"msisdn":1,"to[].email":1}`,
			`"fields_missing":{"textContent":1,"to":2}`); n != 1 {
			t.Errorf("%d lines of the log have the counts, want 1:\n%s", n, w.log.String())
		}
		if r, _ := state.Record(1); r.LeftOut != 3 {
			t.Errorf("%d fields are left out of line 1, want 3", r.LeftOut)
		}
	})
}
