package infra

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scripts are all of the repository, by their first line, from this folder.
func scripts(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && d.Name() != ".ci" &&
			d.Name() != ".devcontainer"
		if d.IsDir() && (hidden || d.Name() == "node_modules" || d.Name() == "build") {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		head := make([]byte, 80)
		n, _ := io.ReadFull(f, head) // a shorter file is none
		first, _, _ := strings.Cut(string(head[:n]), "\n")
		if shebang.MatchString(first) || strings.HasPrefix(first, "# shellcheck shell=") {
			all = append(all, strings.TrimPrefix(filepath.ToSlash(name), "../infra/"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"environment.sh", "deploy", "export", "hooks/postdeploy.sh", "graph/app-roles",
		"checks/az-flags", "../.ci/run", "../local/parsers/check"} {
		if !slices.Contains(all, known) {
			t.Fatalf("%s is not among the scripts that were found: %v", known, all)
		}
	}
	return all
}

var shebang = regexp.MustCompile(`^#!.*\b(ba|da)?sh\b`)

func TestScriptsPassShellcheck(t *testing.T) {
	shellcheck := need(t, "shellcheck")
	if said, err := exec.Command(shellcheck,
		append([]string{"--external-sources"}, scripts(t)...)...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, said)
	}
}

func TestScriptsStopAtErrors(t *testing.T) {
	for _, name := range scripts(t) {
		if name == "environment.sh" || name == "control.sh" { // sourced
			continue
		}
		if info, err := os.Stat(name); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable: %v", name, err)
		}
		if !strings.Contains(read(t, name), "set -euo pipefail") {
			t.Errorf("%s goes on after an error", name)
		}
	}
	hooks, err := filepath.Glob("hooks/*")
	if err != nil {
		t.Fatal(err)
	}
	// azd asks for the password in postprovision: without interactive there is no terminal to type it into, and without
	// secrets the hook gets a reference to the password in place of it.
	_, lines, _ := strings.Cut(read(t, "../azure.yaml"), "\nhooks:\n")
	if diff := cmp.Diff([]string{
		"  preprovision: { shell: sh, run: infra/hooks/preprovision.sh }",
		"  postprovision: { shell: sh, run: infra/hooks/postprovision.sh, interactive: true,",
		"    secrets: { TELEMESSAGE_PASSWORD: TELEMESSAGE_PASSWORD } }",
		"  prepackage: { shell: sh, run: infra/hooks/prepackage.sh }",
		"  predeploy: { shell: sh, run: infra/hooks/prepackage.sh }",
		"  postdeploy: { shell: sh, run: infra/hooks/postdeploy.sh }",
	}, strings.Split(regexp.MustCompile(` +#.*`).ReplaceAllString(strings.TrimRight(lines, "\n"),
		""), "\n")); diff != "" {
		t.Errorf("azure.yaml: hooks, -want +got:\n%s", diff)
	}
	for _, hook := range hooks {
		if !slices.Contains(scripts(t), hook) || !strings.Contains(lines, "infra/"+filepath.ToSlash(hook)) {
			t.Errorf("%s is no script, or not called by azure.yaml", hook)
		}
	}
}
