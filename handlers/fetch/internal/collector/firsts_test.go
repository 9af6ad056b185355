package collector

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// referring are the entries that refer to another record, by their messages' texts: the batch's number and the line.
func (w *world) referring() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			if e.Earlier == nil {
				continue
			}
			rec, err := telemessage.Parse(e)
			if err != nil {
				w.t.Fatal(err)
			}
			all[rec.Text] = fmt.Sprintf("%s %d", e.Earlier.Batch[len(r.folder)+1:], e.Earlier.Line)
		}
	}
	return all
}

// Of two records with one id and other content the later one names the first, on another page or in another batch; one
// with the same content, or in the same batch, names none.
func TestLaterRecordNamesTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pagesOf(110))
	w.add(w.sms("pair", "the first of a pair", 6*time.Hour), w.sms("near", "the first of neighbours", 6*time.Hour),
		w.sms("near", "the second of neighbours", 6*time.Hour), w.sms("owners", "the same for both owners",
			6*time.Hour))
	w.many("n", 110) // the page's second batch has the rest
	w.add(w.sms("owners", "the same for both owners", 6*time.Hour).with("msisdn", "447700900456").with("direction",
		"In").
		with("archivedTime", w.ago(5*time.Second).Format(time.RFC3339Nano)),
		w.sms("pair", "the second of a pair", 4*time.Second), w.sms("near", "the third of neighbours", 3*time.Second),
		w.sms("pair", "the third of a pair", 2*time.Second))
	w.run()
	want := map[string]string{"the second of a pair": "00001.ndjson 1", "the third of neighbours": "00001.ndjson 2"}
	if diff := cmp.Diff(want, w.referring()); diff != "" {
		t.Errorf("who refers to what (-want +got):\n%s", diff)
	}
}

// A page that breaks off and is read again, by this process or the next one, gives the same batches: nothing stands
// beside them.
func TestReadAgainNamesTheSame(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]func(w *world){
		"by this process": func(w *world) { w.site.Fail(telemessagetest.Items, 2, telemessagetest.Fault{Cut: 60_000}) },
		"by the next one": func(w *world) {
			for n := 2; n < 2+pageTries; n++ {
				w.site.Fail(telemessagetest.Items, n, telemessagetest.Fault{Cut: 60_000})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pagesOf(150))
			w.many("n", 149)
			w.add(w.sms("pair", "the first of a pair", 9*time.Second))
			for i := range 300 {
				id := fmt.Sprintf("n%04d", i%149)
				if i%50 == 7 {
					id = "pair"
				}
				w.add(w.sms(id, fmt.Sprintf("other content %d", i), 8*time.Second))
			}
			faults(w)
			_, _ = w.try(w.collector, "")
			w.run()
			run := w.one()
			for _, b := range run.infos {
				if len(b.Name) != len(run.folder)+len("/00001.ndjson") {
					t.Errorf("%s stands beside another batch: the second reading differs", b.Name)
				}
			}
			refer := w.referring()
			// The second of two that are in one batch leaves it to the order of the lines.
			if len(refer) != 298 || refer["other content 57"] != "" || refer["other content 7"] != "00002.ndjson 50" ||
				refer["other content 257"] != "00002.ndjson 50" {
				t.Errorf("%d entries refer to another one, the pair's to %q and %q", len(refer),
					refer["other content 7"], refer["other content 257"])
			}
			w.balanced()
		})
	}
}

// A page whose content changed between two readings: what was collected first is what the first reading wrote, and its
// batch keeps its name while the second stands beside it.
func TestChangedPageNamesTheFirstReading(t *testing.T) {
	f := newFirsts()
	one := identityOf(entryOf(t, "m", "the first reading"))
	f.add("run/00001.ndjson", []identity{{}, one})
	f.add("run/00001-b.ndjson", []identity{identityOf(entryOf(t, "m", "the second reading"))})
	if at := f.earlier(one); at != nil {
		t.Errorf("a record with the first one's content refers to %v", at)
	}
	want := &record.Place{Batch: "run/00001.ndjson", Line: 2}
	if diff := cmp.Diff(want, f.earlier(identityOf(entryOf(t, "m", "a third")))); diff != "" {
		t.Error(diff)
	}
}

// What waited for its attachment counts from when it is in a batch, and names what came before it.
func TestReleasedItemNamesTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("pair", 2*time.Hour, item{"contentUrl": w.content("/file", []byte("bytes"))}).with("textContent",
		"it waits for its file"))
	w.site.Fail(telemessagetest.Content, 1, telemessagetest.Fault{Status: 503})
	w.run()
	w.nextDay()
	w.add(w.sms("pair", "collected without a file", time.Hour))
	w.run()
	if diff := cmp.Diff(map[string]string{"it waits for its file": "00001.ndjson 1"}, w.referring()); diff != "" {
		t.Errorf("who refers to what (-want +got):\n%s", diff)
	}
}

func entryOf(t *testing.T, id, text string) record.Entry {
	t.Helper()
	raw, err := json.Marshal(item{"messageId": id, "messageType": "SMS", "messageTime": "2026-11-22T09:30:00Z",
		"textContent": text})
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
	f := newFirsts()
	const n = 1_000_000
	before := heap()
	for i := range uint64(n / 100) {
		entries := make([]identity, 100)
		for j := range entries {
			entries[j] = identity{ids: []uint64{i*100 + uint64(j)}, content: 1}
		}
		f.add(fmt.Sprintf("2026/11/28/run/%05d.ndjson", i+1), entries)
	}
	if took := heap() - before; took > 20<<20 || len(f.places) != maxFirsts {
		t.Errorf("%d ids take %d MiB", len(f.places), took>>20)
	}
}
