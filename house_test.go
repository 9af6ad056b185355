// Package o2archiver holds no code: its tests keep the house in order.
package o2archiver

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "o2archiver/"

// sdks are the libraries that exactly one package may import, so that a replacement, or a next major version, changes
// one package.
//
// Two packages import aztables. The ledger decides who may write a copy: no other code may replace or query its rows.
// The table totals is replaced and queried, and decides nothing.
var sdks = map[string][]string{
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob": {"shared/archive"},
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables":  {"shared/ledger", "shared/tally"},
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity":     {"shared/signin"},
	"github.com/Azure/azure-sdk-for-go/sdk/security":       {"shared/vault"},
	"github.com/microsoftgraph/msgraph-sdk-go":             {"shared/mailbox"},
	"github.com/emersion/go-message":                       {"shared/message"},
	"github.com/nyaruka/phonenumbers":                      {"shared/phone"},
	"github.com/chromedp":                                  {"local/browser"},
	"github.com/cenkalti/backoff":                          {"shared/retry"},
	"github.com/pkg/sftp":                                  {"shared/source/delivery/sftpstore"},
	"golang.org/x/crypto/ssh":                              {"shared/source/delivery/sftpstore"},
}

// asTheyCome are the packages that use an SDK without our packages: to be measured beside them, to write what an
// earlier version of them wrote, to ask for what a stand-in of the service has to refuse, or to write in place of the
// vendor.
var asTheyCome = map[string]bool{
	"local/bench/script": true, "local/oldarchive": true, "local/sftpserver": true, "local/vault": true,
	"shared/archivetest": true, "shared/source/delivery/deliverytest": true,
}

// floors are the floors of shared/: a package imports packages of lower floors only. Packages inside of another one are
// on its floor and may import it.
var floors = map[string]int{
	"record":  0, // imports the standard library only
	"arrival": 0, "jsonscan": 0, "lock": 0, "retry": 0,
	"azure": 1, "phone": 1,
	"archive": 2, "funchost": 2, "journal": 2, "ledger": 2, "mailbox": 2, "message": 2, "settings": 2, "signin": 2,
	"source": 2, "usermap": 2,
	"audit": 3, "control": 3, "report": 3, "status": 3, "tally": 3, "vault": 3,
}

// floorOf returns the floor of a package in shared/, by its folder.
func floorOf(t *testing.T, dir string) int {
	t.Helper()
	name, _, _ := strings.Cut(strings.TrimPrefix(dir, "shared/"), "/")
	floor, ok := floors[name]
	if !ok {
		t.Fatalf("shared/%s has no floor: add it to the table", name)
	}
	return floor
}

// file is one Go file and what it imports.
type file struct {
	path    string // slashes, from the root
	dir     string
	test    bool
	imports []string
	doc     bool
}

func goFiles(t *testing.T) (all []file) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "build" || d.Name() == "testdata" ||
			strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		f := file{path: filepath.ToSlash(path), dir: filepath.ToSlash(filepath.Dir(path)),
			test: strings.HasSuffix(path, "_test.go"), doc: parsed.Doc != nil}
		for _, i := range parsed.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, name)
		}
		all = append(all, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files found: the test looks in the wrong place", len(all))
	}
	return all
}

func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// appOf returns the folder of the app to which a folder belongs, handlers/<app>, or "" if it belongs to none.
func appOf(dir string) string {
	parts := strings.SplitN(dir, "/", 3)
	if parts[0] != "handlers" || len(parts) < 2 {
		return ""
	}
	return parts[0] + "/" + parts[1]
}

