package soak

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	const day = 20785 // since 1970
	now := time.Unix(day*24*60*60+5000, 0)
	for _, tt := range []struct {
		soak, seed string
		want       Form
		bad        bool
	}{
		{"", "", Form{Seed: day}, false},
		{"0", "0", Form{Seed: day}, false},
		{"all", "7", Form{Long: true, Seed: 7}, false},
		{"1/1", "7", Form{Seed: 7, share: 1, of: 1}, false},
		{"3/40", "7", Form{Seed: 7, share: 3, of: 40}, false},
		{"", "many", Form{}, true},
		{"yes", "", Form{}, true},
		{"0/40", "", Form{}, true},
		{"41/40", "", Form{}, true},
		{"3/", "", Form{}, true},
	} {
		got, err := Read(func(name string) (string, bool) {
			return map[string]string{Variable: tt.soak, SeedVariable: tt.seed}[name], true
		}, now)
		if (err != nil) != tt.bad {
			t.Errorf("SOAK=%s SEED=%s: %v", tt.soak, tt.seed, err)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Form{})); diff != "" && !tt.bad {
			t.Errorf("SOAK=%s SEED=%s (-want +got):\n%s", tt.soak, tt.seed, diff)
		}
	}
}

// TestShares: each case belongs to exactly one share.
func TestShares(t *testing.T) {
	for i := range 100 {
		took := 0
		for share := 1; share <= 7; share++ {
			if (Form{share: share, of: 7}).Takes(i) {
				took++
			}
		}
		if took != 1 {
			t.Errorf("case %d belongs to %d of 7 shares", i, took)
		}
	}
	if f := (Form{}); !f.Takes(5) || f.Shared() {
		t.Errorf("without shares: takes %t, shared %t", f.Takes(5), f.Shared())
	}
}

// TestPicks: each share has one of the tests that can't be divided, and all of them have their turn.
func TestPicks(t *testing.T) {
	turns := map[int]int{}
	for share := 1; share <= 40; share++ {
		picked := 0
		for i := range 8 {
			if (Form{share: share, of: 40}).Picks(i, 8) {
				picked++
				turns[i]++
			}
		}
		if picked != 1 {
			t.Errorf("share %d has %d tests, want one", share, picked)
		}
	}
	if diff := cmp.Diff(map[int]int{0: 5, 1: 5, 2: 5, 3: 5, 4: 5, 5: 5, 6: 5, 7: 5}, turns); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
	if !(Form{}).Picks(3, 8) || !(Form{Long: true}).Picks(3, 8) {
		t.Error("without shares a test is left out")
	}
}

// TestLongFormsAreInTheMakefile: each test that has a long form is listed in the Makefile with its package, so that
// `make soak` runs it, and each that is listed is there.
func TestLongFormsAreInTheMakefile(t *testing.T) {
	root := filepath.Join("..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	packages, long := map[string]bool{}, regexp.MustCompile(`\bsoak\.ForTest\(`)
	listed := regexp.MustCompile(`(Test\w+)@(\S+)`).FindAllStringSubmatch(string(raw), -1)
	for _, m := range listed {
		packages[m[2]] = true
		files, err := filepath.Glob(filepath.Join(root, m[2], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && bytes.Contains(text, []byte("\nfunc "+m[1]+"("))
		}) {
			t.Errorf("%s has no %s", m[2], m[1])
		}
	}
	if len(listed) == 0 {
		t.Error("the Makefile lists no tests")
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !long.Match(text) {
			return err
		}
		name, err := filepath.Rel(root, filepath.Dir(path))
		if name = "./" + filepath.ToSlash(name); err == nil && !packages[name] {
			t.Errorf("%s has a test with a long form, and the Makefile lists none of it", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
