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
	querySource  = regexp.MustCompile(
		`\bevent (==|in|!in) (\([^)]*\)|'[^']*'|"[^"]*")|\bimported\b(?: *\n? *\||,|$)|\(imported\b`)
	queryLiteral = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
	queryPath    = regexp.MustCompile(`\bline((?:\.[a-zA-Z_]+|\['[a-zA-Z_]+'\])+)`)
	queryPart    = regexp.MustCompile(`[a-zA-Z_]+`)
)

// asked is what the queries of infra/queries want to find in lines: event → path, e.g. import.batchImported →
// records.archived. Of several events in one condition each path is in one of them at least; these come with all their
// names as the key, and what is asked of any line with "".
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
		// A path belongs to the event that was asked for last before it.
		sources := querySource.FindAllStringSubmatchIndex(text, -1)
		for i, at := range sources {
			event := "import.batchImported" // imported of lines.kql
			if at[2] >= 0 {
				event = ""
			}
			if at[2] >= 0 && text[at[2]:at[3]] != "!in" {
				var several []string
				for _, l := range queryLiteral.FindAllStringSubmatch(text[at[4]:at[5]], -1) {
					several = append(several, l[1]+l[2])
				}
				event = strings.Join(several, "\n")
			}
			end := len(text)
			if i+1 < len(sources) {
				end = sources[i+1][0]
			}
			if all[event] == nil {
				all[event] = map[string]bool{}
			}
			for _, p := range queryPath.FindAllStringSubmatch(text[at[1]:end], -1) {
				all[event][strings.Join(queryPart.FindAllString(p[1], -1), ".")] = true
			}
		}
	}
	return all
}

// checkQueries holds the lines that the handlers really wrote against the queries of the alerts and the workbook: every
// path is there, and every line says whose it is. traced: the host sends a traceparent, as it does in Azure; on one
// machine the real one sends none.
func (a *localArchive) checkQueries(traced bool) {
	a.t.Helper()
	raw := a.logs()
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
		if !ok || json.NewDecoder(strings.NewReader(`{"time":`+text)).Decode(&line) != nil || line["app"] == nil ||
			line["function"] == nil {
			continue // the host's own, or of a handler that starts
		}
		message, _ := line["msg"].(string)
		event, _ := line["event"].(string)
		first := !seen[event]
		seen[event] = true
		id, _ := line["trace"].(string)
		if invocation, _ := line["invocation"].(string); invocation == "" || traced && !trace.MatchString(id) {
			unnamed[message]++
		}
		if level, _ := line["level"].(string); event == "" && level == "ERROR" {
			unnamed[message+": event"]++
		}
		owner := map[string][]string{"fetch.windowFetched": {"run"}, "fetch.windowFailed": {"run"},
			"import.batchImported":   {"run", "batch"},
			"import.batchUnfinished": {"run", "batch"}, "import.runFinished": {"run"}}
		for _, name := range owner[event] {
			if value, _ := line[name].(string); value == "" {
				unnamed[message+": "+name]++
			}
		}
		for path := range want[event] {
			if first && event != "" && !has(line, path) {
				a.t.Errorf("a query asks %s for %s, which is not there: %s", event, path, text)
			}
		}
	}
	if len(unnamed) > 0 {
		a.t.Errorf("lines that lack invocation, trace, run, batch or event: %v", unnamed)
	}
	// sweep may have had nothing to do
	for _, event := range []string{"fetch.beganAnew", "fetch.windowFetched", "fetch.ended", "import.batchImported"} {
		if !seen[event] || want[event] == nil {
			a.t.Errorf("%s: in the log %t, asked for %t", event, seen[event], want[event] != nil)
		}
	}
	if n := len(want["import.batchImported"]); n < 8 {
		a.t.Errorf("only %d paths of a batch's line were found in the queries: %v", n, want["import.batchImported"])
	}
}

// has reports whether a line has something at a path.
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