// engineFloors are the engines inside of the apps, each with the engines that it may import: the collector knows the
// plan and the parts of a long SMS, the sources know all engines of fetch; sweeps know how batches are imported,
// imports know how recipients are found; and never the other way round.
var engineFloors = map[string][]string{
	"handlers/fetch/internal/schedule":    nil,
	"handlers/fetch/internal/longsms":     nil,
	"handlers/fetch/internal/credentials": nil,
	"handlers/fetch/internal/firsts":      nil,
	"handlers/fetch/internal/leased":      nil,
	"handlers/fetch/internal/deliveries":  {"handlers/fetch/internal/firsts", "handlers/fetch/internal/leased"},
	"handlers/fetch/internal/collector": {"handlers/fetch/internal/schedule", "handlers/fetch/internal/longsms",
		"handlers/fetch/internal/firsts", "handlers/fetch/internal/leased"},
	"handlers/fetch/internal/sftpserver": {"handlers/fetch/internal/credentials"},
	"handlers/fetch/internal/commands": {"handlers/fetch/internal/collector", "handlers/fetch/internal/schedule",
		"handlers/fetch/internal/deliveries", "handlers/fetch/internal/sftpserver"},
	"handlers/fetch/internal/sources": {"handlers/fetch/internal/collector", "handlers/fetch/internal/schedule",
		"handlers/fetch/internal/deliveries", "handlers/fetch/internal/sftpserver",
		"handlers/fetch/internal/credentials", "handlers/fetch/internal/commands"},

	"handlers/portal/internal/identity": nil,
	"handlers/portal/internal/pages":    {"handlers/portal/internal/identity"},
	"handlers/portal/internal/web":      {"handlers/portal/internal/identity", "handlers/portal/internal/pages"},
	"handlers/portal/internal/setup": {"handlers/portal/internal/identity", "handlers/portal/internal/pages",
		"handlers/portal/internal/web"},
	"handlers/portal/internal/account": {"handlers/portal/internal/identity", "handlers/portal/internal/pages",
		"handlers/portal/internal/web"},

	"handlers/portal/internal/progress": {"handlers/portal/internal/account", "handlers/portal/internal/identity",
		"handlers/portal/internal/pages", "handlers/portal/internal/web"},
	"handlers/portal/internal/orders": {"handlers/portal/internal/account", "handlers/portal/internal/identity",
		"handlers/portal/internal/pages", "handlers/portal/internal/web"},

	"handlers/portal/internal/auditlog": {"handlers/portal/internal/identity", "handlers/portal/internal/orders",
		"handlers/portal/internal/pages", "handlers/portal/internal/web"},

	"handlers/import/internal/recipients": nil,
	"handlers/import/internal/tallier":    nil,
	"handlers/import/internal/importer": {"handlers/import/internal/recipients",
		"handlers/import/internal/tallier"},
	"handlers/import/internal/sweeper":  {"handlers/import/internal/importer"},
	"handlers/import/internal/commands": {"handlers/import/internal/sweeper", "handlers/import/internal/importer"},
}

func TestImportsGoOneWay(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, name := range f.imports {
			own, inside := strings.CutPrefix(name, module)
			switch {
			case !inside:
				for sdk, homes := range sdks {
					if under(name, sdk) && !slices.Contains(homes, f.dir) && !asTheyCome[f.dir] {
						t.Errorf("%s imports %s, which only %v may", f.path, name, homes)
					}
				}
			case under(own, "handlers"):
				if app := appOf(f.dir); app == "" || !under(own, app+"/internal") {
					t.Errorf("%s imports %s: a handler's engines are imported by their own app only", f.path, name)
				}
				below, engine := engineFloors[f.dir]
				switch {
				case f.test || strings.HasSuffix(f.dir, "test"):
				case !engine && f.dir != appOf(f.dir):
					t.Errorf("%s has no engines that it may import: add it to the table", f.dir)
				case engine && !slices.Contains(below, own):
					t.Errorf("%s imports %s: this engine may import %v only", f.path, name, below)
				}
			case f.test, strings.HasSuffix(f.dir, "test") &&
				(under(f.dir, "handlers") || under(f.dir, "shared/report")):
				// A test may lean on any stand-in, and so may a package for tests.
			case under(own, "local") && !under(f.dir, "local"):
				t.Errorf("%s imports %s: what is deployed knows nothing of the local run", f.path, name)
			case under(f.dir, "shared") && !under(own, "shared"):
				t.Errorf("%s imports %s: packages in shared/ import only packages of lower floors", f.path, name)
			case under(f.dir, "shared") && !under(own, f.dir) && !under(f.dir, own) &&
				floorOf(t, own) >= floorOf(t, f.dir):
				t.Errorf("%s (floor %d) imports %s (floor %d): packages in shared/ import only lower floors", f.path,
					floorOf(t, f.dir), name, floorOf(t, own))
			case strings.HasSuffix(own, "test") && !under(f.dir, "local"):
				t.Errorf("%s imports %s: a stand-in has no place in what is deployed", f.path, name)
			}
		}
	}
}

