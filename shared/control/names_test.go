package control

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The names are those of all archives: none may change.
func TestNamesOfBlobs(t *testing.T) {
	at := time.Date(2026, 11, 23, 5, 30, 0, 700e6, time.UTC)
	name := Name(at.In(time.FixedZone("", -6*3600)), "0123abcd")
	got := []string{name, commandFolder("fetch"), commandBlob("fetch", name), answerBlob(name), HistoryName(7)}
	want := []string{"20261123T053000Z-0123abcd", "fetch/", "fetch/20261123T053000Z-0123abcd.json",
		"answers/20261123T053000Z-0123abcd.json", "history/000007.json"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for blob, want := range map[string]bool{commandBlob("fetch", name): true, commandBlob("import", name): false,
		"fetch/" + name: false, name + ".json": false, "fetch/other.json": false, "fetch/x/" + name + ".json": false} {
		if got, ok := commandIn("fetch", blob); ok != want || ok && got != name {
			t.Errorf("%s has the command %q, %v; want %v", blob, got, ok, want)
		}
	}
}
