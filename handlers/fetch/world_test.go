package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/telemessage"
	"o2archiver/shared/telemessage/telemessagetest"
)

const (
	username = "archive-acme"
	password = "pa55-of-the-site"
)

// worlds counts: each has weeks of its own, so that no two have a run's folder in common, whatever is left of the others.
var worlds atomic.Int64

// world is a site, storage and a fetcher between them. Tests that use one don't run at the same time: the
// names of the checkpoint and of the waiting room are fixed.
type world struct {
	t     *testing.T
	clock *clock
	site  *telemessagetest.Site
	base  *url.URL
	store *archive.Store // without faults
	f     *fetcher
	log   *lines

	days    map[string]bool // on which fetch ran
	found   []stored        // what runs has read since
	secrets map[string]bool // what no log line and no error may hold
	said    []string        // errors
}

func newWorld(t *testing.T, edit ...func(*telemessagetest.Options)) *world {
	t.Helper()
	start := time.Date(2001, 3, 1, 5, 30, 0, 0, time.UTC).AddDate(0, 0, 25*int(worlds.Add(1)))
	w := &world{t: t, clock: &clock{at: start}, log: &lines{}, days: map[string]bool{}, secrets: map[string]bool{}}
	o := telemessagetest.Options{Username: username, Password: password, Now: w.clock.now, Delay: 5 * time.Minute}
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
	w.secret(password, w.base.Host)
	w.store = w.open(azurite.ForTest(t).ConnectionString())
	w.empty()
	w.f = w.fetcher(w.store, password)
	t.Cleanup(w.checkSecrets)
	return w
}

// openWith opens the storage through a transport.
func (w *world) openWith(way http.RoundTripper) *archive.Store {
	w.t.Helper()
	s, err := archive.Open(archive.Config{ConnectionString: azurite.ForTest(w.t).ConnectionString(), HTTP: &http.Client{Transport: way}})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) open(connection string) *archive.Store {
	w.t.Helper()
	s, err := archive.Open(archive.Config{ConnectionString: connection})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) fetcher(s *archive.Store, password string) *fetcher {
	w.t.Helper()
	// One try for each request, or the site's failures would cost their pauses; those are telemessage's to test.
	site, err := telemessage.New(w.base, func(r *http.Request) { r.SetBasicAuth(username, password) }, telemessage.Options{Now: w.clock.now, Tries: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return &fetcher{site: site, store: s, now: w.clock.now, pause: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }}
}

// faulty gives a fetcher on whose way to the storage rule decides.
func (w *world) faulty(rule func(*http.Request) azurite.Fault) *fetcher {
	w.t.Helper()
	return w.fetcher(w.open(azurite.ForTest(w.t).Proxy(w.t, rule)), password)
}

// today is the day of the runs that are planned now, and of their media.
func (w *world) today() string { return w.clock.now().UTC().Format(dayForm) }

// empty makes the containers, and takes away what an earlier test has left in fetch's memory.
func (w *world) empty() {
	w.t.Helper()
	ctx := context.Background()
	_, err := w.store.PutJSON(ctx, archive.Checkpoints, checkpointName, struct{}{}, "*", nil)
	if errors.Is(err, archive.ErrNotFound) { // the first test of all
		err = w.store.CreateContainers(ctx)
	}
	keys, lerr := w.store.Waiting(ctx)
	for _, key := range keys {
		lerr = errors.Join(lerr, w.store.DeleteWaiting(ctx, key))
	}
	if err = errors.Join(err, lerr); err != nil {
		w.t.Fatal(err)
	}
}

// secret notes what must stay out of logs and errors.
func (w *world) secret(texts ...string) {
	for _, text := range texts {
		if len(text) >= 6 { // shorter ones are in a log by chance
			w.secrets[text] = true
		}
	}
}

func (w *world) checkSecrets() {
	var state schedule.Checkpoint
	if _, err := w.store.GetJSON(context.Background(), archive.Checkpoints, checkpointName, &state); err == nil {
		for _, s := range state.Open {
			w.said = append(w.said, s.Failed)
		}
	}
	all := w.log.String() + strings.Join(w.said, "\n")
	for text := range w.secrets {
		if strings.Contains(all, text) {
			w.t.Errorf("a log line or an error holds %q", text)
		}
	}
}

// try lets fetch run and gives what it says.
func (w *world) try(f *fetcher, input string) (result, error) {
	w.t.Helper()
	return w.invoke(w.t.Context(), f, "", input)
}

func (w *world) invoke(ctx context.Context, f *fetcher, id, input string) (result, error) {
	w.days[w.clock.now().Format("2006/01/02")], w.found = true, nil
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // or a fault in a test would be waited for as an outage
	defer cancel()
	res, err := f.run(ctx, id, input, slog.New(slog.NewJSONHandler(w.log, nil)))
	if err != nil {
		w.said = append(w.said, err.Error())
	}
	return res, err
}

// run lets fetch run and expects it to succeed.
func (w *world) run() result {
	w.t.Helper()
	res, err := w.try(w.f, "")
	if err != nil {
		w.t.Fatalf("fetch: %v", err)
	}
	return res
}

// nextDay is 24 hours later.
func (w *world) nextDay() { w.clock.add(24 * time.Hour) }

// ago is a time before the end of the window that fetch reads now.
func (w *world) ago(d time.Duration) time.Time { return w.clock.now().Add(-schedule.Margin - d) }

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
			w.secret(text)
		}
		w.secret("7700900123", "7700 900456", "contoso.example")
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
	keys, err := w.store.Waiting(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

func (w *world) checkpoint() (c schedule.Checkpoint) {
	w.t.Helper()
	if _, err := w.store.GetJSON(context.Background(), archive.Checkpoints, checkpointName, &c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// clock stands still until it is set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lines are the log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// has says whether a line of that level holds the text.
func (l *lines) has(level slog.Level, text string) bool {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"level":"`+level.String()+`"`) && strings.Contains(line, text) {
			return true
		}
	}
	return false
}
