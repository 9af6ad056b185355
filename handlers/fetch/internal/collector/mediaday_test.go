package collector

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// fresh checks that no entry of the window names a medium that is older than media may be.
func (w *world) fresh(e record.Entry) {
	w.t.Helper()
	for _, m := range e.Media {
		day, err := time.Parse("2006/01/02", m.Day)
		if err != nil || w.clock.Now().Sub(day) > mediaReuse || int64(len(w.media(m.Blob()))) != m.Size {
			w.t.Errorf("the medium %+v, %v", m, err)
		}
	}
}

// entryOf finds the one entry of the item among the runs of the present day.
func (w *world) entryOf(id string) (found record.Entry) {
	w.t.Helper()
	n := 0
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			if len(e.Items) == 1 && bytes.Contains(e.Items[0].Raw, []byte(`"messageId":"`+id+`"`)) {
				found = e
				n++
			}
		}
	}
	if n != 1 {
		w.t.Fatalf("%d entries of %s", n, id)
	}
	return found
}

// A file that comes again has a blob of its own: what is tiered and deleted by its age goes with the records that name
// it.
func TestFileThatComesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := []byte("the company's logo")
	days := map[string]bool{}
	for _, id := range []string{"first", "second", "third"} {
		w.add(w.mms(id, time.Hour, item{"content": base64Of(data)}))
		w.run()
		e := w.entryOf(id)
		w.fresh(e)
		days[e.Media[0].Day] = true
		w.nextDay()
	}
	if len(days) != 3 {
		t.Errorf("blobs of the days %v", days)
	}
}

// An item that waits keeps what it has; where fetch stood still meanwhile, that has become too old, and is stored anew.
func TestMediaOfAnItemThatWaitedLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("m", time.Hour, item{"content": base64Of([]byte("inline"))},
		item{"contentUrl": w.content("/late.bin", []byte("late"))}))
	back := w.unreachable()
	w.run()
	back()
	w.clock.Add(40 * 24 * time.Hour)
	w.run()
	w.fresh(w.entryOf("m"))
	w.balanced()
}

// The media of a window that stays open for long lie under the day on which they are stored.
func TestMediaOfAWindowThatWasOpenForLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add(w.mms("m", time.Hour, item{"content": base64Of([]byte("inline"))}))
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Status: 503, Times: 1 << 20})
	if _, err := w.try(w.collector, ""); err == nil {
		t.Fatal("the site is not away")
	}
	w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Times: 1 << 20})
	w.clock.Add(40 * 24 * time.Hour)
	w.run()
	w.fresh(w.entryOf("m"))
}

// A catch-up of many slices asks once for what is out of reach, and once more before it is given up.
func TestCatchUpAsksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.collector.from = w.ago(16 * schedule.WindowLength)
	w.add(w.mms("m", 15*schedule.WindowLength+time.Hour, item{"contentUrl": "/never.bin"}))
	back := w.unreachable()
	defer back()
	w.run()
	if n := w.contentCalls(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	if diff := cmp.Diff([]string{"m"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()
}
