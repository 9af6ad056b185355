package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/client"
)

// told is which event tells of a unit that is stuck, and which alert's query asks for it.
type told struct{ event, alert string }

// tells reports whether the log has the line for which the alert comes, about the window with that folder, which begins
// at from.
func (w *world) tells(of told, folder string, from time.Time) bool {
	w.t.Helper()
	query, err := os.ReadFile("../../../../infra/queries/" + of.alert + ".kql")
	if err != nil || !strings.Contains(string(query), "'"+of.event+"'") {
		w.t.Errorf("the alert %s does not ask for %s: %v", of.alert, of.event, err)
	}
	tells := false
	for text := range strings.Lines(w.Log.String()) {
		var line struct {
			Level, Event, Run string
			Tries             int
			Watermark         time.Time
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			w.t.Fatal(err)
		}
		if line.Event != of.event {
			continue
		}
		switch of.alert {
		case "stuck":
			tells = tells || line.Level == "ERROR" && line.Run == folder &&
				(line.Event == "fetch.windowStalled" || line.Tries >= 3)
		case "no-fetch": // what the last of them says counts
			tells = line.Watermark.Equal(from) && w.clock.Now().Sub(line.Watermark) > 26*time.Hour
		}
	}
	return tells
}

// Whatever unit of work takes for ever, a page, a window, an attachment or an item that waits: all other items are
// staged in the same run or the next, and the log has the line for which an alert comes.
func TestNothingStandsInTheWay(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	trickle := func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, `{"items":[{"textContent":"`)
		for r.Context().Err() == nil {
			_, _ = io.WriteString(rw, "x")
			_ = http.NewResponseController(rw).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}
	fail := func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }
	refuse := func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadRequest) }
	var pages atomic.Int64
	endless := func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, `{"items":[{"messageId":"endless%[1]d","messageType":"SYSTEM"}],"next":"c%[1]d"}`, pages.Add(1))
	}
	empty := func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, `{"items":[],"next":"c%d"}`, pages.Add(1))
	}
	circle := func(rw http.ResponseWriter, r *http.Request) {
		next := map[string]string{"": "a", "a": "b", "b": "a"}[r.URL.Query().Get("cursor")]
		fmt.Fprintf(rw, `{"items":[],"next":%q}`, next)
	}
	var stop context.CancelCauseFunc // says that the run's time is up
	end := func(_ http.ResponseWriter, r *http.Request) {
		stop(funchost.ErrDeadline)
		<-r.Context().Done()
	}
	failed, stalled := told{"fetch.windowFailed", "stuck"}, told{"fetch.windowStalled", "stuck"}
	behind := told{"fetch.ended", "no-fetch"}
	for name, tt := range map[string]struct {
		page  func(http.ResponseWriter, *http.Request) // of the first day
		runs  int                                      // after which it is told
		told  told
		media func(http.ResponseWriter, *http.Request) // of its attachments, and of the items that wait for them
		never bool                                     // nothing at all comes of them
	}{
		"page trickles":            {page: trickle, runs: 3, told: failed},
		"page fails":               {page: fail, runs: 3, told: failed},
		"page is refused":          {page: refuse, runs: 3, told: failed},
		"page takes all the time":  {page: end, runs: 4, told: stalled},
		"window never ends":        {page: endless, runs: 2, told: behind},
		"window is empty for ever": {page: empty, runs: 2, told: behind},
		"window goes in a circle":  {page: circle, runs: 3, told: failed},
		"attachment hangs":         {media: hang, never: true},
		"attachment trickles":      {media: trickle},
		"attachment fails":         {media: fail, never: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ids := w.daysBack(3)
			first := w.collector.from
			stuck := tt.page
			if tt.page != nil {
				ids = ids[1:]
			} else {
				for i := range 8 {
					w.add(w.mms(fmt.Sprintf("mms%d", i), 2*schedule.WindowLength+time.Duration(i)*time.Minute, item{"contentUrl": fmt.Sprintf("/never/%d", i)}))
				}
			}
			f := w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
				switch {
				case stuck != nil && asksFor(r, first):
					stuck(rw, r)
				case tt.media != nil && strings.HasPrefix(r.URL.Path, "/never"):
					tt.media(rw, r)
				default:
					return false
				}
				return true
			}, func(o *client.Options) { o.PageTime = 500 * time.Millisecond })
			f.limits = workLimits{turn: time.Nanosecond, attachment: 50 * time.Millisecond, longest: 50 * time.Millisecond,
				window: 200 * time.Millisecond, invocation: 400 * time.Millisecond}
			run := func() {
				ctx, end := context.WithTimeout(t.Context(), 5*time.Second)
				defer end()
				ctx, stop = context.WithCancelCause(ctx)
				defer stop(nil)
				_, _ = w.invoke(ctx, f, "", "")
			}
			run()
			run()
			staged := slices.DeleteFunc(w.ids(), func(id string) bool { return strings.HasPrefix(id, "endless") })
			if diff := cmp.Diff(ids, staged); diff != "" {
				t.Errorf("items after two runs (-want +got):\n%s", diff)
			}
			if tt.media != nil { // the items wait, and the days that come are fetched
				w.nextDay()
				w.add(w.sms("later", "a message of the next day", time.Hour))
				run()
				if diff := cmp.Diff(append(ids, "later"), w.ids()); diff != "" {
					t.Errorf("items of the next day (-want +got):\n%s", diff)
				}
				if n := len(w.waiting()); n != 8 {
					t.Errorf("%d items wait", n)
				}
				if !tt.never {
					return // it comes, a little at a time, and is waited for
				}
				// What never comes is given up, and import counts it for the alert more-incomplete.
				f.limits.window, f.limits.invocation = time.Minute, time.Minute
				w.clock.Add(patienceWithSource)
				_, _ = w.try(f, "")
				gone := 0
				for _, r := range w.runs() {
					for _, e := range r.entries() {
						for _, m := range e.Media {
							if m.Gone != "" {
								gone++
							}
						}
					}
				}
				if n := len(w.waiting()); gone != 8 || n > 0 {
					t.Errorf("%d attachments are given up after 14 days, want 8; %d items wait", gone, n)
				}
				return
			}
			for range tt.runs - 2 {
				if w.tells(tt.told, w.checkpoint().Open[0].Folder, first) {
					t.Errorf("told too early")
				}
				run()
			}
			open := w.checkpoint().Open
			if len(open) != 1 || !open[0].From.Equal(first) {
				t.Fatalf("open: %+v", open)
			}
			if !w.tells(tt.told, open[0].Folder, first) {
				t.Errorf("no line %s for the alert %s:\n%s", tt.told.event, tt.told.alert, w.Log)
			}
			if !w.tells(behind, open[0].Folder, first) {
				t.Error("the watermark does not stay behind what is owed")
			}
		})
	}
}
