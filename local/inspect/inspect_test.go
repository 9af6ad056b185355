package inspect

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file anew")

const samples = "../../shared/source/delivery/zipread/testdata"

// The samples are one whole delivery and ten broken ones.
func TestFolder(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := Folder(samples, &got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/samples.txt"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got); -update writes it anew:\n%s", diff)
	}
	// What the samples have of people, numbers and texts.
	content := regexp.MustCompile(`(?i)jane|ali\b|reza|contoso|4477|\d{5}|quote|rota|saturday|thread-2026|photo|case`)
	if leak := content.FindString(got.String()); leak != "" {
		t.Errorf("the report has content: %q", leak)
	}
}

func TestFolderWithoutZIPs(t *testing.T) {
	t.Parallel()
	if err := Folder(t.TempDir(), &bytes.Buffer{}); err == nil {
		t.Error("an empty folder is no error")
	}
	if err := Folder(filepath.Join(t.TempDir(), "absent"), &bytes.Buffer{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestShapeOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                       "",
		"Jane Doe 447700900123 <jane@b.example>": "a a 9 <a@a.a>",
		"1795771800000_447700900123.eml":         "9_9.a",
		"Ren\u00e9e  \u4f60\u597d \U0001F600\U0001F600\x00": "a a ?",
		"\u0661\u0662 \t x": "9 a",
	} {
		if got := shapeOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	long := shapeOf(string(bytes.Repeat([]byte("a-"), 1_000)))
	if len([]rune(long)) != maxShape+1 {
		t.Errorf("a long shape has %d characters", len([]rune(long)))
	}
}
