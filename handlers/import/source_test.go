package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/journal"
	"o2archiver/shared/record"
)

// ofSource returns a line of a batch that names its source.
func ofSource(t *testing.T, line raw, source string) raw {
	t.Helper()
	var e record.Entry
	if err := json.Unmarshal(line, &e); err != nil {
		t.Fatal(err)
	}
	e.Source = source
	out, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An entry with the name of the only source is the same message as one without: it has the same key. An entry of an
// unknown source is quarantined once, and the lines beside it are archived.
func TestEntriesNameTheirSource(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		unnamed := w.line(sms("m1", "of no source", otto, ali))
		if bytes.Contains(unnamed, []byte(`"source"`)) {
			t.Errorf("an entry of the only source names it: %s", unnamed)
		}
		reference, err := json.Marshal(record.Entry{
			Version: 1, Source: "eml", ID: "m3", RawBlob: mediaDay + "/" + strings.Repeat("0f", 32),
			RawHash: strings.Repeat("0f", 32),
		})
		if err != nil {
			t.Fatal(err)
		}
		// The copies of one batch are created in any order, so the message that is there already is of a batch of its
		// own.
		before := w.put(unnamed)
		batch := w.put(
			ofSource(t, unnamed, record.TeleMessage),
			ofSource(t, w.line(sms("m1", "the same id of another source", otto, ali)), "eml"),
			reference,
			ofSource(t, w.line(sms("m2", "of the named source", otto, jane)), record.TeleMessage),
		)
		a := w.start(set("IMPORT_CONCURRENCY", "1"))
		a.deliver(before)
		w.became(before, "archived: ali imported")
		for range 2 { // a second delivery finds the batch done
			a.deliver(batch)
			w.became(batch, "archived: ali duplicate", "quarantined", "quarantined", "archived: jane imported")
		}
		w.holds(ali, "m1")
		w.holds(jane, "m2")
		for _, name := range []string{before, batch} {
			if c := w.state(name).Copies(1)[0]; c.Key != record.Key("", "m1", ali.id()) {
				t.Errorf("%s: the copy has the key %s", name, c.Key)
			}
		}
		const reason = "field source: is not one that this version of the program knows"
		state := w.state(batch)
		for _, n := range []int{2, 3} {
			r, _ := state.Record(n)
			if !strings.Contains(r.Reason, reason) || r.Original == "" || r.Message == record.MessageKey("", "m1") {
				t.Errorf("line %d: reason %q, original %q, message %q", n, r.Reason, r.Original, r.Message)
			}
		}
		if res := a.swept(""); res != (sweeper.Result{}) {
			t.Errorf("a sweep touches what is quarantined: %+v", res)
		}
	})
}

// A line that an earlier version quarantined, because it did not know the source, is read again by a replay.
func TestReplayReadsWhatWasOfAnUnknownSource(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(ofSource(t, w.line(sms("m1", "of a source that is known by now", otto, ali)),
			record.TeleMessage))
		j, err := journal.Open(t.Context(), w.store.Logs(), batch, "an earlier version", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		j.Record(journal.Record{Line: 1, Records: 1, Outcome: journal.Quarantined, Reason: "of an unknown source"})
		if err := j.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		j.Close()
		w.became(batch, "quarantined")
		if res := w.start().swept(`{"replay":"` + batch + `"}`); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("replay %+v", res)
		}
		w.became(batch, "archived: ali imported")
		w.holds(ali, "m1")
	})
}
