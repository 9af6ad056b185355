package appbuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	changelog   = "CHANGELOG.md"
	unreleased  = "unreleased"                 // the heading of what has no version yet, in lower case
	commitFile  = "local/appbuild/COMMIT"      // git writes the commit into it when it makes an archive
	buildValues = "o2archiver/shared/funchost" // the package that holds version and commit
)

// deployed are the files and folders of which the apps are made.
var deployed = []string{"handlers", "shared", "functions", "host.json", "go.mod", "go.sum", changelog}

var (
	versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	commitForm  = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// stamp is what a deployed handler states of its sources. It depends on the sources only, as all of a build does.
type stamp struct {
	version string
	commit  string // with "+changes" if what is deployed is not exactly that of the commit; "unknown" outside of git
}

// readStamp returns the stamp of the sources in the folder root.
func readStamp(ctx context.Context, root string) (stamp, error) {
	version, err := Version(root)
	if err != nil {
		return stamp{}, err
	}
	return stamp{version: version, commit: readCommit(ctx, root)}, nil
}

// linkerFlags returns the flags that write the stamp into a handler.
func (s stamp) linkerFlags() string {
	return " -X " + buildValues + ".version=" + s.version + " -X " + buildValues + ".commit=" + s.commit
}

// readCommit returns the commit of the sources. It does not fail: a program can be built from sources of any kind.
func readCommit(ctx context.Context, root string) string {
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(commitFile)))
	if written := strings.TrimSpace(string(raw)); err == nil && commitForm.MatchString(written) {
		return written
	}
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "HEAD")
	if err != nil || !commitForm.MatchString(commit) {
		return "unknown"
	}
	changed, err := git(append([]string{"status", "--porcelain", "--"}, deployed...)...)
	if err != nil || changed != "" {
		commit += "+changes"
	}
	return commit
}

// section is a part of CHANGELOG.md below a heading of the second level.
type section struct {
	name string // "0.1.0", or "unreleased"
	body string
}

// readChangelog returns the sections of CHANGELOG.md, the newest first. Their form is that of keepachangelog.com:
// "## [0.1.0] - 2026-11-29", and "## [Unreleased]" for what has no version yet.
func readChangelog(root string) ([]section, error) {
	raw, err := os.ReadFile(filepath.Join(root, changelog))
	if err != nil {
		return nil, err
	}
	parts := strings.Split("\n"+string(raw), "\n## ")
	var sections []section
	for _, part := range parts[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		name, _, _ := strings.Cut(strings.TrimSpace(heading), " ")
		name = strings.ToLower(strings.Trim(name, "[]"))
		if name != unreleased && !versionForm.MatchString(name) {
			return nil, fmt.Errorf("%s: the heading %q names no version", changelog, heading)
		}
		sections = append(sections, section{name: name, body: strings.TrimSpace(body)})
	}
	return sections, nil
}

// Version returns the version of the sources in the folder root: that of the newest heading in CHANGELOG.md which has
// one, with "+unreleased" if there are entries without a version above it.
func Version(root string) (string, error) {
	sections, err := readChangelog(root)
	if err != nil {
		return "", err
	}
	suffix := ""
	for _, s := range sections {
		if s.name != unreleased {
			return s.name + suffix, nil
		}
		if s.body != "" {
			suffix = "+" + unreleased
		}
	}
	return "", errors.New(changelog + " has no heading that names a version")
}

// Notes returns what CHANGELOG.md has about a version.
func Notes(root, version string) (string, error) {
	sections, err := readChangelog(root)
	if err != nil {
		return "", err
	}
	for _, s := range sections {
		if s.name == version && s.body != "" {
			return s.body + "\n", nil
		}
	}
	return "", fmt.Errorf("%s has nothing about the version %q", changelog, version)
}
