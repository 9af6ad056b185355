package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/appbuild"
)

// TestReport: the command prints where the zips are.
func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("build", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("build", "fetch.zip"), make([]byte, 12_340_000), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printReport(&out, "build", []appbuild.App{{Name: "fetch"}}); err != nil {
		t.Fatal(err)
	}
	want := "build/fetch.zip (12.3 MB), linked from what build/fetch.cdx.json lists\n" +
		"build/SHA256SUMS has the checksums; the folders beside the zips hold the same files\n"
	if diff := cmp.Diff(want, filepath.ToSlash(out.String())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := printReport(&out, "build", []appbuild.App{{Name: "import"}}); err == nil {
		t.Error("a zip that is not there is no error")
	}
}

// TestReleaseFlags: the version and the notes are printed as the workflow of a release needs them.
func TestReleaseFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2027-01-05\n\n- a\n"
	if err := os.WriteFile("CHANGELOG.md", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string // "": an error
	}{
		{[]string{"-version"}, "0.2.0\n"},
		{[]string{"-notes", "0.2.0"}, "- a\n"},
		{[]string{"-notes", "0.3.0"}, ""},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), test.args, &out); out.String() != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%v: %q, %v; want %q", test.args, out.String(), err, test.want)
		}
	}
}
