package main

import (
	"encoding/json"
	"io"
	"testing"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/control"
)

// The built apps do what documents ask them for, without an address of theirs being called by anybody but the host's
// timers: fetch fetches the day and checks itself, import imports it and checks itself.
func TestCommandsOfTheBuiltApps(t *testing.T) {
	w, err := startWorld(t.Context(), options{host: "standin", texts: 40, storage: t.TempDir()}, nil,
		func(string) (string, bool) { return "", false }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	day, err := w.sampleDay()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(app, id, content string) (name string) {
		name = control.Name(time.Now(), id)
		if _, err := w.store.Commands().Put(t.Context(), app+"/"+name+".json", json.RawMessage(content), "",
			nil); err != nil {
			t.Fatal(err)
		}
		return name
	}
	answer := func(from *archive.Documents, name string) (a control.Answer) {
		if _, err := from.Get(t.Context(), "answers/"+name+".json", &a); err != nil {
			t.Fatalf("the answer to a command: %v", err)
		}
		return a
	}
	links := func(a control.Answer, unknown string) {
		if a.State != control.Done || len(a.Links) == 0 {
			t.Errorf("answer %+v", a)
		}
		for _, l := range a.Links {
			if l.State != control.LinkOK && l.Link != unknown {
				t.Errorf("link %+v", l)
			}
		}
	}
	run, check := ask("fetch", "00000001", `{"kind":"run"}`), ask("fetch", "00000002", `{"kind":"check"}`)
	if _, err := w.fetch.Run(t.Context(), "command", ""); err != nil {
		t.Fatal(err)
	}
	if a := answer(w.store.Status(), run); a.State != control.Done || a.Done == 0 || a.Done != a.Of {
		t.Errorf("answer %+v", a)
	}
	links(answer(w.store.Status(), check), "")

	mailbox, err := json.Marshal(map[string]string{"kind": "check", "mailbox": day.Users[0].Mail})
	if err != nil {
		t.Fatal(err)
	}
	name := ask("import", "00000003", string(mailbox))
	if _, err := w.imports.Run(t.Context(), "sweep", `{"after":"0s"}`); err != nil {
		t.Fatal(err)
	}
	links(answer(w.store.Reports(), name), "events") // this test delivers none
	if n := len(w.graph.Messages(day.Users[0].ID)); n == 0 {
		t.Error("nothing was imported")
	}
}
