package soak

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// variable returns the words of a variable of the Makefile.
func variable(t *testing.T, name string) []string {
	t.Helper()
	raw, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` = \\\n((?:\t.*\n)+)`).FindSubmatch(raw)
	if m == nil {
		t.Fatalf("the Makefile has no list %s", name)
	}
	return strings.Fields(strings.ReplaceAll(string(m[1]), "\\\n", "\n"))
}

// goroutines are the functions of a package that start one, by the name of the function; "" for what is outside of any.
func goroutines(t *testing.T, folder string) (code, tests map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no sources: %v", folder, err)
	}
	code, tests = map[string]bool{}, map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		found := code
		if strings.HasSuffix(file, "_test.go") {
			found = tests
		}
		for _, d := range parsed.Decls {
			name := ""
			if f, ok := d.(*ast.FuncDecl); ok {
				name = f.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					found[name] = true
				case *ast.CallExpr: // of a sync.WaitGroup
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" {
						found[name] = true
					}
				}
				return true
			})
		}
	}
	return code, tests
}

// TestSerialPackagesStartNoGoroutine: what runs without the race detector has nothing that it could find, and the tests
// that start goroutines run with it all the same.
func TestSerialPackagesStartNoGoroutine(t *testing.T) {
	raced := variable(t, "RACED")
	for _, folder := range variable(t, "SERIAL") {
		code, tests := goroutines(t, folder)
		for name := range code {
			t.Errorf("%s starts a goroutine in %q, and the Makefile has it among SERIAL", folder, name)
		}
		for name := range tests {
			if strings.HasPrefix(name, "Test") && !slices.Contains(raced, name+"@"+folder) {
				t.Errorf("%s of %s starts a goroutine, and the Makefile does not have it among RACED", name, folder)
			}
		}
	}
}

// TestEveryTestRuns: what the Makefile skips with the race detector runs without it.
func TestEveryTestRuns(t *testing.T) {
	serial, unraced := variable(t, "SERIAL"), variable(t, "UNRACED")
	skipped := map[string]bool{}
	for _, each := range unraced {
		name, folder, _ := strings.Cut(each, "@")
		if slices.Contains(serial, folder) {
			t.Errorf("%s is of a package that is among SERIAL", each)
		}
		skipped[name] = true
	}
	for _, each := range variable(t, "RACED") {
		if _, folder, _ := strings.Cut(each, "@"); !slices.Contains(serial, folder) {
			t.Errorf("%s is of a package that is not among SERIAL: it runs with the race detector anyway", each)
		}
	}
	begin := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		folder, err := filepath.Rel("../..", filepath.Dir(path))
		if folder != "." {
			folder = "./" + filepath.ToSlash(folder)
		}
		if err != nil || slices.Contains(serial, folder) {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, m := range begin.FindAllSubmatch(raw, -1) {
			if name := string(m[1]); skipped[name] && !slices.Contains(unraced, name+"@"+folder) {
				t.Errorf("%s of %s is skipped with the race detector, because another package's is, and never runs",
					name, folder)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
