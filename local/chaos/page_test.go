package chaos

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"o2archiver/local/fault"
)

// onPage is how many items the page has: more than one batch takes, so that the first batch is there before the page is
// read to its end.
const onPage = 250

// pageThatChanges kills fetch in the middle of a page, after its first batch, and puts another item in front of it
// before it is read again. The first batch stands, those of the second reading get names beside it, and both are
// imported: everything is in the mailbox once.
func pageThatChanges(t *testing.T) {
	d := newDay(0)
	for i := range onPage {
		id := fmt.Sprintf("p%03d", i)
		d.add(id, "SMS", jane, alien, map[string]any{"textContent": "One of very many"})
		d.archived(1, id, jane)
	}
	w := newWorld(t, d)
	w.plan.Fail("site items", 1, 1, fault.Fault{Kind: fault.Truncated, Effect: fault.After})
	w.plan.Fail("site items", 2, 1, fault.Fault{Kind: fault.Stall})
	w.startApps()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = w.fetch.Run(t.Context(), "fetch", "") // it is killed, and then another one holds the lease
	}()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, count := w.plan.Calls(); count["site items"] > 1 {
			break
		}
	}
	first := w.names(t)
	if !slices.Equal(first, []string{"00001.ndjson"}) {
		t.Fatalf("after a part of the page there are the batches %v", first)
	}
	late := map[string]any{}
	if err := json.Unmarshal(d.items[0].raw, &late); err != nil {
		t.Fatal(err)
	}
	late["messageId"] = "late"
	raw, err := json.Marshal(late)
	if err != nil {
		t.Fatal(err)
	}
	w.site.Add(d.items[0].archived.Add(-time.Second), raw)
	d.archived(1, "late", jane)
	d.records.Collected++
	w.fetch.Kill()
	<-ended
	for range 10 { // until the dead one's lease has run out
		if _, err := w.fetch.Run(t.Context(), "fetch", ""); err == nil {
			break
		}
		time.Sleep(3 * time.Second)
	}
	names := w.names(t)
	if !slices.Contains(names, "00001.ndjson") || !slices.Contains(names, "00001-b.ndjson") {
		t.Errorf("the batches are %v, want 00001 and 00001-b among them", names)
	}
	// What was in the first batch comes again in those of the second reading. It is a duplicate for the mailboxes; and
	// that there is more in the batches than was received is told, by fetch and by the summary.
	const again = 100
	d.records.Archived += again
	d.copies.Planned += again
	d.copies.Duplicate += again
	w.run(t.Context())
	wrong := w.check()
	told := fmt.Sprintf("records collected: %d, but the outcomes are %d more", d.records.Collected, again)
	if i := slices.Index(wrong, told); i >= 0 {
		wrong = slices.Delete(wrong, i, i+1)
	} else {
		t.Errorf("the summary does not say %q", told)
	}
	if len(wrong) > 0 {
		t.Errorf("%s\n%s", strings.Join(wrong, "\n"), w.log.problems())
	}
	if n := w.log.count(`"event":"fetch.batchesDiffer"`); n == 0 {
		t.Error("no event says that the page has changed")
	}
}

// names are those of the batches, without their folders.
func (w *world) names(t *testing.T) (names []string) {
	t.Helper()
	for _, b := range w.batches(t.Context()) {
		names = append(names, path.Base(b.Name))
	}
	return names
}
