package firsts

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// A page whose content changed between two readings: what was collected first is what the first reading wrote, and its
// batch keeps its name while the second stands beside it.
func TestChangedPageNamesTheFirstReading(t *testing.T) {
	f := New()
	one := IdentityOf(entryOf(t, "m", "the first reading"))
	f.Add("run/00001.ndjson", []Identity{{}, one})
	f.Add("run/00001-b.ndjson", []Identity{IdentityOf(entryOf(t, "m", "the second reading"))})
	if at := f.earlier(one); at != nil {
		t.Errorf("a record with the first one's content refers to %v", at)
	}
	want := &record.Place{Batch: "run/00001.ndjson", Line: 2}
	if diff := cmp.Diff(want, f.earlier(IdentityOf(entryOf(t, "m", "a third")))); diff != "" {
		t.Error(diff)
	}
}

func entryOf(t *testing.T, id, text string) record.Entry {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"messageId": id, "messageType": "SMS",
		"messageTime": "2026-11-22T09:30:00Z", "textContent": text})
	if err != nil {
		t.Fatal(err)
	}
	return record.Entry{Version: 1, Items: []record.Item{{SHA256: strings.Repeat("0", 64), Raw: raw}}}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// However many items a window has, the ids that are remembered of it stay small. Import decides about the others.
func TestFirstsAreSmall(t *testing.T) {
	f := New()
	const n = 1_000_000
	before := heap()
	for i := range uint64(n / 100) {
		entries := make([]Identity, 100)
		for j := range entries {
			entries[j] = Identity{ids: []uint64{i*100 + uint64(j)}, content: 1}
		}
		f.Add(fmt.Sprintf("2026/11/28/run/%05d.ndjson", i+1), entries)
	}
	if took := heap() - before; took > 20<<20 || len(f.places) != maxIDs {
		t.Errorf("%d ids take %d MiB", len(f.places), took>>20)
	}
}
