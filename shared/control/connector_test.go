package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
)

// full is a document with every member.
const full = `{"v":1,"n":3,"terms":{"version":"2026-11","by":"4d0a","name":"ann@contoso.com",` +
	`"at":"2026-11-23T09:00:00Z"},"finished":{"by":"4d0a","name":"ann@contoso.com","at":"2026-11-23T09:30:00Z"},` +
	`"paused":{"fetch":false,"import":true},"settings":{"ACCEPTED_DOMAINS":"contoso.com","MAX_ITEM_SIZE":"10 MB"}}`

func fullConnector() Connector {
	return Connector{Version: 1, N: 3,
		Terms: &Terms{Version: "2026-11", Person: Person{By: "4d0a", Name: "ann@contoso.com",
			At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}},
		Finished: &Person{By: "4d0a", Name: "ann@contoso.com", At: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)},
		Paused:   map[string]bool{"fetch": false, "import": true},
		Settings: map[string]string{"ACCEPTED_DOMAINS": "contoso.com", "MAX_ITEM_SIZE": "10 MB"}}
}

func TestParseConnector(t *testing.T) {
	const hidden = "d4s-ist-geheim"
	many := `{"v":1,"settings":{` + strings.Repeat(`"`+hidden+`":"`+hidden+`",`, 500) + `"X":"y"}}`
	tests := []struct {
		name, text string
		want       Connector
		refused    string // a part of the reason
	}{
		{"everything", full, fullConnector(), ""},
		{"the pause alone", `{"v":1,"paused":{"fetch":true}}`,
			Connector{Version: 1, Paused: map[string]bool{"fetch": true}}, ""},
		{"nothing", ` {} `, Connector{}, ""},

		{"a later version", `{"v":2}`, Connector{}, "later version"},
		{"a text", `"` + hidden + `"`, Connector{}, "not JSON like"},
		{"null", `null`, Connector{}, "not JSON like"},
		{"a list", `[{"v":1}]`, Connector{}, "not JSON like"},
		{"two", full + full, Connector{}, "not JSON like"},
		{"cut short", full[:len(full)-5], Connector{}, "not JSON like"},
		{"an unknown member", `{"v":1,"` + hidden + `":1}`, Connector{}, "not JSON like"},
		{"a number for a setting", `{"v":1,"settings":{"MAX_ITEM_SIZE":1234567890}}`, Connector{}, "not JSON like"},
		{"null for the settings", `{"v":1,"settings":null}`, Connector{Version: 1}, ""},
		{"a list of settings", `{"v":1,"settings":["` + hidden + `"]}`, Connector{}, "not JSON like"},
		{"a pause of another app", `{"v":1,"paused":{"` + hidden + `":true}}`, Connector{}, "paused has others"},
		{"terms without a person", `{"v":1,"terms":{"version":"1"}}`, Connector{}, "terms does not have"},
		{"terms of an early form", `{"v":1,"terms":{"version":3}}`, Connector{}, "not JSON like"},
		{"finished by no person", `{"v":1,"finished":{"at":"2026-11-23T09:00:00Z"}}`, Connector{}, "finished does not"},
		{"a long name", `{"v":1,"finished":{"by":"` + strings.Repeat(hidden, 50) + `","at":"2026-11-23T09:00:00Z"}}`,
			Connector{}, "finished does not"},
		{"a negative number", `{"v":1,"n":-1}`, Connector{}, "n is negative"},
		{"a bad value", `{"v":1,"settings":{"MAX_ITEM_SIZE":"` + hidden + `"}}`, Connector{},
			"MAX_ITEM_SIZE can't be read"},
		{"an address of a service", `{"v":1,"settings":{"TELEMESSAGE_URL":"https://` + hidden + `.example"}}`,
			Connector{}, "1 of the names"},
		{"a secret", `{"v":1,"settings":{"TELEMESSAGE_PASSWORD":"` + hidden + `"}}`, Connector{}, "1 of the names"},
		{"many names", many, Connector{}, "of the names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseConnector([]byte(tt.text))
			if (err != nil) != (tt.refused != "") || err != nil && (!errors.Is(err, ErrConnector) ||
				!strings.Contains(err.Error(), tt.refused)) {
				t.Fatalf("error %v, want %q", err, tt.refused)
			}
			if err != nil && (strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), "1234567890")) {
				t.Errorf("a value is repeated: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

// What comes from outside is read or refused, and what is read is written in a form that is read as the same.
func FuzzParseConnector(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"v":1,"unfinished":true,"paused":{"import":true}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConnector(text)
		if err != nil {
			return
		}
		c.Version = 1
		written, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseConnector(written)
		if diff := cmp.Diff(jsonOf(t, c), jsonOf(t, again)); err != nil || diff != "" {
			t.Errorf("written and read: %v\n%s", err, diff)
		}
	})
}

func jsonOf(t *testing.T, c Connector) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A document that can't be used is reported once, and changes nothing; a first one of that kind stops the app.
func TestFormerConnectorStays(t *testing.T) {
	o := newOffice(t)
	var told []string
	r := o.reader(func(err error) { told = append(told, err.Error()) })
	o.write(`{"v":1,"settings":{"MAX_ITEM_SIZE":"large"}}`)
	if _, err := r.Current(t.Context()); !errors.Is(err, funchost.ErrSettings) || !errors.Is(err, ErrConnector) {
		t.Fatalf("a first document that is none: %v", err)
	}
	o.write(full)
	for i, step := range []struct {
		write string
		told  int
		n     int
	}{
		{"", 0, 3}, {`{"v":2}`, 1, 3}, {"", 1, 3}, {`"text"`, 2, 3}, {`{"v":1,"n":9}`, 2, 9}, {`{"v":2}`, 3, 9},
		{`{"v":1,"settings":{"X":"` + strings.Repeat("x", 70<<10) + `"}}`, 4, 9},
	} {
		o.now = o.now.Add(time.Minute)
		if step.write != "" {
			o.write(step.write)
		}
		c, err := r.Current(t.Context())
		if err != nil || c.N != step.n || len(told) != step.told {
			t.Errorf("step %d: number %d, %v, told %q", i, c.N, err, told)
		}
	}
}

func TestUpdateConnector(t *testing.T) {
	o := newOffice(t)
	docs := o.store.Settings()
	size := func(v string) func(*Connector) error {
		return func(c *Connector) error {
			c.Settings = map[string]string{"MAX_ITEM_SIZE": v}
			return nil
		}
	}
	update := func(change func(*Connector) error, n int) {
		t.Helper()
		c, err := UpdateConnector(t.Context(), docs, change)
		if err != nil || c.N != n {
			t.Fatalf("number %d, %v; want number %d", c.N, err, n)
		}
		if now, err := LoadConnector(t.Context(), docs); err != nil || cmp.Diff(c, now) != "" {
			t.Errorf("written %+v, read %+v, %v", c, now, err)
		}
	}
	update(size("10MB"), 1)
	update(size("20MB"), 2)
	o.write(`{"v":1,"n":2,"paused":{"import":true},"settings":{"MAX_ITEM_SIZE":"20MB"}}`) // a script pauses
	update(size("30MB"), 3)
	o.write(`{"v":1,"n":2,"settings":{"MAX_ITEM_SIZE":"40MB"}}`) // an administrator goes back by hand
	update(size("50MB"), 4)

	stopped := errors.New("another person was faster")
	stop := func(*Connector) error { return stopped }
	if _, err := UpdateConnector(t.Context(), docs, stop); !errors.Is(err, stopped) {
		t.Errorf("error %v", err)
	}
	if _, err := UpdateConnector(t.Context(), docs, size("large")); !errors.Is(err, ErrConnector) {
		t.Errorf("error %v", err)
	}
	want := []string{`1 {"MAX_ITEM_SIZE":"10MB"}`, `2 {"MAX_ITEM_SIZE":"20MB"}`, `3 {"MAX_ITEM_SIZE":"40MB"}`}
	if diff := cmp.Diff(want, o.history()); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	o.write(`{"v":1,"paused":"all"}`)
	if _, err := UpdateConnector(t.Context(), docs, size("10MB")); !errors.Is(err, ErrConnector) {
		t.Errorf("a document that is none is changed: %v", err)
	}
}

// history returns the settings of the former documents, by their numbers.
func (o *office) history() (all []string) {
	o.t.Helper()
	found, _, err := o.store.Settings().List(o.t.Context(), historyFolder, 100)
	if err != nil {
		o.t.Fatal(err)
	}
	for n, d := range found {
		var c Connector
		if _, err := o.store.Settings().Get(o.t.Context(), d.Name, &c); err != nil || d.Name != HistoryName(n+1) {
			o.t.Fatalf("%s: %v", d.Name, err)
		}
		text, _ := json.Marshal(c.Settings)
		all = append(all, fmt.Sprintf("%d %s", n+1, text))
	}
	return all
}

// Of two writers at the same time, none overwrites the other's change.
func TestUpdateConnectorAgainstAnother(t *testing.T) {
	o := newOffice(t)
	docs := o.store.Settings()
	pause := func(app string) func(*Connector) error {
		return func(c *Connector) error {
			if c.Paused == nil {
				c.Paused = map[string]bool{}
			}
			c.Paused[app] = true
			return nil
		}
	}
	other := true
	_, err := UpdateConnector(t.Context(), docs, func(c *Connector) error {
		if other {
			other = false
			if _, err := UpdateConnector(t.Context(), docs, pause("fetch")); err != nil {
				t.Error(err)
			}
		}
		return pause("import")(c)
	})
	c, lerr := LoadConnector(t.Context(), docs)
	if err != nil || lerr != nil || c.N != 2 || !c.Paused["fetch"] || !c.Paused["import"] {
		t.Errorf("%+v, %v, %v", c, err, lerr)
	}
}

// A writer dies after its n-th write, for every n: the document is the former one or the new one, and the next update
// keeps each former document once.
func TestUpdateConnectorKilledAtEveryWrite(t *testing.T) {
	for n, more := 0, true; more; n++ {
		storage := archivetest.ForTest(t, nil)
		o := &office{t: t, store: open(t, storage, storage), now: morning}
		if err := o.store.CreateContainers(t.Context()); err != nil {
			t.Fatal(err)
		}
		change := func(v string) func(*Connector) error {
			return func(c *Connector) error {
				c.Settings = map[string]string{"MAX_ITEM_SIZE": v}
				return nil
			}
		}
		if _, err := UpdateConnector(t.Context(), o.store.Settings(), change("10MB")); err != nil {
			t.Fatal(err)
		}
		ctx, kill := context.WithCancel(t.Context())
		death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
		_, _ = UpdateConnector(ctx, open(t, storage, storage.Through(death.Rule)).Settings(), change("20MB"))
		kill()
		more = death.Dead()
		before, err := LoadConnector(t.Context(), o.store.Settings())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := UpdateConnector(t.Context(), o.store.Settings(), change("30MB")); err != nil {
			t.Fatal(err)
		}
		want := []string{`1 {"MAX_ITEM_SIZE":"10MB"}`}
		if size := before.Settings["MAX_ITEM_SIZE"]; size == "20MB" {
			want = append(want, `2 {"MAX_ITEM_SIZE":"20MB"}`)
		} else if size != "10MB" {
			t.Errorf("after %d writes: %+v", n, before)
		}
		if got := o.history(); !slices.Equal(got, want) {
			t.Errorf("after %d writes the history is %v, want %v", n, got, want)
		}
	}
}
