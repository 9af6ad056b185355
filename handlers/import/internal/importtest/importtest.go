// Package importtest opens the storage that the tests of the engines use. It is for tests only.
package importtest

import (
	"testing"

	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
)

// Store returns the archive in this test binary's Azurite, with its containers. All tests of the binary share it: each
// needs blobs of its own.
func Store(t testing.TB) *archive.Store {
	t.Helper()
	store, err := archive.Open(archive.Config{ConnectionString: azurite.ForTest(t).ConnectionString()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}
