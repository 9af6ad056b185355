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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/funchost"
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

// unit is a unit of work at the site that does not come to an end.
type unit struct {
	pages int                     // that were answered
	stop  context.CancelCauseFunc // ends the run
}

func (u *unit) hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func (u *unit) trickle(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(rw, `{"items":[{"textContent":"`)
	trickle(rw, r, 4<<10, 20*time.Second)
}

func (u *unit) fail(rw http.ResponseWriter, _ *http.Request) {
	rw.WriteHeader(http.StatusServiceUnavailable)
}

func (u *unit) refuse(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadRequest) }

// goOn answers with an item and another page, for ever.
func (u *unit) goOn(rw http.ResponseWriter, r *http.Request) {
	pauseAnswer(r, 20*time.Second)
	u.pages++
	const page = `{"items":[{"messageId":"endless%[1]d","messageType":"SYSTEM"}],"next":"c%[1]d"}`
	fmt.Fprintf(rw, page, u.pages)
}

// goOnEmpty answers with another page, for ever.
func (u *unit) goOnEmpty(rw http.ResponseWriter, r *http.Request) {
	pauseAnswer(r, 20*time.Second)
	u.pages++
	fmt.Fprintf(rw, `{"items":[],"next":"c%d"}`, u.pages)
}

// goInACircle answers with cursors that come again.
func (u *unit) goInACircle(rw http.ResponseWriter, r *http.Request) {
	next := map[string]string{"": "a", "a": "b", "b": "a"}[r.URL.Query().Get("cursor")]
	fmt.Fprintf(rw, `{"items":[],"next":%q}`, next)
}

// takeAllTheTime ends the run without an answer.
func (u *unit) takeAllTheTime(_ http.ResponseWriter, r *http.Request) {
	u.stop(funchost.ErrDeadline)
	<-r.Context().Done()
}

// A unit of work that takes for ever, be it a page, a window, an attachment or a deferred item, does not stop the
// others: their items are staged in the same run or the next, and the log has the line for which an alert is raised.
func TestUnitThatNeverEndsDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	failed, stalled := told{"fetch.windowFailed", "stuck"}, told{"fetch.windowStalled", "stuck"}
	behind := told{"fetch.ended", "no-fetch"}
	for name, tt := range map[string]stuckUnit{
		"page trickles":            {page: (*unit).trickle, runs: 3, told: failed},
		"page fails":               {page: (*unit).fail, runs: 3, told: failed},
		"page is refused":          {page: (*unit).refuse, runs: 3, told: failed},
		"page takes all the time":  {page: (*unit).takeAllTheTime, runs: 4, told: stalled},
		"window never ends":        {page: (*unit).goOn, runs: 2, told: behind},
		"window is empty for ever": {page: (*unit).goOnEmpty, runs: 2, told: behind},
		"window goes in a circle":  {page: (*unit).goInACircle, runs: 3, told: failed},
		"attachment hangs":         {media: (*unit).hang, never: true},
		"attachment trickles":      {media: (*unit).trickle},
		"attachment fails":         {media: (*unit).fail, never: true},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			ids := w.daysBack(3)
			if tt.page != nil {
				w.checkStuckPage(tt, ids[1:], behind)
			} else {
				w.checkStuckMedia(tt, ids)
			}
		}))
	}
}

// stuckUnit is a case of TestUnitThatNeverEndsDoesNotStopOthers.
type stuckUnit struct {
	page func(*unit, http.ResponseWriter, *http.Request) // of the first day
	runs int                                             // after which it is told
	told told

	media func(*unit, http.ResponseWriter, *http.Request) // of attachments of the first day
	never bool                                            // none of their bytes ever arrive
}

// stick returns a Collector whose site has the unit, and a function that lets it run.
func (w *world) stick(tt stuckUnit) (c *Collector, run func()) {
	first := w.collector.from
	u := &unit{}
	c = w.hostile(func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case tt.page != nil && asksFor(r, first):
			tt.page(u, rw, r)
		case tt.media != nil && strings.HasPrefix(r.URL.Path, "/never"):
			tt.media(u, rw, r)
		default:
			return false
		}
		return true
	})
	return c, func() {
		ctx, stop := context.WithCancelCause(w.t.Context())
		defer stop(nil)
		u.stop = stop
		_, _ = w.invoke(ctx, c, "", "")
	}
}

func (w *world) checkStuckPage(tt stuckUnit, others []string, behind told) {
	w.t.Helper()
	first := w.collector.from
	_, run := w.stick(tt)
	run()
	run()
	staged := slices.DeleteFunc(w.ids(), func(id string) bool { return strings.HasPrefix(id, "endless") })
	if diff := cmp.Diff(others, staged); diff != "" {
		w.t.Errorf("items after two runs (-want +got):\n%s", diff)
	}
	for range tt.runs - 2 {
		if w.tells(tt.told, w.checkpoint().Open[0].Folder, first) {
			w.t.Errorf("told too early")
		}
		run()
	}
	open := w.checkpoint().Open
	if len(open) != 1 || !open[0].From.Equal(first) {
		w.t.Fatalf("open: %+v", open)
	}
	if !w.tells(tt.told, open[0].Folder, first) {
		w.t.Errorf("no line %s for the alert %s:\n%s", tt.told.event, tt.told.alert, w.Log)
	}
	if !w.tells(behind, open[0].Folder, first) {
		w.t.Error("the watermark does not stay behind what is owed")
	}
}

func (w *world) checkStuckMedia(tt stuckUnit, others []string) {
	w.t.Helper()
	const files = 8
	for i := range files {
		w.add(w.mms(fmt.Sprintf("mms%d", i), 2*schedule.WindowLength+time.Duration(i)*time.Minute,
			item{"contentUrl": fmt.Sprintf("/never/%d", i)}))
	}
	_, run := w.stick(tt)
	run()
	run()
	if diff := cmp.Diff(others, w.ids()); diff != "" {
		w.t.Errorf("items after two runs (-want +got):\n%s", diff)
	}
	// The items stay deferred, and the next days are fetched.
	w.nextDay()
	w.add(w.sms("later", "a message of the next day", time.Hour))
	run()
	if diff := cmp.Diff(append(others, "later"), w.ids()); diff != "" {
		w.t.Errorf("items of the next day (-want +got):\n%s", diff)
	}
	if n := len(w.waiting()); n != files {
		w.t.Errorf("%d items are deferred, want %d", n, files)
	}
	if !tt.never {
		return // their bytes arrive, a few at a time
	}
	// What never arrives is given up, and import counts it for the alert more-incomplete.
	for range 2 * 14 {
		w.nextDay()
		run()
	}
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
	if n := len(w.waiting()); gone != files || n > 0 {
		w.t.Errorf("%d attachments are given up, want %d; %d items are still deferred", gone, files, n)
	}
}
