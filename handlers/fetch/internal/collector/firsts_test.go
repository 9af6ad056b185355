package collector

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
