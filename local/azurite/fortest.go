package azurite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// forTests is the instance of this test binary. It is global because tests of one package have nothing else in common;
// it ends with the process.
var forTests = sync.OnceValues(func() (*Azurite, error) {
	root, err := repositoryRoot()
	if err != nil {
		return nil, err
	}
	return Start(context.Background(), Options{Root: root})
})

// ForTest returns this test binary's Azurite, in memory, which the first test that calls it starts. All tests of the
// package share it, and the names of containers and tables are fixed: each test needs blobs and keys of its own, e.g.
// by naming the run's folder after the test, and must count only those.
func ForTest(t testing.TB) *Azurite {
	t.Helper()
	a, err := forTests()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// repositoryRoot returns the nearest folder, from the working folder upward, that has local/package-lock.json. In a
// test the working folder is that of the package.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "local", "package-lock.json")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("start Azurite: no folder above has local/package-lock.json")
		}
		dir = up
	}
}
