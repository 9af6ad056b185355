package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/source/telemessage/telemessagetest"
	"o2archiver/shared/status"
)

// address is the site's. No socket has it: see serve.
const address = "https://archive.site.example"

// start is when the clock of each world begins. The storage's clock is later (see virtual), for one that is behind
// bounds what is planned.
var start = time.Date(2001, 3, 1, 5, 30, 0, 0, time.UTC)

// world is a site, storage and a Collector between them. It has no socket, so it may be in a bubble of testing/synctest
// (see virtual), and shares nothing with other worlds.
type world struct {
	*fetchtest.World
	t         *testing.T
	clock     *archivetest.Clock
	site      *telemessagetest.Site
	base      *url.URL // of the site
	collector *Collector

	days  map[string]bool // on which fetch ran
	found []stored        // what runs has read since
}

func newWorld(t *testing.T, edit ...func(*telemessagetest.Options)) *world {
	t.Helper()
	return makeWorld(t, fetchtest.NewWorld(t), edit)
}

// newWorldOnAzurite returns a world with storage that other processes can reach. Its test must not be parallel.
func newWorldOnAzurite(t *testing.T, edit ...func(*telemessagetest.Options)) *world {
	t.Helper()
	return makeWorld(t, fetchtest.NewWorldOnAzurite(t), edit)
}

func makeWorld(t *testing.T, storage *fetchtest.World, edit []func(*telemessagetest.Options)) *world {
	t.Helper()
	w := &world{World: storage, t: t, clock: archivetest.NewClock(start), days: map[string]bool{}}
	o := telemessagetest.Options{
		Username: fetchtest.Username, Password: fetchtest.Password, Now: w.clock.Now, Delay: 5 * time.Minute,
	}
	for _, e := range edit {
		e(&o)
	}
	w.site = telemessagetest.New(o)
	var err error
	if w.base, err = url.Parse(address); err != nil {
		t.Fatal(err)
	}
	w.Secret(w.base.Host)
	w.collector = w.newCollector(w.Store, fetchtest.Password)
	return w
}

func virtual(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	fetchtest.Virtual(t, test)
}

func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	fetchtest.InBubble(t, test)
}

// pauseAnswer waits for d, or until the client gives up.
func pauseAnswer(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// trickle sends size bytes every so often, until the client gives up.
func trickle(rw http.ResponseWriter, r *http.Request, size int, every time.Duration) {
	for r.Context().Err() == nil {
		_, _ = io.WriteString(rw, strings.Repeat("x", size))
		_ = http.NewResponseController(rw).Flush()
		pauseAnswer(r, every)
	}
}

// virtually returns a subtest that virtual runs.
func virtually(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { virtual(t, test) }
}

func (w *world) newCollector(s *archive.Store, password string) *Collector {
	w.t.Helper()
	c := New(Options{Site: w.client(w.site, password), Now: w.clock.Now})
	c.use(s)
	c.leaseWait = 0
	return c
}

// use sets the Collector's handles.
func (c *Collector) use(s *archive.Store) {
	c.batches, c.media, c.deferred, c.checkpoints = s.Batches(), s.Media(), s.Deferred(), s.Checkpoints()
	c.status = status.NewWriter(status.Options{
		Documents: s.Status(), Batches: s.Batches(), Source: "telemessage", Now: c.now})
}

// client returns a client of a site that handler is. It tries each request once: its pauses are package telemessage's
// to test.
func (w *world) client(handler http.Handler, password string, edit ...func(*client.Options)) *client.Client {
	w.t.Helper()
	way, stop := pipetest.Serve(handler)
	w.t.Cleanup(stop)
	o := client.Options{HTTP: &http.Client{Transport: way}, Now: w.clock.Now, Tries: 1}
	for _, e := range edit {
		e(&o)
	}
	authorize := func(r *http.Request) { r.SetBasicAuth(fetchtest.Username, password) }
	site, err := client.New(w.base, authorize, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return site
}

// faulty returns a Collector on whose way to the storage rule decides.
func (w *world) faulty(rule func(*http.Request) archivetest.Fault) *Collector {
	w.t.Helper()
	return w.newCollector(w.OpenWith(w.Storage.Through(rule)), fetchtest.Password)
}

// today is the day of the runs that are planned now, and of their media.
func (w *world) today() string { return w.clock.Now().UTC().Format("2006/01/02") }

// try lets fetch run and gives what it says.
func (w *world) try(f *Collector, input string) (Result, error) {
	w.t.Helper()
	return w.invoke(w.t.Context(), f, "", input)
}

func (w *world) invoke(ctx context.Context, f *Collector, id, input string) (Result, error) {
	w.days[w.clock.Now().Format("2006/01/02")], w.found = true, nil
	ctx, cancel := context.WithTimeoutCause(ctx, funchost.Deadline, funchost.ErrDeadline)
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
		"messageTime": at.Add(-time.Minute).Format(time.RFC3339), "archivedTime": at.Format(
			time.RFC3339Nano), "direction": "Out",
		"from": item{"value": "+447700900123",
			"email": "jane@contoso.example"}, "to": []item{{"value": "07700 900456"}},
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
		w.add(w.sms(fmt.Sprintf("%s%04d", prefix, i), fmt.Sprintf("confidential text %s%04d", prefix, i),
			time.Duration(n-i)*10*time.Second))
	}
}

func (w *world) waiting() []string {
	w.t.Helper()
	keys, err := w.Store.Deferred().Keys(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

func (w *world) checkpoint() (c schedule.Checkpoint) {
	w.t.Helper()
	if _, err := w.Store.Checkpoints().Get(context.Background(), schedule.CheckpointName, &c); err != nil {
		w.t.Fatal(err)
	}
	return c
}
