package collector

import (
	"bytes"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/source/telemessage"
)

// A window goes on beyond 99,999 batches, and what was written of it is found again.
func TestMoreBatchesThanFiveDigits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pagesOf(100))
	w.many("m", 250)
	var c schedule.Checkpoint
	c.PlanDaily(w.clock.Now(), time.Time{})
	c.Open[0].Progress.Batches = 99_998
	if _, err := w.Store.Checkpoints().Put(t.Context(), schedule.CheckpointName, c, "*", nil); err != nil {
		t.Fatal(err)
	}
	if res, err := w.try(w.collector, ""); err != nil || res.Received != 250 {
		t.Fatalf("%+v, %v", res, err)
	}
	var names []string
	for _, b := range w.one().infos {
		names = append(names, path.Base(b.Name))
	}
	if diff := cmp.Diff([]string{"99999.ndjson", "a100000.ndjson", "a100001.ndjson"}, names); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(numbered("m", 250), w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	win := activeWindow{Window: &c.Open[0], inv: newInvocation(workLimits{})}
	win.Progress.Batches = 99_999
	if _, err := w.collector.readEarlierAttempt(t.Context(), &win); err != nil {
		t.Errorf("look back: %v", err)
	}
}

// An item that is only kept, and ends differently each time that it is read, is kept each time.
func TestKeptItemThatChanges(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 70 << 10, "of two blocks": 5 << 20} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			var n atomic.Int64
			at := w.ago(time.Hour).Format(time.RFC3339)
			item := func(try int64) string {
				return fmt.Sprintf(`{"messageId":"big","pad":"%s","n":01,"url":"/x?sig=%d"}`, strings.Repeat("x", size),
					try)
			}
			f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/items") {
					return false
				}
				try := n.Add(1)
				fmt.Fprintf(rw, `{"items":[%s,`, item(min(try, 2)))
				if try < 4 {
					_ = http.NewResponseController(rw).Flush()
					panic(http.ErrAbortHandler) // the connection breaks off
				}
				fmt.Fprintf(rw, `{"messageId":"good","messageType":"SMS","messageTime":%q}]}`, at)
				return true
			})
			if res, err := w.try(f, ""); err != nil || res.Records != 2 {
				t.Fatalf("%+v, %v", res, err)
			}
			for _, e := range w.one().entries() {
				if e.Fault == "" {
					continue
				}
				if got := w.media(e.RawBlob); !bytes.Equal(got, []byte(item(2))) || hash(got) != e.RawHash {
					t.Errorf("%s has %d other bytes", e.RawBlob, len(got))
				}
			}
		}))
	}
}

// Each entry has the end of its window, and a message from a time that can't be is quarantined, whatever else it says.
func TestEntriesHaveTheEndOfTheirWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	future := w.clock.Now().AddDate(70, 0, 0).Format(time.RFC3339)
	bad := w.sms("bad", "from 70 years ahead", time.Hour).with("messageTime", future)
	w.add(bad, w.sms("good", "a text", time.Minute))
	w.add(w.long("p", "segment-of-two", "alpha-text beta-text", time.Hour)...)
	w.add(w.mms("m", time.Hour, item{"contentUrl": w.content("/soon", []byte("soon"))}),
		w.long("q", "segment-of-q", "gamma-text delta-text", time.Hour)[0])
	back := w.unreachable()
	until := w.ago(0)
	w.run()
	back()
	w.nextDay()
	w.add(w.long("q", "segment-of-q", "gamma-text delta-text", time.Hour)[1])
	w.run()
	untils := map[string]time.Time{}
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			for _, it := range e.Items {
				o, _ := telemessage.Peek(it.Raw)
				untils[o.MessageID] = e.Until
			}
		}
	}
	next := until.Add(schedule.WindowLength)
	want := map[string]time.Time{"bad": until, "good": until, "p1": until, "p2": until, "m": until, "q1": next,
		"q2": next}
	if diff := cmp.Diff(want, untils); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
}
