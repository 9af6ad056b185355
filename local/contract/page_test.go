package contract

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

var example = regexp.MustCompile("(?s)```json\n(.*?)```")

// documented are the items of the page's examples.
func documented(t *testing.T) (raws []json.RawMessage) {
	t.Helper()
	page, err := os.ReadFile("../../docs/source-contract.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range example.FindAllStringSubmatch(string(page), -1) {
		raws = append(raws, json.RawMessage(m[1]))
	}
	return raws
}

// The examples of the page are what the server serves, item by item.
func TestPageIsWhatTheServerServes(t *testing.T) {
	data, err := os.ReadFile("items.json")
	if err != nil {
		t.Fatal(err)
	}
	var served []json.RawMessage
	if err := json.Unmarshal(data, &served); err != nil {
		t.Fatal(err)
	}
	values := func(raws []json.RawMessage) (all []any) {
		for i, raw := range raws {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatalf("item %d: %v", i, err)
			}
			all = append(all, v)
		}
		return all
	}
	if diff := cmp.Diff(values(documented(t)), values(served)); diff != "" {
		t.Errorf("(-docs/source-contract.md +items.json):\n%s", diff)
	}
}

// Every example of the page is read whole: no field is left out, none that is expected is missing; and together they
// have every member that the page names.
func TestExamplesAreReadWhole(t *testing.T) {
	raws := documented(t)
	kinds, members := map[record.Kind]int{}, map[string]bool{}
	for i, raw := range raws {
		r, err := telemessage.Parse(record.Entry{Version: 1, Items: []record.Item{{Raw: raw}}})
		if err != nil {
			t.Errorf("example %d: %v", i, err)
			continue
		}
		kinds[r.Kind]++
		if len(r.LeftOut)+len(r.Missing()) > 0 {
			t.Errorf("example %d: left out %v, missing %v", i, r.LeftOut, r.Missing())
		}
		collect(members, raw)
	}
	for _, kind := range []record.Kind{record.SMS, record.MMS, record.CallLog, record.CallAudio, record.System} {
		if kinds[kind] == 0 {
			t.Errorf("no example of %s", kind)
		}
	}
	page, err := os.ReadFile("../../docs/source-contract.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(page), "\n## Items\n")
	tables, _, _ = strings.Cut(tables, "\n## Examples\n")
	var named []string
	for line := range strings.Lines(tables) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.Contains(cells[1], ":") { // a heading, as "file: attachment[]"
			continue
		}
		for _, m := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(cells[1], -1) {
			if m[1] != "callInfo" || strings.Contains(line, "object") {
				named = append(named, m[1])
			}
		}
	}
	if len(named) < 30 {
		t.Fatalf("only %d members are named: %v", len(named), named)
	}
	for _, name := range named {
		if !members[name] {
			t.Errorf("no example has the member %s", name)
		}
	}
	for _, name := range named {
		delete(members, name)
	}
	delete(members, "firstName") // in the row of fullName
	delete(members, "lastName")
	if len(members) > 0 {
		t.Errorf("the page's tables do not name %v", slices.Sorted(maps.Keys(members)))
	}
}

// collect notes the names of all members in a JSON value.
func collect(names map[string]bool, raw json.RawMessage) {
	var object map[string]json.RawMessage
	var array []json.RawMessage
	switch {
	case json.Unmarshal(raw, &object) == nil:
		for name, v := range object {
			names[name] = true
			collect(names, v)
		}
	case json.Unmarshal(raw, &array) == nil:
		for _, v := range array {
			collect(names, v)
		}
	}
}
