package importer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/import/internal/importtest"
	"o2archiver/shared/journal"
)

// What a line was is not forgotten when it can't be made any more.
func TestConcludeKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	j, err := journal.Open(t.Context(), importtest.Store(t).Logs(), "2026/11/23/run/00001.ndjson", "test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	known := journal.Record{Line: 1, Records: 3, Outcome: journal.RecordFailed, Message: "m", Kind: "SMS",
		Original: "o", Rendered: "r", Mapping: "v"}
	j.Record(known)
	b := &batch{journal: j}
	l := &batchRecord{number: 1, base: journal.Record{Line: 1, Records: 1}, earlier: earlierOf(j.State(), 1)}
	b.quarantineRecord(l, "the item can't be read")
	got, _ := j.State().Record(1)
	known.Outcome, known.Reason = journal.Quarantined, "the item can't be read"
	known.At, got.At = time.Time{}, time.Time{}
	if diff := cmp.Diff(known, got); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
	// One whose copies are in mailboxes keeps its outcome too.
	j.Copy(journal.Copy{Line: 1, Mailbox: "a", Outcome: journal.Imported})
	l.earlier = earlierOf(j.State(), 1)
	b.quarantineRecord(l, "another reason")
	if got, _ := j.State().Record(1); got.Reason != "the item can't be read" {
		t.Errorf("%+v", got)
	}
}
