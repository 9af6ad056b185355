package o2archiver

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// layoutForms are parts of literals that form the name of a blob or take one apart, each with the package that has it.
var layoutForms = map[string]string{
	".ndjson": "shared/archive", ".jsonl": "shared/journal", "manifest.json": "shared/archive",
	`"raw/`: "shared/archive", `"waiting/`: "shared/archive", `"parts/`: "shared/archive",
	"2006/01": "shared/archive/layout", `"2006/"`: "shared/archive/layout",
	`"backfill-`: "shared/archive/layout", "/backfill-": "shared/archive/layout", "(delivery-": "shared/archive/layout",
}

// stampForms are further ones in what is deployed: in local/, files that are no blobs are named by their time.
var stampForms = map[string]string{
	"20060102T": "shared/archive/layout", "%s/%": "shared/archive", `"answers/`: "shared/control",
}

// The forms of the names of days, runs, batches, logs and items are in the package of each only. A change of the layout
// then has one place. Tests assert the layout and may spell it out, as may the stand-ins and the program that writes an
// older one. The names of documents are in the packages that define what is in them.
func TestLayoutIsKnownInOnePlace(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || f.dir == "shared/journal" || under(f.dir, "shared/archive") || strings.HasSuffix(f.dir, "test") ||
			f.dir == "local/oldarchive" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				for _, home := range homesOfForms(f, n.Value) {
					if n.Kind == token.STRING && home != f.dir {
						t.Errorf("%s has the literal %s: %s has the names of that form", f.path, n.Value, home)
					}
				}
			case *ast.BinaryExpr:
				// Of the fetch and import apps no engine joins names. The portal joins the paths of its pages.
				if n.Op == token.ADD && (under(f.dir, "handlers/fetch") || under(f.dir, "handlers/import")) &&
					(isSlash(n.X) || isSlash(n.Y)) {
					t.Errorf("%s joins a name with a slash: shared/archive has the names of blobs", f.path)
				}
			}
			return true
		})
	}
}

// homesOfForms returns the packages that have the forms of names which the literal holds.
func homesOfForms(f file, literal string) (homes []string) {
	for form, home := range layoutForms {
		if strings.Contains(literal, form) {
			homes = append(homes, home)
		}
	}
	for form, home := range stampForms {
		if strings.Contains(literal, form) && !under(f.dir, "local") {
			homes = append(homes, home)
		}
	}
	return homes
}

// isSlash reports whether an operand is a literal that begins or ends with a slash.
func isSlash(x ast.Expr) bool {
	text, ok := x.(*ast.BasicLit)
	return ok && (strings.HasPrefix(text.Value, `"/`) || strings.HasSuffix(text.Value, `/"`))
}
