package o2archiver

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The voice of the project: plain technical English. A reader must not have to translate before reviewing.

const columns = 120

var (
	// Processes have no pronouns.
	pronoun = regexp.MustCompile(`(?i)\b(nobody|somebody|whoever|he|him|his)\b`)
	// A doc comment says what the thing is, returns or reports.
	speaks = regexp.MustCompile(`^// [A-Za-z_]\w* (gives|says)\b`)
)

// shortNames are one-word functions of packages whose name is the rest of the word, as in journal.Open, and those that
// every Go reader knows.
var shortNames = []string{"main", "run", "routes"}

// TestVoiceOfComments reads the comments of code and of tests.
func TestVoiceOfComments(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.dir == "local/contract" {
			continue
		}
		raw, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		var s scanner.Scanner
		file := files.AddFile(f.path, -1, len(raw))
		s.Init(file, raw, nil, scanner.ScanComments)
		for {
			pos, tok, text := s.Scan()
			if tok == token.EOF {
				break
			}
			if tok != token.COMMENT {
				continue
			}
			line := file.Line(pos)
			if word := pronoun.FindString(text); word != "" {
				t.Errorf("%s:%d: %q: processes have no pronouns, people are \"they\"", f.path, line, word)
			}
			if speaks.MatchString(text) {
				t.Errorf("%s:%d: a doc comment says what it is, returns or reports: %s", f.path, line, text)
			}
		}
	}
}

// TestLinesOfCode: lines of code end at 120 columns, those of tests too. Go allows to break every line but a directive
// (//go:embed): a long string, also one between backquotes, is the sum of several.
func TestLinesOfCode(t *testing.T) {
	for _, f := range goFiles(t) {
		raw, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(raw), "\n") {
			if n := width(line); n > columns && !strings.HasPrefix(line, "//go:") {
				t.Errorf("%s:%d: %d columns, at most %d", f.path, i+1, n, columns)
			}
		}
	}
}

// TestLinesOfOtherFiles: so do the lines of style sheets, JavaScript and the files of Make, Docker and GitHub.
func TestLinesOfOtherFiles(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", "build", "testdata"}, name):
			return filepath.SkipDir
		case !slices.Contains([]string{".css", ".js", ".cjs", ".yml"}, filepath.Ext(name)) &&
			!slices.Contains([]string{"Makefile", "Dockerfile", "azure.yaml", "devcontainer.json"}, name):
			return nil
		}
		seen++
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(raw), "\n") {
			if n := width(line); n > columns {
				t.Errorf("%s:%d: %d columns, at most %d", path, i+1, n, columns)
			}
		}
		return nil
	})
	if err != nil || seen < 10 {
		t.Fatalf("%d files were read, error %v", seen, err)
	}
}

// width is the number of columns of a line, with tabs of four.
func width(line string) int {
	return utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
}

// TestNamesSayWhatIsDone: a function at package level that is not exported has more than one word.
func TestNamesSayWhatIsDone(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || strings.HasSuffix(f.dir, "test") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Name.IsExported() || slices.Contains(shortNames, fn.Name.Name) {
				continue
			}
			if !strings.ContainsFunc(fn.Name.Name,
				func(c rune) bool { return unicode.IsUpper(c) || unicode.IsDigit(c) }) {
				t.Errorf("%s: func %s: the name is one word; say what is done to what", f.path, fn.Name.Name)
			}
		}
	}
}

// TestIfsAssignWhatTheyAsk: the statement before the condition of an if is about what the condition asks.
func TestIfsAssignWhatTheyAsk(t *testing.T) {
	for _, f := range goFiles(t) {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, f.path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			s, ok := n.(*ast.IfStmt)
			if !ok {
				return true
			}
			assignment, ok := s.Init.(*ast.AssignStmt)
			if ok && !slices.ContainsFunc(assignment.Lhs,
				func(left ast.Expr) bool { return isPartOf(types.ExprString(left), s.Cond) }) {
				t.Errorf("%s: the if assigns what its condition does not ask: put the assignment on a line of its own",
					fset.Position(s.Pos()))
			}
			return true
		})
	}
}

// isPartOf reports whether the expression has one that is written like this.
func isPartOf(written string, whole ast.Expr) (found bool) {
	ast.Inspect(whole, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && types.ExprString(e) == written {
			found = true
		}
		return !found
	})
	return found
}

// TestLinesOfPages: lines of Markdown end at 120 columns, tables excepted.
func TestLinesOfPages(t *testing.T) {
	var pages []string
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "build" || strings.HasPrefix(d.Name(), ".") &&
			path != ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("only %d pages found", len(pages))
	}
	for _, page := range pages {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(raw), "\n") {
			if utf8.RuneCountInString(line) > columns && !strings.HasPrefix(line, "|") && strings.Contains(line, " ") {
				t.Errorf("%s:%d: %d columns, at most %d", page, i+1, utf8.RuneCountInString(line), columns)
			}
			if word := pronoun.FindString(line); word != "" {
				t.Errorf("%s:%d: %q: processes have no pronouns, people are \"they\"", page, i+1, word)
			}
		}
	}
}
