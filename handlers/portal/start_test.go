package main

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestStartStatesTheSources: the first line of a start has the version and the commit of the program, whatever the
// settings are.
func TestStartStatesTheSources(t *testing.T) {
	var log bytes.Buffer
	lookup := func(name string) (string, bool) { return "0", name == "FUNCTIONS_CUSTOMHANDLER_PORT" } // it is no port
	if err := run(t.Context(), nil, lookup, &log); err == nil {
		t.Error("a port 0 is listened on")
	}
	first, _, _ := bytes.Cut(log.Bytes(), []byte("\n"))
	var line struct{ Level, App, Event, Version, Commit string }
	if err := json.Unmarshal(first, &line); err != nil {
		t.Fatalf("the first line is %q: %v", first, err)
	}
	if line.Level != "INFO" || line.App != "portal" || line.Event != "portal.started" ||
		line.Version != "development" || line.Commit != "unknown" {
		t.Errorf("the first line is %s", first)
	}
}
