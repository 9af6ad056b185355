package appbuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sourcesWith returns a folder with a changelog.
func sourcesWith(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, changelog), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestVersionIsThatOfTheChangelog(t *testing.T) {
	for text, want := range map[string]string{
		"# Changelog\n\n## [Unreleased]\n\n### Added\n- a\n\n## [1.0.0] - 2027-01-05\n- b\n": "1.0.0+unreleased",
		"# Changelog\n\n## [Unreleased]\n\n## [1.0.0] - 2027-01-05\n- b\n":                   "1.0.0",
		"# Changelog\n\n## [1.2.0-rc.1] - 2027-01-05\n\n## [1.0.0] - 2027-01-01\n":           "1.2.0-rc.1",
		"# Changelog\n\n## [Unreleased]\n- a\n":                                              "",
		"# Changelog\n":                                                                      "",
		"# Changelog\n\n## Next -X main.a=b\n\n## [1.0.0] - 2027-01-05\n":                    "",
	} {
		if got, err := Version(sourcesWith(t, text)); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := Version(t.TempDir()); err == nil {
		t.Error("sources without a changelog have a version")
	}
}

// TestNotesAreTheSectionOfTheVersion: the notes of a release are what the changelog has between two headings.
func TestNotesAreTheSectionOfTheVersion(t *testing.T) {
	root := sourcesWith(t, "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2027-01-05\n\n### Added\n\n- b\n- c\n\n"+
		"#### Fetch\n- d\n\n## [0.1.0] - 2026-11-29\n\n- a\n\n## [0.0.1] - 2026-11-28\n")
	for version, want := range map[string]string{
		"0.2.0": "### Added\n\n- b\n- c\n\n#### Fetch\n- d\n", "0.1.0": "- a\n", "0.0.1": "", "0.3.0": "", "": "",
		"unreleased": "",
	} {
		if got, err := Notes(root, version); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", version, got, err, want)
		}
	}
}

// TestChangelogOfTheRepository: it has a version, and notes for each version that it has.
func TestChangelogOfTheRepository(t *testing.T) {
	sections, err := readChangelog("../..")
	if err != nil {
		t.Fatal(err)
	}
	versions := 0
	for i, s := range sections {
		if s.name == unreleased && i == 0 {
			continue
		}
		versions++
		if notes, err := Notes("../..", s.name); err != nil || len(notes) < 50 {
			t.Errorf("the notes of %s: %q, %v", s.name, notes, err)
		}
	}
	if versions == 0 || sections[len(sections)-1].name != "0.1.0" {
		t.Errorf("%d versions, the first of which is not 0.1.0", versions)
	}
}

func TestCommitOfTheSources(t *testing.T) {
	root := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=t", "-c", "user.email=t@contoso.com",
			"-c", "commit.gpgsign=false"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, want string) {
		t.Helper()
		if got := readCommit(t.Context(), root); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	write(commitFile, "$Format:%H$\n")
	git("init", "-q")
	check("before the first commit", "unknown")
	git("add", ".")
	git("commit", "-q", "-m", "a")
	commit := git("rev-parse", "HEAD")
	check("a clone", commit)
	write("docs/new.md", "# A page\n")
	check("a clone with a new page", commit)
	write("shared/new.go", "package a\n")
	check("a clone with a new file of the apps", commit+"+changes")
	write(commitFile, strings.Repeat("ab", 20)+"\n")
	check("an archive", strings.Repeat("ab", 20))
}

// TestArchiveNamesItsCommit: the file is there, and git replaces its content when it makes an archive.
func TestArchiveNamesItsCommit(t *testing.T) {
	if got := read(t, "COMMIT"); got != "$Format:%H$\n" && !commitForm.MatchString(strings.TrimSpace(got)) {
		t.Errorf("%s holds %q", commitFile, got)
	}
	if !strings.Contains(read(t, "../../.gitattributes"), "\n"+commitFile+" export-subst\n") {
		t.Errorf(".gitattributes does not name %s", commitFile)
	}
}

// TestStampIsLinked: a built program states version and commit.
func TestStampIsLinked(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "build", "stamptest")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	const source = `package main

import (
	"fmt"

	"o2archiver/shared/funchost"
)

func main() { fmt.Println(funchost.Build()) }
`
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	s := stamp{version: "1.2.0-rc.1+unreleased", commit: strings.Repeat("ab", 20) + "+changes"}
	for flags, want := range map[string]string{
		s.linkerFlags(): s.version + " " + s.commit + "\n", "": "development unknown\n",
	} {
		cmd := exec.Command("go", "run", "-trimpath", "-ldflags", flags, "./build/stamptest")
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0") // as the handlers are built
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("with %q: %q, %v; want %q", flags, out, err, want)
		}
	}
}
