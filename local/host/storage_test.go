package host

import (
	"testing"

	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
)

// realStorage is Azurite, and a function that puts a batch there and returns its address.
func realStorage(t *testing.T) (connection string, put func(folder string, seq int) string) {
	t.Helper()
	a := azurite.ForTest(t)
	store, err := archive.Open(archive.Config{ConnectionString: a.ConnectionString()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a.ConnectionString(), func(folder string, seq int) string {
		name, err := store.Batches().Write(t.Context(), folder, seq, []byte("{}\n"), 1)
		if err != nil {
			t.Fatal(err)
		}
		return a.BlobURL + "/batches/" + name
	}
}
