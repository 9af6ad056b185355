package chaos

import (
	"strings"
	"time"

	"o2archiver/local/fault"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/record"
)

// doubts is a small day on which what is otherwise rare comes to pass: a create whose answer is lost, a message left
// partial, a claim and a journal of a delivery that has died, a message that comes once more, and an event that never
// comes. Each item is a batch, and they come one after the other, so that each call has its number.
func doubts() *day {
	d := newDay(1)
	d.calm = true
	text := map[string]any{"textContent": "Are you sure that I got this?"}

	d.add("d1", "SMS", jane, alien, text)
	d.archived(1, "d1", jane)
	d.faults = append(d.faults, step{"graph POST messages", 1, fault.Fault{Status: 503, Effect: fault.After}})

	large, small := d.file("minutes.pdf", 2_400_000, "application/pdf"), d.file("list.pdf", 300_000, "application/pdf")
	d.add("d2", "MMS", ali, alien,
		map[string]any{"textContent": "In two parts", "attachment": []map[string]any{large, small}})
	d.archived(1, "d2 "+large["digest"].(string)+" "+small["digest"].(string), ali)
	d.faults = append(d.faults, step{"graph POST attachments", 1, fault.Fault{Status: 503}})

	d.add("d3", "SMS", jane, alien, text)
	d.archived(1, "d3", jane)

	// As an overlapping export has it: all but the archived time is the first one's.
	d.add("d1", "SMS", jane, alien,
		map[string]any{"textContent": text["textContent"], "messageTime": d.from.Format(time.RFC3339)})
	d.records.Archived++
	d.copies.Planned++
	d.copies.Duplicate++

	d.add("d5", "SMS", ali, alien, text)
	d.archived(1, "d5", ali)
	d.lost = func(name string) bool { return strings.HasSuffix(name, "/00005.ndjson") }
	d.left = func(w *world) { w.died("/00003.ndjson", "d3", jane.id) }
	return d
}

// died leaves what a delivery leaves that is killed between its claim and its request: the plan in the journal, and the
// claim.
func (w *world) died(batch, id, mailbox string) {
	w.t.Helper()
	const dead = "00000000-dead-4000-8000-000000000000"
	ctx := w.t.Context()
	longAgo := func() time.Time { return time.Now().Add(-w.day.inDoubt) }
	claims, err := ledger.Open(ledger.Config{ConnectionString: w.around, Now: longAgo})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range w.batches(ctx) {
		if !strings.HasSuffix(b.Name, batch) {
			continue
		}
		j, err := journal.Open(ctx, w.store.Logs(), b.Name, dead, time.Now)
		if err != nil {
			w.t.Fatal(err)
		}
		defer j.Close()
		j.Plan(1, mailbox)
		if err := j.Flush(ctx); err != nil {
			w.t.Fatal(err)
		}
		if _, row, err := claims.Claim(ctx, record.Key("", id, mailbox),
			ledger.Holder{Batch: b.Name, Line: 1, Invocation: dead}, ""); err != nil || row != nil {
			w.t.Fatalf("claim a copy for the dead: %v, %v", row, err)
		}
		return
	}
	w.t.Errorf("there is no batch %s", batch)
}
