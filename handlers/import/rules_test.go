package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
)

// document replaces settings/connector.json, and waits until the apps have noticed.
func (w *world) document(text string) {
	w.t.Helper()
	if _, err := w.store.Settings().Put(w.t.Context(), "connector.json", json.RawMessage(text), "*", nil); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

// The administrator's rules are those of the document at each batch, before those of the environment, and the app is
// the same. A document that can't be used changes nothing, and is reported once.
func TestRulesOfTheDocument(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(set("ACCEPTED_DOMAINS", "fabrikam.example"))
		w.csv("External User ID,Microsoft 365 User Mailbox,Valid From,Valid To", "447700900123,kim@contoso.example,,")
		n := 0
		batch := func(want string) {
			t.Helper()
			n++
			it := sms("m"+string(rune('a'+n)), "by which rules?", jane, ali)
			name := w.put(w.line(w.file(it, "a.bin", noise(5000, 1))))
			a.deliver(name)
			w.became(name, want)
		}
		batch("archived: kim imported")
		w.document(`{"v":1,"settings":{"ACCEPTED_DOMAINS":"contoso.example","MAX_ITEM_SIZE":"4kB"}}`)
		batch("archived: ali oversize, kim oversize")
		w.document(`{"v":1,"settings":{"ACCEPTED_DOMAINS":"","CUSTOM_MAPPING":"false"}}`)
		batch("archived: ali imported, jane imported")
		const secret = "hunter2-of-jane"
		w.secret(secret)
		for _, bad := range []string{`{"v":1,"settings":{"CUSTOM_MAPPING":"` + secret + `"}}`,
			`{"v":1,"settings":{"GRAPH_URL":"https://` + secret + `.example"}}`, `"` + secret + `"`} {
			w.document(bad)
			batch("archived: ali imported, jane imported")
			time.Sleep(time.Minute)
			batch("archived: ali imported, jane imported")
		}
		if told := w.log.Count(`"level":"ERROR"`, `"event":"import.connectorRefused"`); told != 3 {
			t.Errorf("reported %d times, want once for each document", told)
		}
		w.document(`{"v":1,"settings":{"AUTOMATIC_MAPPING":"false"}}`)
		batch("archived: kim imported")
		w.document(`{}`)
		batch("archived: kim imported")
	})
}

// Nothing is imported before a set-up is finished; then sweep finds what waits. A process that has read no document yet
// does nothing by one that it can't use.
func TestNothingRunsBeforeFinish(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		const terms = `{"v":1,"unfinished":true,"terms":{"version":"1","by":"x","at":"2026-11-23T09:00:00Z"},` +
			`"paused":{"import":false}`
		w.document(terms + `}`)
		batch := w.put(w.texts("m", 2)...)
		if res := a.deliver(batch); !res.Paused {
			t.Errorf("the event: %+v", res)
		}
		if res := a.swept(""); res != (sweeper.Result{}) {
			t.Errorf("sweep: %+v", res)
		}
		w.holds(ali)
		w.document(`{"v":1,"terms":3}`)
		if got := w.start().event(t.Context(), batch); got.status != http.StatusInternalServerError ||
			strings.Contains(got.value, "terms\":3") {
			t.Errorf("a new process: status %d, %s", got.status, got.value)
		}
		w.holds(ali)
		w.document(terms + `,"finished":{"by":"x","at":"2026-11-23T09:10:00Z"}}`)
		a.swept("")
		w.balanced(batch)
		w.holds(ali, "m000", "m001")
	})
}
