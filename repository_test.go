package o2archiver

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The files that GitHub reads. Nothing runs them before they are pushed, so what can be seen in their text is tested.

func readFile(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// workflows returns the text of each workflow by its name.
func workflows(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(".github", "workflows", "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range files {
		all[filepath.Base(file)] = readFile(t, filepath.ToSlash(file))
	}
	for _, name := range []string{"test.yml", "azure-dev.yml", "release.yml"} {
		if all[name] == "" {
			t.Fatalf("there is no workflow %s", name)
		}
	}
	return all
}

// TestActionsArePinned: an action is named by its commit, which cannot be moved, and the comment has its full version,
// which dependabot reads.
func TestActionsArePinned(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(.*)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	commits := map[string]string{}
	for name, text := range workflows(t) {
		for _, m := range uses.FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(m[1]) {
				t.Errorf("%s: %s is not pinned to a commit, with its version in a comment", name, m[1])
			}
			action, commit, _ := strings.Cut(m[1], "@")
			if first := commits[action]; first != "" && first != commit {
				t.Errorf("%s: %s is used in two versions, %s and %s", name, action, first, commit)
			}
			commits[action] = commit
		}
	}
	if len(commits) < 4 {
		t.Errorf("only %d actions were found: the test looks in the wrong place", len(commits))
	}
}

// TestWorkflowsHaveFewRights: a workflow may read the sources. What it may do beyond that is listed here. None uses a
// stored secret, none runs sources of a stranger with rights, and no text from outside is pasted into a script.
func TestWorkflowsHaveFewRights(t *testing.T) {
	more := map[string][]string{"azure-dev.yml": {"id-token: write"}, "release.yml": {"contents: write"}}
	writes := regexp.MustCompile(`(?m)^\s+([a-z-]+: write)\b`)
	for name, text := range workflows(t) {
		if !strings.Contains(text, "\npermissions:\n  contents: read\n") {
			t.Errorf("%s does not begin with the right to read only", name)
		}
		var got []string
		for _, m := range writes.FindAllStringSubmatch(text, -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, more[name]) {
			t.Errorf("%s may %v, want %v", name, got, more[name])
		}
		for _, never := range []string{"secrets.", "pull_request_target", "write-all", "self-hosted"} {
			if strings.Contains(text, never) {
				t.Errorf("%s has %s", name, never)
			}
		}
		for i, block := range strings.Split(text, "run: |\n")[1:] {
			indent := len(block) - len(strings.TrimLeft(block, " "))
			for line := range strings.Lines(block) {
				if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, strings.Repeat(" ", indent)) {
					break
				}
				if strings.Contains(line, "${{") {
					t.Errorf("%s, script %d: an expression is pasted into it: %s", name, i, strings.TrimSpace(line))
				}
			}
		}
	}
}

// TestDeploymentFromGitHub: a pull request shows what would change and deploys nothing; a push deploys only if the
// repository's variable says so; azd gets the variables that the parameters file names.
func TestDeploymentFromGitHub(t *testing.T) {
	text := workflows(t)["azure-dev.yml"]
	for _, want := range []string{
		"\n  workflow_dispatch:\n", "\n  pull_request:\n", "vars.DEPLOY_MAIN == 'true'",
		"github.event.pull_request.head.repo.full_name == github.repository",
		"        if: github.event_name == 'pull_request'\n        run: azd provision --preview --no-prompt\n",
		"        if: github.event_name != 'pull_request'\n        run: azd up --no-prompt\n",
		"infra/main.parameters.json", "cancel-in-progress: false",
		"'.RECOVER_VAULT // empty' <<<\"$VARIABLES\")\" = true ]; then\n            echo \"::warning::",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("azure-dev.yml lacks %q", want)
		}
	}
	if strings.Contains(text, "creds:") || strings.Contains(text, "client-secret") {
		t.Error("azure-dev.yml signs in with a stored credential")
	}
}

// TestReleaseHasAllParts: the notes, the zips, the bills of materials and the checksums of what the tag builds.
func TestReleaseHasAllParts(t *testing.T) {
	text := workflows(t)["release.yml"]
	for _, want := range []string{
		"tags: [\"v*\"]", "./local/appbuild/cmd -version", "./local/appbuild/cmd -notes", "make package",
		"diff \"$RUNNER_TEMP/first/SHA256SUMS\" build/SHA256SUMS", "--verify-tag", "--notes-file",
		"build/*.zip build/*.cdx.json build/SHA256SUMS",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("release.yml lacks %q", want)
		}
	}
}

// TestDependabotLooksEverywhere: each place that names versions of others is looked at.
func TestDependabotLooksEverywhere(t *testing.T) {
	text := readFile(t, ".github/dependabot.yml")
	for _, want := range []string{"gomod", "github-actions", "npm", "docker"} {
		if !strings.Contains(text, "- package-ecosystem: "+want+"\n") {
			t.Errorf("dependabot.yml lacks %s", want)
		}
	}
	for _, lock := range []string{"local/package-lock.json", "local/browser/axe/package-lock.json",
		"infra/checks/package-lock.json"} {
		readFile(t, lock)
		if !strings.Contains(text, "/"+strings.TrimSuffix(lock, "/package-lock.json")) {
			t.Errorf("dependabot.yml lacks the folder of %s", lock)
		}
	}
}

// TestPeopleFindTheirWay: the pages by which people join are there, each asks for no real data, and the README says
// with whom the project is not affiliated.
func TestPeopleFindTheirWay(t *testing.T) {
	for name, want := range map[string]string{
		"CONTRIBUTING.md":                  "real message",
		"CODE_OF_CONDUCT.md":               "2.1",
		"SECURITY.md":                      "Report a vulnerability",
		".github/PULL_REQUEST_TEMPLATE.md": "No real messages",
		".github/ISSUE_TEMPLATE/bug.yml":   "No real messages",
		"README.md":                        "not affiliated with O2, TeleMessage or Microsoft",
	} {
		if !strings.Contains(readFile(t, name), want) {
			t.Errorf("%s lacks %q", name, want)
		}
	}
}
