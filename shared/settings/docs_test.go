package settings

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated parts of docs/settings.md")

const root = "../.."

// folded breaks a mistake, which is one line of the log, into lines that fit the page.
var folded = strings.NewReplacer(" (form: ", "\n  (form: ", "; also ", ";\n  also ", "; for example ",
	";\n  for example ")

// section puts text between <!-- name --> and <!-- /name -->.
func section(t *testing.T, page, name, text string) string {
	t.Helper()
	head, rest, ok := strings.Cut(page, "<!-- "+name+" -->\n")
	_, tail, ok2 := strings.Cut(rest, "<!-- /"+name+" -->")
	if !ok || !ok2 {
		t.Fatalf("docs/settings.md has no section %q", name)
	}
	return head + "<!-- " + name + " -->\n" + text + "<!-- /" + name + " -->" + tail
}

func TestDocumentation(t *testing.T) {
	example := map[string]string{
		"ARCHIVE_STORAGE__blobServiceUri": "http://contosoarchive.blob.core.windows.net",
		"AZURE_CLOUD":                     "gcc",
		"MAX_ITEM_SIZE":                   "150",
	}
	r := from(example)
	StorageConfig(r)
	r.String("AZURE_CLOUD")
	r.Bytes("MAX_ITEM_SIZE")
	values := "```\n"
	for _, name := range slices.Sorted(maps.Keys(example)) {
		values += name + "=" + example[name] + "\n"
	}

	file := filepath.Join(root, "docs/settings.md")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := section(t, string(have), "settings", Markdown())
	want = section(t, want, "example values", values+"```\n")
	want = section(t, want, "example", fmt.Sprintf("```\n%v\n```\n", folded.Replace(r.Err().Error())))
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("docs/settings.md is not what -update writes (-want +have):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Table() {
		if seen[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		seen[s.Name] = true
		if s.Form == "" || s.Example == "" || s.Meaning == "" || len(s.Apps) == 0 {
			t.Errorf("%s: a column is empty", s.Name)
		}
		if s.Required && (s.Default != "" || s.derived != "") {
			t.Errorf("%s is required and has a default", s.Name)
		}
		r := from(map[string]string{s.Name: s.Example})
		if value(r, s); r.Err() != nil {
			t.Errorf("%s: the example is refused: %v", s.Name, r.Err())
		}
	}
}

func TestSampleNamesWhatTheCodeReads(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "local.settings.sample.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sample struct {
		IsEncrypted bool
		Values      map[string]string
	}
	if err := json.Unmarshal(data, &sample); err != nil {
		t.Fatal(err)
	}
	if got := sample.Values["FUNCTIONS_WORKER_RUNTIME"]; got != "custom" {
		t.Errorf("FUNCTIONS_WORKER_RUNTIME = %q, want custom", got)
	}
	want := []string{"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"} // the host reads these two
	r := from(sample.Values)
	for _, s := range Table() {
		want = append(want, s.Name)
		if sample.Values[s.Name] != "" {
			value(r, s)
		}
	}
	if err := r.Err(); err != nil {
		t.Errorf("the sample has a bad value: %v", err)
	}
	StorageConfig(r)
	if err := r.Err(); err != nil {
		t.Errorf("the sample's storage: %v", err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sample.Values))); diff != "" {
		t.Errorf("names in local.settings.sample.json (-want +got):\n%s", diff)
	}
}

// An app reads exactly the settings that name it: the handler's code holds each name, and no other
// of the table. Those of StorageConfig, PasswordConfig, SetUpConfig and DeliveryConfig are in this package.
func TestTableNamesTheAppsThatRead(t *testing.T) {
	for _, app := range []string{Fetch, Import, Portal} {
		read := literals(t, filepath.Join(root, "handlers", app))
		if read["StorageConfig"] {
			for _, name := range []string{storage, storageBlob, storageTable, storageClient} {
				read[name] = true
			}
		}
		if read["PasswordConfig"] {
			read[sitePassword], read[sitePasswordSecret] = true, true
		}
		if read["SetUpConfig"] {
			for _, name := range setUpNames() {
				read[name] = true
			}
		}
		if read["DeliveryConfig"] {
			for _, s := range Table() {
				read[s.Name] = read[s.Name] || strings.HasPrefix(s.Name, "DELIVERY_") ||
					strings.HasPrefix(s.Name, "IMPORTS_")
			}
		}
		for _, s := range Table() {
			if has := slices.Contains(s.Apps, app); has != read[s.Name] {
				t.Errorf("%s: the table says %v for %s, its handler %v", s.Name, has, app, read[s.Name])
			}
		}
	}
}

// literals returns the texts in the Go files of an app, tests apart, and the names that they select from packages.
// What is written for a person, or for a test, is no reading of a setting: only the packages that read them count.
func literals(t *testing.T, folder string) map[string]bool {
	t.Helper()
	var files []string
	for _, in := range []string{"*.go", "internal/sources/current.go", "internal/importer/rules.go"} {
		some, err := filepath.Glob(filepath.Join(folder, in))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	if len(files) < 4 {
		t.Fatalf("only %d Go files of %s found", len(files), folder)
	}
	found := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil {
					found[text] = true
				}
			case *ast.SelectorExpr:
				found[n.Sel.Name] = true
			}
			return true
		})
	}
	return found
}
