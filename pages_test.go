package o2archiver

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	fence    = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	code     = regexp.MustCompile("`[^`\n]+`")
	pageLink = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
)

// page returns a page of Markdown without its examples.
func page(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(raw), "")
}

// anchorsOf returns the anchors of a page's headings as GitHub makes them: in lower case, with hyphens for blanks, and
// without punctuation.
func anchorsOf(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		title := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(m[1], "$1")
		anchors[strings.Map(func(c rune) rune {
			switch {
			case c == ' ':
				return '-'
			case unicode.IsLetter(c), unicode.IsNumber(c), c == '-', c == '_':
				return unicode.ToLower(c)
			}
			return -1
		}, title)] = true
	}
	return anchors
}

// TestPagesAreLinked: each link between pages leads to a file and a heading that there are, and each page of docs/ can
// be reached from the README.
func TestPagesAreLinked(t *testing.T) {
	seen := map[string]bool{"README.md": true}
	for todo := []string{"README.md"}; len(todo) > 0; todo = todo[1:] {
		from := todo[0]
		for _, m := range pageLink.FindAllStringSubmatch(code.ReplaceAllString(page(t, from), ""), -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", from, m[1], err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			to := from
			if u.Path != "" {
				to = path.Join(path.Dir(from), u.Path)
			}
			if _, err := os.Stat(filepath.FromSlash(to)); err != nil {
				t.Errorf("%s links %s, which is not there", from, m[1])
				continue
			}
			if !strings.HasSuffix(to, ".md") {
				continue
			}
			if u.Fragment != "" && !anchorsOf(page(t, to))[u.Fragment] {
				t.Errorf("%s links %s: there is no such heading", from, m[1])
			}
			if !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	docs, err := filepath.Glob(filepath.Join("docs", "*.md"))
	if err != nil || len(docs) < 8 {
		t.Fatalf("only %d pages in docs/: %v", len(docs), err)
	}
	for _, doc := range docs {
		if !seen[filepath.ToSlash(doc)] {
			t.Errorf("%s is linked from nowhere that the README leads to", doc)
		}
	}
}

// TestMakeCheckDoesWhatItsLineSays: each word of the target's comment has its command, and no other command is there.
func TestMakeCheckDoesWhatItsLineSays(t *testing.T) {
	raw, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(raw), "\ncheck: ## ")
	rest, _, _ = strings.Cut(rest, "\n\n")
	line, recipe, _ := strings.Cut(rest, "\n")
	const want = "formatting, vet, staticcheck, tidy modules; known vulnerabilities are make vuln's"
	if !found || line != want {
		t.Fatalf("the line of make check is %q: hold its words here", line)
	}
	commands := []string{"gofmt -l", "$(GO) vet ./...", "$(GO) run $(STATICCHECK) ./...", "$(GO) mod tidy -diff"}
	lines := strings.Split(recipe, "\n")
	if len(lines) != len(commands) {
		t.Fatalf("make check has %d commands, its line names %d:\n%s", len(lines), len(commands), recipe)
	}
	for i, command := range commands {
		if !strings.Contains(lines[i], command) {
			t.Errorf("make check does not run %s:\n%s", command, lines[i])
		}
	}
	if !strings.Contains(string(raw),
		"\nvuln: ## known vulnerabilities; needs the Go vulnerability database at vuln.go.dev\n"+
			"\t$(GO) run $(GOVULNCHECK) ./...\n") {
		t.Error("make vuln does not look for known vulnerabilities")
	}
}

// TestPagesNameFilesThatAreThere: a path in the text of a page leads to a file or folder, or is the beginning of names
// that are there.
func TestPagesNameFilesThatAreThere(t *testing.T) {
	named := regexp.MustCompile("`((?:infra|local|shared|handlers|functions|docs)/[\\w./-]*\\w)`")
	seen := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "infra/*.md", "infra/*/README.md"} {
		pages, err := filepath.Glob(filepath.FromSlash(pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range pages {
			if name == "CHANGELOG.md" {
				continue // names what there was
			}
			for _, m := range named.FindAllStringSubmatch(readFile(t, filepath.ToSlash(name)), -1) {
				if seen++; m[1] == "local/node_modules" {
					continue // made when Azurite is first used
				}
				if found, err := filepath.Glob(filepath.FromSlash(m[1]) + "*"); err != nil || len(found) == 0 {
					t.Errorf("%s names %s, which is not there", name, m[1])
				}
			}
		}
	}
	if seen < 80 {
		t.Errorf("only %d paths were found: the test looks in the wrong place", seen)
	}
}
