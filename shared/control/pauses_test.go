package control

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPauses: which command made a change is stored with the change, and with each later document. What a set-up does
// is noted, too; what a script does makes all unknown.
func TestPauses(t *testing.T) {
	o := newOffice(t)
	docs := o.store.Settings()
	at := func(hour int) time.Time { return morning.Add(time.Duration(hour) * time.Hour) }
	update := func(change func(*Connector)) {
		t.Helper()
		c, err := UpdateConnector(t.Context(), docs, func(c *Connector) error {
			change(c)
			return nil
		})
		now, lerr := LoadConnector(t.Context(), docs)
		if err != nil || lerr != nil || cmp.Diff(c, now) != "" {
			t.Fatalf("written %+v, read %+v, %v, %v", c, now, err, lerr)
		}
	}
	has := func(want Pauses) {
		t.Helper()
		c, err := LoadConnector(t.Context(), docs)
		if diff := cmp.Diff(want, c.Pauses); diff != "" || err != nil {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	}
	has(Pauses{Known: true})
	update(func(c *Connector) { c.SetPaused("fetch", true, "first", at(1)) })
	first := PauseChange{"fetch", true, "first", at(1)}
	has(Pauses{Known: true, Changes: []PauseChange{first}})
	update(func(c *Connector) { c.Settings = map[string]string{"MAX_ITEM_SIZE": "10MB"} })
	update(func(c *Connector) { c.Paused = map[string]bool{"fetch": true, "import": false} })
	has(Pauses{Known: true, Changes: []PauseChange{first, {App: "import"}}})

	o.write(`{"v":1,"n":3,"paused":{"fetch":false,"import":false}}`)
	has(Pauses{})
	update(func(c *Connector) { c.Paused = map[string]bool{"fetch": false, "import": true} })
	has(Pauses{})
	for i := range maxPauses + 2 {
		update(func(c *Connector) { c.SetPaused("import", i%2 == 0, Name(at(i), fmt.Sprintf("%032x", i)), at(i)) })
	}
	c, err := LoadConnector(t.Context(), docs)
	if err != nil || !c.Pauses.Known || len(c.Pauses.Changes) != maxPauses || !c.Pauses.Since.Equal(at(1)) {
		t.Errorf("%v since %v, %d changes, %v", c.Pauses.Known, c.Pauses.Since, len(c.Pauses.Changes), err)
	}
	if n := len(c.Pauses.encode()); n > 7<<10 {
		t.Errorf("%d bytes of metadata, and the service takes 8 KiB", n)
	}
	update(func(c *Connector) { c.Paused["import"] = true })
	if c, err = LoadConnector(t.Context(), docs); err != nil || len(c.Pauses.Changes) != maxPauses ||
		cmp.Diff(PauseChange{App: "import", Paused: true}, c.Pauses.Changes[maxPauses-1]) != "" {
		t.Errorf("after a change without a command: %+v, %v", c.Pauses, err)
	}
}

// TestPausesOf: a change and the next one of its app.
func TestPausesOf(t *testing.T) {
	p := Pauses{Known: true, Changes: []PauseChange{{App: "fetch", Paused: true, Command: "a"}, {App: "import",
		Paused: true, Command: "b"}, {App: "fetch"}}}
	for command, want := range map[string][2]*PauseChange{"a": {&p.Changes[0], &p.Changes[2]},
		"b": {&p.Changes[1], nil}, "c": {nil, nil}} {
		change, next := p.Of(command)
		if diff := cmp.Diff(want, [2]*PauseChange{change, next}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
}

// TestPausesAreNoMembers: the document has no member for the changes. An earlier version refuses one that it does not
// know, so its apps would not see the pause.
func TestPausesAreNoMembers(t *testing.T) {
	o := newOffice(t)
	if _, err := UpdateConnector(t.Context(), o.store.Settings(), func(c *Connector) error {
		c.SetPaused("fetch", true, Name(morning, "0123456789abcdef"), morning)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if _, err := o.store.Settings().Get(t.Context(), connectorBlob, &got); err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"v", "n", "paused"} {
		delete(got, known)
	}
	if len(got) > 0 {
		t.Errorf("further members: %v", got)
	}
}
