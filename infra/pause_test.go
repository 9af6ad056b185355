package infra

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pause and start change what they are told to, and nothing else.
func TestPauseAndStart(t *testing.T) {
	const missing = "-"
	// What a person's name can hold looks like the pause, and is none.
	const portals = `{"v":1,"n":3,"terms":{"version":"2026-11","by":"4d0a",` +
		`"name":"\"paused\":{\"import\":true} {ä}  b","at":"2026-11-23T09:00:00Z"},"settings":{"MAX_ITEM_SIZE":"10 MB"}`
	tests := []struct {
		name, before string
		args         []string
		after        string // "": as before, and the script fails
	}{
		{"the first", missing, []string{"pause", "import"}, `{"v":1,"paused":{"import":true}}`},
		{"the first, both", missing, []string{"start"}, `{"v":1,"paused":{"fetch":false,"import":false}}`},
		{"the other stays", `{"v":1,"paused":{"import":true}}`, []string{"pause", "fetch"},
			`{"v":1,"paused":{"fetch":true,"import":true}}`},
		{"start one", `{"v":1,"paused":{"fetch":true,"import":true}}`, []string{"start", "import"},
			`{"v":1,"paused":{"fetch":true,"import":false}}`},
		{"blanks and order", "{ \"paused\":\r\n{\"import\": true , \"fetch\":false}, \"v\":1 }\n",
			[]string{"pause", "fetch"}, `{ "paused":{"fetch":true,"import":true}, "v":1 }`},
		{"no flag", `{"v":1,"paused":{}}`, []string{"pause", "fetch"}, `{"v":1,"paused":{"fetch":true}}`},
		{"nothing", `{}`, []string{"pause", "fetch"}, `{"paused":{"fetch":true}}`},
		{"only the version", `{"v":1}`, []string{"start", "fetch"}, `{"v":1,"paused":{"fetch":false}}`},
		{"as it is", `{"v":1,"paused":{"fetch":false,"import":true}}`, []string{"pause", "import"},
			`{"v":1,"paused":{"fetch":false,"import":true}}`},
		{"the portal's", portals + `,"paused":{"fetch":false,"import":true}}`, []string{"start"},
			portals + `,"paused":{"fetch":false,"import":false}}`},
		{"the portal's, without a pause", portals + `}`, []string{"pause", "import"},
			portals + `,"paused":{"import":true}}`},

		{"a later version", `{"v":2,"paused":{"import":true}}`, []string{"start"}, ""},
		{"version 10", `{"v":10,"paused":{"import":true}}`, []string{"start"}, ""},
		{"a third app", `{"v":1,"paused":{"import":true,"portal":true}}`, []string{"start"}, ""},
		{"said twice", `{"v":1,"paused":{"import":true,"import":false}}`, []string{"start"}, ""},
		{"two pauses", `{"v":1,"paused":{"import":true},"paused":{"import":false}}`, []string{"start"}, ""},
		{"a wrong type", `{"v":1,"paused":"import"}`, []string{"start"}, ""},
		{"cut short", `{"v":1,"paused":{"import":tr`, []string{"start"}, ""},
		{"cut short behind it", portals + `,"paused":{"import":true},"n":`, []string{"start"}, ""},
		{"empty", ``, []string{"start"}, ""},
		{"large", `{"v":1,` + strings.Repeat(" ", 100_000) + `"x":1}`, []string{"start"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			file := filepath.Join(d.store, "settings", "connector.json")
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if tt.before != missing {
				if err := os.WriteFile(file, []byte(tt.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := d.run(nil, "command", tt.args...)
			after := strings.TrimSpace(read(t, file))
			if tt.after == "" {
				r.bad(t, "was left alone")
				if read(t, file) != tt.before || len(r.with("storage blob upload")) != 0 {
					t.Errorf("changed into %q", after)
				}
				return
			}
			r.good(t)
			if after != tt.after || !json.Valid([]byte(after)) {
				t.Errorf("connector.json is %s, want %s", after, tt.after)
			}
			word := map[string]string{"pause": "paused", "start": "started"}[tt.args[0]]
			for _, app := range []string{"fetch", "import"} {
				if want := len(tt.args) == 1 || tt.args[1] == app; strings.Contains(r.out, app+": "+word) != want {
					t.Errorf("it says\n%s", r.out)
				}
			}
			for _, c := range r.with("storage blob upload") {
				line := strings.Join(c.Args, " ")
				if strings.Contains(line, `--overwrite --if-match "0x`) == strings.Contains(line, "--if-none-match *") {
					t.Errorf("without a condition: %s", line)
				}
			}
		})
	}
}

// What another person changes meanwhile is kept, and an upload whose answer was lost is no failure.
func TestPauseWhileAnotherChanges(t *testing.T) {
	for _, before := range []string{"", `{"v":1,"paused":{"fetch":false}}`} {
		for race, want := range map[string]string{
			`{"v":1,"paused":{"fetch":true}}`:  `{"v":1,"paused":{"fetch":true,"import":true}}`,
			`{"v":1,"paused":{"import":true}}`: `{"v":1,"paused":{"import":true}}`,
			`{"v":1,"paused":{},"settings":{"MAX_ITEM_SIZE":"9 MB"}}`: `{"v":1,"paused":{"import":true},` +
				`"settings":{"MAX_ITEM_SIZE":"9 MB"}}`,
			`{"v":2,"paused":{}}`: "",
		} {
			d := newDesk(t)
			file := fakeFile{filepath.Join(d.store, "settings", "connector.json")}
			if before != "" {
				if err := file.write(before); err != nil {
					t.Fatal(err)
				}
			}
			r := d.run([]string{"FAKE_RACE=" + race}, "command", "pause", "import")
			if want == "" {
				r.bad(t, "was left alone")
				want = race
			} else {
				r.good(t)
			}
			if got := strings.TrimSpace(read(t, file.file)); got != want {
				t.Errorf("connector.json is %s, want %s", got, want)
			}
		}
	}
	d := newDesk(t)
	d.run([]string{"FAKE_LOST=1"}, "command", "pause").good(t)
	if got := read(t, filepath.Join(d.store, "settings", "connector.json")); got !=
		`{"v":1,"paused":{"fetch":true,"import":true}}`+"\n" {
		t.Errorf("connector.json is %s", got)
	}
}
