package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
	"o2archiver/shared/record"
)

// ways in which an attachment never comes.
var never = map[string]func(http.ResponseWriter, *http.Request){
	"accepts and never answers": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"begins and stops": func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(rw, "the beginning")
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	},
	"trickles": func(rw http.ResponseWriter, r *http.Request) { trickle(rw, r, 8<<10, time.Second) },
}

// However many attachments never come, and in whatever way: the texts of their page, of their window and of the other
// windows are staged in one run.
func TestAttachmentsNeverDelayTexts(t *testing.T) {
	t.Parallel()
	for name, serve := range never {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t, pagesOf(20))
			ids := w.daysBack(2)
			var asked atomic.Int64
			f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/never") {
					return false
				}
				asked.Add(1)
				serve(rw, r)
				return true
			})
			for i := range 12 {
				id := fmt.Sprintf("mms%02d", i)
				w.add(w.mms(id, schedule.WindowLength+time.Hour-time.Duration(i)*time.Minute,
					item{"contentUrl": "/never/" + id, "attachSize": 1000}))
				ids = append(ids, id)
			}
			res, err := w.try(f, "")
			if err != nil || res.Slices != 2 || res.Waiting != 12 {
				t.Errorf("%+v, %v; want both days fetched", res, err)
			}
			if n := asked.Load(); n == 0 || n > 2*2*contentTries { // in two windows, each twice
				t.Errorf("%d requests for attachments", n)
			}
			if diff := cmp.Diff(ids[:2], w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			w.balanced()
			// In the end they are given up, and their texts are staged.
			for range 16 {
				w.nextDay()
				if res, err := w.try(f, ""); err != nil || res.Open != 0 {
					t.Fatalf("%+v, %v", res, err)
				}
			}
			if n := len(w.ids()); n != len(ids) || len(w.waiting()) != 0 {
				t.Errorf("%d items of %d; %d wait", n, len(ids), len(w.waiting()))
			}
		}))
	}
}

// An attachment that comes too slowly is set aside, though it would come in the end.
func TestAttachmentThatTrickles(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		data := []byte(strings.Repeat("slow", 100_000))
		w.add(w.mms("m", time.Hour, item{"contentUrl": "/slow"}))
		w.site.AddContent("/slow", int64(len(data)), func() io.Reader {
			rest := bytes.NewReader(data)
			return readerFunc(func(b []byte) (int, error) {
				time.Sleep(time.Second)
				return rest.Read(b[:min(len(b), 8<<10)])
			})
		})
		if res := w.run(); res.Waiting != 1 || res.Records != 0 {
			t.Errorf("%+v, want it set aside", res)
		}
		w.content("/slow", data)
		w.nextDay()
		w.run()
		if diff := cmp.Diff([]string{"m"}, w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
	})
}

func TestAllowance(t *testing.T) {
	win := &schedule.Window{Folder: "a"}
	inv := newInvocation(workLimits{})
	for _, tt := range []struct {
		size int64
		want time.Duration
	}{{1 << 10, time.Minute + time.Second/16}, {0, time.Minute + 64*time.Second}, {2 << 30, 5 * time.Minute}, {-1,
		time.Minute + 64*time.Second}} {
		if got := inv.attachmentBudget(win, tt.size); got != tt.want {
			t.Errorf("%d bytes: %v, want %v", tt.size, got, tt.want)
		}
	}
	inv.noteAttachmentTime(win, 4*time.Minute)
	if got := inv.attachmentBudget(win, 2<<30); got != time.Minute {
		t.Errorf("the window has %v left, want 1m", got)
	}
	inv.noteAttachmentTime(&schedule.Window{Folder: "b"}, 5*time.Minute)
	if got := inv.attachmentBudget(&schedule.Window{Folder: "c"}, 2<<30); got != time.Minute {
		t.Errorf("the invocation has %v left, want 1m", got)
	}
}

// A try is counted before it begins, and the window in which it ended the invocation stages its texts first.
func TestTryCountsWhenItBegins(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(w.mms("m", time.Hour, item{"contentUrl": "/deadly"}), w.sms("text", "a text", time.Minute))
		var stop atomic.Pointer[context.CancelCauseFunc]
		f := w.hostile(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/deadly" {
				return false
			}
			(*stop.Load())(funchost.ErrDeadline)
			<-r.Context().Done()
			return true
		})
		for run := range 3 {
			ctx, cancel := context.WithCancelCause(t.Context())
			stop.Store(&cancel)
			if _, err := w.invoke(ctx, f, "", ""); !errors.Is(err, funchost.ErrDeadline) {
				t.Fatalf("run %d: %v", run, err)
			}
			cancel(nil)
			if run == 0 {
				continue // it ended before anything was staged
			}
			if diff := cmp.Diff([]string{"text"}, w.ids()); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			var item deferred
			if err := w.Store.Deferred().Get(t.Context(), w.waiting()[0], &item); err != nil || item.Tries != run {
				t.Errorf("run %d: %d tries are counted, %v", run, item.Tries, err)
			}
		}
	})
}

