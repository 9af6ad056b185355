// Package funchosttest holds what the tests of all function apps assert of them.
package funchosttest

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
)

// CheckStart fails t unless the first line that an app logs has the version and the commit of the program, whatever the
// settings are. run is the app's own, and is given an environment with nothing but a port that is none.
func CheckStart(t *testing.T, app string, run func(lookup func(string) (string, bool), stdout io.Writer) error) {
	t.Helper()
	var log bytes.Buffer
	lookup := func(name string) (string, bool) { return "0", name == "FUNCTIONS_CUSTOMHANDLER_PORT" }
	if err := run(lookup, &log); err == nil {
		t.Error("a port 0 is listened on")
	}
	first, _, _ := bytes.Cut(log.Bytes(), []byte("\n"))
	var line struct{ Level, App, Event, Version, Commit string }
	if err := json.Unmarshal(first, &line); err != nil {
		t.Fatalf("the first line is %q: %v", first, err)
	}
	if line.Level != "INFO" || line.App != app || line.Event != app+".started" ||
		line.Version != "development" || line.Commit != "unknown" {
		t.Errorf("the first line is %s", first)
	}
}
