package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"o2archiver/local/cloud"
)

var (
	queryComment = regexp.MustCompile(`(?m)^\s*//.*$`)
	querySource  = regexp.MustCompile(`\bmsg (?:==|in) (\([^)]*\)|'[^']*'|"[^"]*")|\bimported\b(?: *\n? *\||,|$)|\(imported\b`)
	queryLiteral = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
	queryPath    = regexp.MustCompile(`\bline((?:\.[a-z_]+|\['[a-z_]+'\])+)`)
	queryPart    = regexp.MustCompile(`[a-z_]+`)
)

// asked is what the queries of infra/queries want to find in lines: message → path, e.g. "batch imported" → records.archived. Of
// several messages in one condition each path is in one of them at least; these come with their text as the key.
func asked(t *testing.T) map[string]map[string]bool {
	t.Helper()
	root, err := cloud.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "infra", "queries", "*.kql"))
	if err != nil || len(files) < 10 {
		t.Fatalf("queries: %v, %v", files, err)
	}
	all := map[string]map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == "lines.kql" {
			continue
		}
		text := queryComment.ReplaceAllString(string(raw), "")
		// A path belongs to the message that was asked for last before it.
		sources := querySource.FindAllStringSubmatchIndex(text, -1)
		for i, at := range sources {
			message := "batch imported" // imported of lines.kql
			if at[2] >= 0 {
				var several []string
				for _, l := range queryLiteral.FindAllStringSubmatch(text[at[2]:at[3]], -1) {
					several = append(several, l[1]+l[2])
				}
				message = strings.Join(several, "\n")
			}
			end := len(text)
			if i+1 < len(sources) {
				end = sources[i+1][0]
			}
			if all[message] == nil {
				all[message] = map[string]bool{}
			}
			for _, p := range queryPath.FindAllStringSubmatch(text[at[1]:end], -1) {
				all[message][strings.Join(queryPart.FindAllString(p[1], -1), ".")] = true
			}
		}
	}
	return all
}

// checkQueries holds the lines that the handlers really wrote against the queries of the alerts and the workbook: every path is there, and every
// line says whose it is. traced: the host sends a traceparent, as it does in Azure; on one machine the real one sends none.
func (a *archive) checkQueries(traced bool) {
	a.t.Helper()
	raw, err := os.ReadFile(filepath.Join(a.dir, "local.log"))
	if err != nil {
		a.t.Fatal(err)
	}
	var (
		trace = regexp.MustCompile(`^[0-9a-f]{32}$`)
		want  = asked(a.t)
		seen  = map[string]bool{}
		// Lines that don't say whose they are.
		unnamed = map[string]int{}
	)
	for text := range strings.Lines(string(raw)) {
		_, text, ok := strings.Cut(text, `{"time":`)
		var line map[string]any
		if !ok || json.NewDecoder(strings.NewReader(`{"time":`+text)).Decode(&line) != nil || line["app"] == nil || line["function"] == nil {
			continue // the host's own, or of a handler that starts
		}
		message, _ := line["msg"].(string)
		first := !seen[message]
		seen[message] = true
		id, _ := line["trace"].(string)
		if invocation, _ := line["invocation"].(string); invocation == "" || traced && !trace.MatchString(id) {
			unnamed[message]++
		}
		owner := map[string][]string{"slice fetched": {"run"}, "batch imported": {"run", "batch"}, "batch not finished; a later try goes on": {"run", "batch"}, "run finished": {"run"}}
		for _, name := range owner[message] {
			if value, _ := line[name].(string); value == "" {
				unnamed[message+": "+name]++
			}
		}
		for path := range want[message] {
			if first && !has(line, path) {
				a.t.Errorf("a query asks %q for %s, which is not there: %s", message, path, text)
			}
		}
	}
	if len(unnamed) > 0 {
		a.t.Errorf("lines that lack invocation, trace, run or batch: %v", unnamed)
	}
	for _, message := range []string{"there is no checkpoint: fetching begins anew", "slice fetched", "fetch ended", "batch imported"} { // sweep may have had nothing to do
		if !seen[message] || want[message] == nil {
			a.t.Errorf("%q: in the log %t, asked for %t", message, seen[message], want[message] != nil)
		}
	}
	if n := len(want["batch imported"]); n < 8 {
		a.t.Errorf("only %d paths of a batch's line were found in the queries: %v", n, want["batch imported"])
	}
}

// has says whether a line has something at a path.
func has(line map[string]any, path string) bool {
	var v any = line
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return false
		}
		if v, ok = m[part]; !ok {
			return false
		}
	}
	return true
}
