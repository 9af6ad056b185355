package firsts

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/fetchtest"
)

// The wanted batches of a run come in the order in which they were written, and each once.
func TestEachBatchInOrder(t *testing.T) {
	t.Parallel()
	w := fetchtest.NewWorld(t)
	const folder = "2001/03/01/run"
	for _, line := range []string{"1", "1 again", "2", "3"} {
		var number int
		_, _ = fmt.Sscan(line, &number)
		if _, err := w.Store.Batches().Write(t.Context(), folder, number, []byte(line+"\n"), 1); err != nil {
			t.Fatal(err)
		}
	}
	run := Run{Batches: w.Store.Batches(), Folder: folder, Patience: time.Minute}
	var got []string
	err := run.Each(t.Context(), func(number int) bool { return number != 2 },
		func(number int, name string, data []byte) {
			got = append(got, fmt.Sprintf("%d %s %s", number, name[len(folder):], data))
		})
	want := []string{"1 /00001.ndjson 1\n", "1 /00001-b.ndjson 1 again\n", "3 /00003.ndjson 3\n"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, batches (-want +got):\n%s", err, diff)
	}
}
