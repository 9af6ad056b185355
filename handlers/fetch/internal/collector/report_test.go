package collector

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/status"
)

func (w *world) progress() status.Progress {
	w.t.Helper()
	p, err := status.NewReader(w.Store.Status()).Progress(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// While a window is read, the progress has what was received of how many; at its end, that it ended.
func TestProgressOfARun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, pagesOf(100))
		w.many("m", 250)
		c := w.hostile(func(_ http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "count") {
				pauseAnswer(r, 20*time.Second)
			}
			return false
		})
		var seen []string
		note := func() {
			for _, win := range w.progress().Windows {
				of := "unknown"
				if win.Of != nil {
					of = fmt.Sprint(*win.Of)
				}
				seen = append(seen, fmt.Sprintf("%s %v %d of %s, %d batches, try %d", win.Kind, win.Active,
					win.Received, of, win.Batches, win.Tries))
			}
		}
		for _, at := range []time.Duration{15, 35, 55} {
			time.AfterFunc(at*time.Second, note)
		}
		w.days[w.today()] = true
		if _, err := c.Run(t.Context(), "0b1c", "", slog.New(slog.NewJSONHandler(w.Log, nil))); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"daily true 0 of unknown, 0 batches, try 1",
			"daily true 100 of 250, 1 batches, try 1", "daily true 200 of 250, 2 batches, try 1"}, seen); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		p, saved := w.progress(), w.checkpoint()
		if p.Invocation != "0b1c" || p.Source != "telemessage" || p.Ended.IsZero() || p.Failed != "" ||
			len(p.Windows) != 0 || p.Finished != 1 || !p.Watermark.Equal(saved.Watermark()) {
			t.Errorf("at the end: %+v", p)
		}
		w.CheckRuns(1)
	})
}

// A run that could not go on says why, and so does one that the administrator paused.
func TestProgressOfARunThatStops(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.many("m", 3)
		if res, err := w.try(w.newCollector(w.Store, "wrong-password"), ""); err != nil || !res.Refused {
			t.Fatalf("%+v, %v", res, err)
		}
		if p := w.progress(); !strings.Contains(p.Failed, "credentials") || len(p.Windows) != 1 ||
			p.Windows[0].Failed == "" || p.Windows[0].Active {
			t.Errorf("refused credentials: %+v", p)
		}
		w.collector.paused = flag(true)
		w.run()
		if p := w.progress(); !p.Paused || p.Failed != "" || p.Ended.IsZero() {
			t.Errorf("paused: %+v", p)
		}
	})
}

// flag implements Pause.
type flag bool

func (f flag) Paused(context.Context) (bool, error) { return bool(f), nil }

// A container that cannot be written delays and fails nothing: the next run writes the documents.
func TestStatusIsAway(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.many("m", 3)
		c := w.faulty(func(r *http.Request) archivetest.Fault {
			if strings.Contains(r.URL.Path, "/status/") {
				return archivetest.Reset
			}
			return archivetest.Pass
		})
		if res, err := w.try(c, ""); err != nil || res.Slices != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		if n := strings.Count(w.Log.String(), "fetch.statusLate"); n != 1 {
			t.Errorf("told %d times:\n%s", n, w.Log)
		}
		w.clock.Add(time.Hour)
		w.run()
		w.CheckRuns(2)
	})
}
