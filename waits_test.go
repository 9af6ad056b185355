package o2archiver

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// waits are the calls that pause, outside of package retry: by file and function, one each, with what is waited for.
// None of them repeats an operation that failed. That is package retry's, so that all retries have jitter, end with the
// context, and are logged and shown.
var waits = map[string]string{
	"shared/archive/lease.go time.After":                            "the next renewal of a lease",
	"shared/control/pause.go time.NewTicker":                        "the next look whether an app is paused",
	"shared/mailbox/claimrenewer.go time.NewTicker":                 "the next renewal of a claim",
	"shared/mailbox/session.go time.NewTimer":                       "the time at which a mailbox may have room",
	"shared/source/delivery/sftpstore/connection.go time.NewTicker": "the next sign of life of a connection",
	"shared/source/delivery/sftpstore/list.go time.NewTicker":       "the next look whether a listing goes on",
	"shared/status/reporter.go time.NewTicker":                      "the next write of the progress",
}

// pausing are the functions of package time that a loop can pause with. AfterFunc is none: it continues no loop.
var pausing = []string{"Sleep", "After", "NewTimer", "NewTicker", "Tick"}

// waitsIn returns the functions that pause which a file calls or passes on, each as often as it does.
func waitsIn(parsed *ast.File) (found []string) {
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(pausing, s.Sel.Name) {
				found = append(found, "time."+s.Sel.Name)
			}
		}
		return true
	})
	slices.Sort(found)
	return found
}

func TestOnlyPackageRetryRetries(t *testing.T) {
	found := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test || strings.HasSuffix(f.dir, "test") || under(f.dir, "local") || f.dir == "shared/retry" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range waitsIn(parsed) {
			again := found[f.path+" "+name]
			found[f.path+" "+name] = true
			if waits[f.path+" "+name] == "" || again {
				t.Errorf("%s uses %s: an operation is repeated by a retry.Policy; if it is no retry, say in the table "+
					"what is waited for", f.path, name)
			}
		}
	}
	for entry := range waits {
		if !found[entry] {
			t.Errorf("the table has %s, which is no more", entry)
		}
	}
}

func TestWaitsAreFound(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
		func f(c *client) {
			for try := 1; c.do() != nil; try++ {
				time.Sleep(time.Second)
				select {
				case <-time.After(time.Second):
				case <-time.NewTimer(time.Second).C:
				}
				c.pause = time.Sleep
			}
			time.AfterFunc(time.Second, c.stop)
			c.Sleep(time.Now())
		}`, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"time.After", "time.NewTimer", "time.Sleep", "time.Sleep"}
	if diff := cmp.Diff(want, waitsIn(parsed)); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}