// While attachments are fetched no page is held open: a site that closes it after a while would break it off each time.
func TestPageIsNotHeldOpen(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var open atomic.Bool
		asked := make(chan struct{}, 10)
		w.add(w.mms("m", time.Hour, item{"contentUrl": "/file"}), w.sms("text", "a text", time.Minute))
		f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.URL.Path == "/file":
				if open.Load() {
					t.Error("an attachment is asked for while its page is open")
				}
				asked <- struct{}{}
				_, _ = io.WriteString(rw, "bytes")
				return true
			case strings.HasSuffix(r.URL.Path, "/items"):
				open.Store(true)
				defer open.Store(false)
				at := w.ago(time.Hour).Format(time.RFC3339)
				fmt.Fprintf(rw,
					`{"items":[{"messageId":"m","messageType":"MMS","messageTime":%q,`+
						`"attachment":[{"contentUrl":"/file"}]}`, at)
				_ = http.NewResponseController(rw).Flush()
				select {
				case <-asked:
				case <-time.After(10 * time.Second):
				}
				fmt.Fprintf(rw, `,{"messageId":"text","messageType":"SMS","messageTime":%q}]}`, at)
				return true
			}
			return false
		})
		if res, err := w.try(f, ""); err != nil || res.Records != 2 {
			t.Errorf("%+v, %v", res, err)
		}
		if diff := cmp.Diff([]string{"m", "text"}, w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
	})
}

// More than is held of one page: the attachments are asked for when the window has been read.
func TestLargePageWithAttachments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for i := range 5 {
		id := fmt.Sprintf("m%04d", i)
		w.add(w.mms(id, time.Hour-time.Duration(i)*time.Minute,
			item{"contentUrl": w.content("/files/"+id, []byte("bytes of "+id))}).
			with("textContent", strings.Repeat("long text "+id, 1000)))
		want = append(want, id)
	}
	w.collector.limits.held = 40_000
	if res := w.run(); res.Records != 5 || res.Waiting == 0 {
		t.Errorf("%+v", res)
	}
	if diff := cmp.Diff(want, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	for _, e := range w.one().entries() {
		if len(e.Media) != 1 || e.Media[0] == (record.Media{}) || e.Media[0].Gone != "" {
			t.Errorf("media %+v", e.Media)
		}
	}
	w.balanced()
}

// What waits is selected by its key and the facts beside it: no run reads a room full of items, and none is read twice
// for nothing.
func TestDeferredItemsAreNotReadWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 60
	for i := range n {
		w.add(w.long(fmt.Sprintf("p%04d", i), fmt.Sprintf("segment-%04d-of", i), "alpha-text beta-text",
			time.Duration(n-i)*time.Minute)[0])
	}
	w.add(w.mms("m", time.Hour, item{"contentUrl": "/later"}))
	back := w.unreachable()
	w.run()
	if len(w.waiting()) != n+1 {
		t.Fatalf("%d items wait, want %d", len(w.waiting()), n+1)
	}
	var read, listed atomic.Int64
	f := w.faulty(func(r *http.Request) archivetest.Fault {
		switch {
		case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/waiting/"):
			read.Add(1)
		case r.URL.Query().Get("prefix") == "waiting/pieces-":
			listed.Add(1)
		}
		return archivetest.Pass
	})
	w.nextDay()
	w.nextDay() // two windows
	if res, err := w.try(f, ""); err != nil || res.Slices != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	if read.Load() > 1 || listed.Load() != 1 {
		t.Errorf("%d items were read, want that whose attachment is asked for; the room was listed %d times",
			read.Load(), listed.Load())
	}
	back()
	for range 14 {
		w.nextDay()
		w.run()
	}
	if len(w.waiting()) > 0 || len(w.ids()) != n+1 {
		t.Errorf("%d items wait, %d are staged", len(w.waiting()), len(w.ids()))
	}
	w.balanced()
}

// Items that the version before put there have no facts beside them. They are read once.
func TestDeferredItemsWithoutFacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parts := w.long("p", "segment-of-two", "alpha-text beta-text", 26*time.Hour)
	parts[1]["archivedTime"] = w.ago(time.Hour).Format(time.RFC3339)
	w.collector.from = w.ago(2 * schedule.WindowLength)
	w.add(parts[0], w.mms("m", 27*time.Hour, item{"contentUrl": w.content("/later", []byte("bytes"))}))
	back := w.unreachable()
	w.run()
	for _, key := range w.waiting() { // as they were before
		var item deferred
		if err := w.Store.Deferred().Get(t.Context(), key, &item); err != nil {
			t.Fatal(err)
		}
		item.DeferredAt, item.Tries = time.Time{}, 0
		if err := w.Store.Deferred().Replace(t.Context(), key, item); err != nil {
			t.Fatal(err)
		}
	}
	back()
	parts[1]["archivedTime"] = w.ago(-time.Hour).Format(time.RFC3339)
	w.add(parts[1])
	w.nextDay()
	w.run()
	if diff := cmp.Diff([]string{"m", "p1", "p2"}, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	w.balanced()
}