func TestRecordAndLayoutUseTheStandardLibraryOnly(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.dir != "shared/record" && f.dir != "shared/archive/layout" || f.test {
			continue
		}
		for _, name := range f.imports {
			if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") ||
				under(name, strings.TrimSuffix(module, "/")) {
				t.Errorf("%s imports %s", f.path, name)
			}
		}
	}
}

func TestFetchCannotWriteMailAndImportCannotAskTheSite(t *testing.T) {
	// The rights of the two apps are those of their identities; what is not even linked can't be misused.
	for app, never := range map[string][]string{
		"fetch": {
			"shared/mailbox", "shared/message", "shared/ledger", "shared/journal", "shared/tally", "shared/usermap",
			"handlers/import",
		},
		"import": {
			"shared/source/telemessage/client", "shared/source/delivery/sftpstore", "shared/vault",
			"handlers/fetch", "handlers/portal",
		},
		"portal": {"shared/mailbox", "shared/message", "shared/ledger", "handlers/fetch", "handlers/import"},
	} {
		out, err := exec.Command("go", "list", "-deps", "./handlers/"+app).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 100 {
			t.Fatalf("%s has %d dependencies only", app, len(deps))
		}
		for _, dep := range deps {
			holds := func(pkg string) bool { return under(dep, module+pkg) }
			if slices.ContainsFunc(never, holds) || dep == "net/http/pprof" || dep == "expvar" {
				t.Errorf("the binary %s holds %s", app, dep)
			}
			if app == "import" && (under(dep, "github.com/pkg/sftp") || under(dep, "golang.org/x/crypto/ssh")) {
				t.Errorf("the binary %s holds %s: only fetch and portal speak SFTP", app, dep)
			}
		}
	}
}

// The plan names its runs: of the archive it knows the layout, which is pure, and nothing else.
func TestPlanAndGroupingArePure(t *testing.T) {
	for _, pkg := range []string{"handlers/fetch/internal/schedule", "handlers/fetch/internal/longsms"} {
		out, err := exec.Command("go", "list", "-deps", "./"+pkg).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for _, dep := range strings.Fields(string(out)) {
			for _, never := range []string{
				"shared/archive", "shared/source", "shared/ledger", "shared/mailbox",
				"handlers/fetch/internal/collector",
			} {
				if under(dep, module+never) && dep != module+"shared/archive/layout" {
					t.Errorf("%s knows %s", pkg, dep)
				}
			}
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	docs, seen := map[string]int{}, map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test && f.dir != "." {
			continue
		}
		seen[f.dir] = true
		if f.doc {
			docs[f.dir]++
		}
	}
	for dir := range seen {
		if docs[dir] != 1 {
			t.Errorf("package in %s has %d package comments, want 1", dir, docs[dir])
		}
	}
}

// walledApps are the apps whose engines are behind walls.
var walledApps = []string{"fetch", "import", "portal"}

// Package main of an app reads the settings, builds the clients and names the functions. All else is in its engines.
func TestMainHoldsNoEngine(t *testing.T) {
	for _, app := range walledApps {
		dir, seen := "handlers/"+app, 0
		for _, f := range goFiles(t) {
			if f.test || f.dir != dir {
				continue
			}
			seen++
			raw, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(raw, []byte("\n")); lines > 120 {
				t.Errorf("%s has %d lines, want at most 120", f.path, lines)
			}
			if name := filepath.Base(f.path); name != "main.go" && name != "config.go" && name != "routes.go" {
				t.Errorf("%s: package main of an app has main.go, config.go and routes.go only", f.path)
			}
		}
		if seen != 3 {
			t.Errorf("%s has %d files, want main.go, config.go and routes.go", dir, seen)
		}
		for _, f := range goFiles(t) {
			if _, known := engineFloors[f.dir]; !known && !f.test && under(f.dir, dir+"/internal") &&
				!strings.HasSuffix(f.dir, "test") {
				t.Errorf("%s is in an engine that engineFloors does not name", f.path)
			}
		}
	}
}

func TestFilesStaySmall(t *testing.T) {
	for _, f := range goFiles(t) {
		raw, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(raw, []byte("\n")); lines > 420 {
			t.Errorf("%s has %d lines", f.path, lines)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}
