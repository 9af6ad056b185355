package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// worlds counts: each has weeks of its own, so that no two have a run's folder in common, whatever is left of the others.
var worlds atomic.Int64

// world is a site, storage and a Collector between them. Tests that use one don't run at the same time.
type world struct {
	*fetchtest.World
	t         *testing.T
	clock     *archivetest.Clock
	site      *telemessagetest.Site
	base      *url.URL
	collector *Collector

	days  map[string]bool // on which fetch ran
	found []stored        // what runs has read since
}

func newWorld(t *testing.T, edit ...func(*telemessagetest.Options)) *world {
	t.Helper()
	start := time.Date(2001, 3, 1, 5, 30, 0, 0, time.UTC).AddDate(0, 0, 25*int(worlds.Add(1)))
	w := &world{t: t, clock: archivetest.NewClock(start), days: map[string]bool{}}
	o := telemessagetest.Options{Username: fetchtest.Username, Password: fetchtest.Password, Now: w.clock.Now, Delay: 5 * time.Minute}
	for _, e := range edit {
		e(&o)
	}
	w.site = telemessagetest.New(o)
	server := httptest.NewServer(w.site)
	t.Cleanup(server.Close)
	var err error
	if w.base, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	w.World = fetchtest.NewWorld(t)
	w.Secret(w.base.Host)
	w.collector = w.newCollector(w.Store, fetchtest.Password)
	return w
}

func (w *world) newCollector(s *archive.Store, password string) *Collector {
	w.t.Helper()
	// One try for each request, or the site's failures would cost their pauses; those are telemessage's to test.
	site, err := client.New(w.base, func(r *http.Request) { r.SetBasicAuth(fetchtest.Username, password) }, client.Options{Now: w.clock.Now, Tries: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	f := New(Options{Site: site, Store: s, Now: w.clock.Now})
	f.leaseWait, f.pause = 0, func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	return f
}

// faulty returns a Collector on whose way to the storage rule decides.
func (w *world) faulty(rule func(*http.Request) azurite.Fault) *Collector {
	w.t.Helper()
	return w.newCollector(w.Open(azurite.ForTest(w.t).Proxy(w.t, rule)), fetchtest.Password)
}

// today is the day of the runs that are planned now, and of their media.
func (w *world) today() string { return w.clock.Now().UTC().Format(dayForm) }

// try lets fetch run and gives what it says.
func (w *world) try(f *Collector, input string) (Result, error) {
	w.t.Helper()
	return w.invoke(w.t.Context(), f, "", input)
}

func (w *world) invoke(ctx context.Context, f *Collector, id, input string) (Result, error) {
	w.days[w.clock.Now().Format("2006/01/02")], w.found = true, nil
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // or a fault in a test would be waited for as an outage
	defer cancel()
	res, err := f.Run(ctx, id, input, slog.New(slog.NewJSONHandler(w.Log, nil)))
	if err != nil {
		w.NoteError(err)
	}
	return res, err
}

// run lets fetch run and expects it to succeed.
func (w *world) run() Result {
	w.t.Helper()
	res, err := w.try(w.collector, "")
	if err != nil {
		w.t.Fatalf("fetch: %v", err)
	}
	return res
}

// nextDay is 24 hours later.
func (w *world) nextDay() { w.clock.Add(24 * time.Hour) }

// ago is a time before the end of the window that fetch reads now.
func (w *world) ago(d time.Duration) time.Time { return w.clock.Now().Add(-schedule.Margin - d) }

// item is an item of the source.
type item map[string]any

// sms is a message that was archived d before the window's end.
func (w *world) sms(id, text string, d time.Duration) item {
	at := w.ago(d)
	return item{
		"messageId": id, "messageType": "SMS", "network": "O2", "msisdn": "447700900123",
		"messageTime": at.Add(-time.Minute).Format(time.RFC3339), "archivedTime": at.Format(time.RFC3339Nano), "direction": "Out",
		"from": item{"value": "+447700900123", "email": "jane@contoso.example"}, "to": []item{{"value": "07700 900456"}},
		"textContent": text,
	}
}

func (it item) with(field string, value any) item {
	it[field] = value
	return it
}

// add archives items at the site, each at its own time.
func (w *world) add(items ...item) {
	w.t.Helper()
	for _, it := range items {
		at, err := time.Parse(time.RFC3339Nano, it["archivedTime"].(string))
		if err != nil {
			w.t.Fatal(err)
		}
		raw, err := json.Marshal(it)
		if err != nil {
			w.t.Fatal(err)
		}
		if text, ok := it["textContent"].(string); ok {
			w.Secret(text)
		}
		w.Secret("7700900123", "7700 900456", "contoso.example")
		w.site.Add(at, raw)
	}
}

// many archives n short messages within the window, oldest first.
func (w *world) many(prefix string, n int) {
	w.t.Helper()
	for i := range n {
		w.add(w.sms(fmt.Sprintf("%s%04d", prefix, i), fmt.Sprintf("confidential text %s%04d", prefix, i), time.Duration(n-i)*10*time.Second))
	}
}

func (w *world) waiting() []string {
	w.t.Helper()
	keys, err := w.Store.Waiting(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

func (w *world) checkpoint() (c schedule.Checkpoint) {
	w.t.Helper()
	if _, err := w.Store.GetJSON(context.Background(), archive.Checkpoints, schedule.CheckpointName, &c); err != nil {
		w.t.Fatal(err)
	}
	return c
}
