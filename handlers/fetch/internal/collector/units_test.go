package collector

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/telemessage"
)

// Whatever unit of work takes for ever, a page, a window, an attachment or an item that waits: all other items are
// staged in the same run or the next, and the log has what an alert's query asks for.
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
	for name, tt := range map[string]struct {
		page  func(http.ResponseWriter, *http.Request) // of the first day
		media func(http.ResponseWriter, *http.Request) // of its attachments, and of the items that wait for them
	}{
		"page hangs":               {page: hang},
		"page trickles":            {page: trickle},
		"page fails":               {page: fail},
		"page is refused":          {page: refuse},
		"window never ends":        {page: endless},
		"window is empty for ever": {page: empty},
		"window goes in a circle":  {page: circle},
		"attachment hangs":         {media: hang},
		"attachment trickles":      {media: trickle},
		"attachment fails":         {media: fail},
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
			}, func(o *telemessage.Options) { o.PageTime = 500 * time.Millisecond })
			f.limits = workLimits{turn: time.Nanosecond, attachment: 50 * time.Millisecond, longest: 50 * time.Millisecond,
				window: 200 * time.Millisecond, invocation: 400 * time.Millisecond}
			for range 2 {
				ctx, end := context.WithTimeout(t.Context(), 5*time.Second)
				_, _ = w.invoke(ctx, f, "", "")
				end()
			}
			staged := slices.DeleteFunc(w.ids(), func(id string) bool { return strings.HasPrefix(id, "endless") })
			if diff := cmp.Diff(ids, staged); diff != "" {
				t.Errorf("items after two runs (-want +got):\n%s", diff)
			}
			if tt.media != nil { // the items wait, and the days that come are fetched
				w.nextDay()
				w.add(w.sms("later", "a message of the next day", time.Hour))
				ctx, end := context.WithTimeout(t.Context(), 5*time.Second)
				_, _ = w.invoke(ctx, f, "", "")
				end()
				if diff := cmp.Diff(append(ids, "later"), w.ids()); diff != "" {
					t.Errorf("items of the next day (-want +got):\n%s", diff)
				}
				if n := len(w.waiting()); n != 8 {
					t.Errorf("%d items wait", n)
				}
				return
			}
			// The watermark stays behind what is owed (no-fetch), and the window's failure is told (stuck).
			state := w.checkpoint()
			if mark := state.Watermark(); !mark.Equal(first) {
				t.Errorf("the watermark is %v, with a window open from %v", mark, first)
			}
			if log := w.Log.String(); !strings.Contains(log, `"event":"fetch.windowFailed"`) && !strings.Contains(log, `"event":"fetch.ended"`) {
				t.Error("no line tells of the window that is stuck")
			}
		})
	}
}
