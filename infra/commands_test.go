package infra

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// PowerShell is not here to run exchange.ps1. What it makes is named after the identity, or a second environment would
// find the first one's and get no right.
func TestExchangeNamesAreTheIdentitys(t *testing.T) {
	text := read(t, "graph/exchange.ps1")
	name := regexp.MustCompile(`(?m)^\$name = "([^"]*)"$`).FindStringSubmatch(text)
	if name == nil || !strings.HasSuffix(name[1], " $ClientId") || len(name[1])-len("$ClientId")+36 > 64 {
		t.Errorf("what it makes is called %q", name)
	}
	for _, made := range []string{"New-ManagementScope -Name $name ", "New-ManagementRoleAssignment -Name $name ",
		"-CustomResourceScope $name "} {
		if !strings.Contains(text, made) {
			t.Errorf("exchange.ps1 lacks %s", made)
		}
	}
}

// The order of the steps that can't be taken in another one.
func TestRunbookLeaves(t *testing.T) {
	_, leave, _ := strings.Cut(read(t, "leaving.md"), "\n## Leave\n")
	at := -1
	for _, step := range []string{"deferred items", "pause both apps", "infra/export FOLDER", "az lock delete",
		"immutability-policy delete", "azd down"} {
		next := strings.Index(leave, step)
		if next <= at {
			t.Errorf("%q is missing, or too early", step)
		}
		at = next
	}
}

// checks/az-commands, which is held against the real az, names exactly what the stand-in takes; and nothing else is
// called, be it by a script or by the runbook.
func TestCommands(t *testing.T) {
	var list []string
	for command, flags := range commands {
		list = append(list, command+" "+strings.Join(flags, " "))
	}
	for _, line := range runbookCommands(t) {
		if !slices.Contains(list, line) {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	if want := strings.Join(list, "\n") + "\n"; read(t, "checks/az-commands") != want {
		t.Errorf("checks/az-commands is not what is used. It should be:\n%s", want)
	}
	called := regexp.MustCompile(
		`(?m)(?:^|[|(;&!]|if|then)(?: *|.*\bask_)az ([a-z][a-z-]*(?: [a-z][a-z-]*)*) (?:--|"\$|\\)`)
	for _, name := range scripts(t) {
		if strings.HasPrefix(name, "checks/") || strings.HasPrefix(name, "..") {
			continue
		}
		for _, m := range called.FindAllStringSubmatch(read(t, name), -1) {
			if _, ok := commands[m[1]]; !ok {
				t.Errorf("%s calls az %s, which the stand-in does not know (%v)", name, m[1],
					slices.Sorted(maps.Keys(commands)))
			}
		}
	}
}

// pages are the pages of this folder.
func pages(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			all = append(all, filepath.ToSlash(name))
		}
	}
	for _, known := range []string{"README.md", "deploying.md", "operations.md", "runbook.md", "retention.md",
		"leaving.md", "graph/README.md", "parameters/README.md"} {
		if !slices.Contains(all, known) {
			t.Errorf("%s is not among the pages that were found: %v", known, all)
		}
	}
	return all
}

// runbookCommands are the az commands of the Markdown files, without their values.
func runbookCommands(t *testing.T) (all []string) {
	t.Helper()
	for _, name := range pages(t) {
		text := strings.ReplaceAll(read(t, name), "\\\n", " ")
		for _, m := range regexp.MustCompile(`(?m)^ {4,}(?:[a-z]+=\$\()?az (.*)$`).FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") })
			if i < 0 {
				i = len(words)
			}
			command := strings.Join(words[:i], " ")
			for _, w := range words[i:] {
				if strings.HasPrefix(w, "--") {
					command += " " + w
				}
			}
			all = append(all, command)
		}
	}
	return all
}
