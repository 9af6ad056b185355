package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// exported writes the batches that fetch makes of three ZIPs of another archive, with the attachments that they name.
// Fetch's own tests compare them with these files.
func (w *world) exported() []string {
	w.t.Helper()
	const folder = "../fetch/internal/deliveries/testdata/imports"
	files, err := os.ReadDir(folder)
	if err != nil || len(files) < 5 {
		w.t.Fatalf("%d files, %v", len(files), err)
	}
	name := regexp.MustCompile(`^(\d{4})_(\d\d)_(\d\d)_(import-[0-9a-f]{12})_00001`)
	var batches []string
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			w.t.Fatal(err)
		}
		parts := name.FindStringSubmatch(f.Name())
		if parts == nil {
			_, _, err := w.store.Media().Put(w.t.Context(), "2026/11/28", f.Name(), bytes.NewReader(content))
			if err != nil {
				w.t.Fatal(err)
			}
			continue
		}
		var lines []raw
		for line := range bytes.Lines(content) {
			lines = append(lines, raw(bytes.TrimSuffix(line, []byte("\n"))))
		}
		batches = append(batches, w.putIn(strings.Join(parts[1:], "/"), 1, lines...))
	}
	return batches
}

// Messages of another archive find mailboxes by the addresses in From and To, and by the number of the header field
// that the settings name. A conversation is one message. What is in several ZIPs is imported once.
func TestThreeZIPsOfAnotherArchive(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.csv("07700 900789,kim@contoso.example", "07700 900123,jane@contoso.example")
		w.secret("Has the parcel come?")
		batches := w.exported()
		app := w.start()
		for _, batch := range batches {
			app.deliver(batch)
		}
		w.became(batches[0], "archived: ali imported, jane imported", "archived: ali imported, jane imported")
		w.became(batches[1], "archived: ali duplicate, jane duplicate", "quarantined")
		w.became(batches[2], "archived: ali duplicate, jane duplicate",
			"archived: ali imported, jane imported, kim imported", "quarantined")
		for _, batch := range batches { // a second delivery of each event
			app.deliver(batch)
		}
		first, again := []byte("a,b,Has the parcel come?"), []byte("a,b,Has the parcel come? Again.")
		r, _ := w.state(batches[0]).Record(2)
		derived := "sha256:" + r.Original
		for _, p := range []person{jane, ali} {
			w.holds(p, with("c1@contoso.example", first), with(derived, first), with("c3@contoso.example", again))
		}
		w.holds(kim, with("c3@contoso.example", again))
		for _, m := range w.graph.Messages(kim.id()) {
			if m.Subject != "SMS from jane@contoso.example to jane@contoso.example and ali@contoso.example: "+
				"Text message, 2 Users, 2 Messages, 1 Minute" {
				t.Errorf("subject %q", m.Subject)
			}
			if !strings.HasPrefix(m.Text, "17:59:10 447700900123: Has the parcel come? Again.") ||
				!strings.Contains(m.Text, "Owner of the archived phone: +447700900789") ||
				!strings.Contains(m.Text, "Network: Contoso Mobile") {
				t.Errorf("text %q", m.Text)
			}
		}
		w.checkSecrets()
	})
}
