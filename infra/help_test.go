package infra

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// noNames takes the names of the resources out of the environment.
var noNames = []string{"AZURE_SUBSCRIPTION_ID=", "AZURE_RESOURCE_GROUP=", "ARCHIVE_ACCOUNT="}

// Help is the comment at the top of each script. It needs no names of resources, and nothing else is done.
func TestHelp(t *testing.T) {
	helped := 0
	for _, name := range scripts(t) {
		if strings.HasPrefix(name, "..") || strings.HasPrefix(name, "checks/") || name == "environment.sh" ||
			name == "control.sh" {
			continue
		}
		helped++
		comment, _, _ := strings.Cut(read(t, name), "\nset -euo")
		_, comment, _ = strings.Cut(comment, "\n")
		want := ""
		for line := range strings.Lines(comment + "\n") {
			want += strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ")
		}
		for _, word := range []string{"-h", "--help", "help"} {
			r := script(t, "", noNames, name, word)
			r.good(t)
			if r.out != want || len(r.calls) != 0 {
				t.Errorf("%s %s prints, after %d calls,\n%s", name, word, len(r.calls), r.out)
			}
		}
	}
	if helped < 10 {
		t.Errorf("only %d scripts were found", helped)
	}
	// The forms of infra/command, each of them.
	usage, _, _ := strings.Cut(read(t, "command"), "\nset -euo")
	for _, action := range []string{"run", "backfill FROM TO", "estimate FROM TO", "replay RUN-OR-BATCH",
		"dryrun RUN-OR-BATCH", "tally", "check fetch",
		"check import MAILBOX", "pause [fetch|import]", "start [fetch|import]", "answer COMMAND"} {
		if !strings.Contains(usage, "\n#   infra/command "+action+" ") {
			t.Errorf("the help of command lacks %s", action)
		}
	}
}

// Errors name what is missing, without the place in the script, and say what to do about it.
func TestMissingValues(t *testing.T) {
	for name, args := range map[string][]string{"command": {"run"}, "check": {"o2-test@contoso.example"}, "lock": nil,
		"export": {t.TempDir()}, "password": nil, "hooks/postdeploy.sh": nil} {
		r := script(t, "", noNames, name, args...)
		r.bad(t, "not set: AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP")
		if !strings.Contains(r.out, "azd env refresh, or, without azd, export each of them") ||
			strings.Contains(r.out, "line ") || strings.Count(r.out, "\n") != 1 || len(r.with("storage")) != 0 {
			t.Errorf("%s: %d calls, %q", name, len(r.calls), r.out)
		}
	}
	// A program that is missing is named before anything is done.
	bare := t.TempDir()
	for _, tool := range []string{"bash", "dirname", "basename", "cat", "env"} {
		if err := os.Symlink(need(t, tool), filepath.Join(bare, tool)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"lock": "lock: az is not on PATH: https://",
		"hooks/prepackage.sh": "prepackage.sh: go is not on PATH: install it"} {
		r := script(t, "", []string{"PATH=" + bare}, name)
		r.bad(t, want)
		if strings.Contains(r.out, "line ") {
			t.Errorf("%s: %q", name, r.out)
		}
	}
	script(t, "", []string{"IMPORT_PRINCIPAL_ID="}, "graph/app-roles").bad(t,
		"app-roles: IMPORT_PRINCIPAL_ID is not set: export")
	for _, name := range scripts(t) {
		if !strings.HasPrefix(name, "..") && !strings.HasPrefix(name, "checks/") &&
			strings.Contains(read(t, name), ":?") {
			t.Errorf("%s: an error of ${NAME:?} begins with the place in the script", name)
		}
	}
}
