package deliveries

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/status"
)

// TestMissingFilesAreNoted: a gap stands in the document of missing files once it has lasted for an hour, during a
// later run, and after a failed one; it goes when the file comes.
func TestMissingFilesAreNoted(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		for _, n := range []int{1, 4} {
			w.shelf.put(nameOf(n), makeZIP(nameOf(n), 1), old)
		}
		noted := func() (days []status.Gap) {
			t.Helper()
			m, err := status.NewReader(w.Store.Status()).MissingFiles(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return m.Days
		}
		if w.run(); len(noted()) > 0 {
			t.Errorf("noted at once: %+v", noted())
		}
		w.clock.Add(time.Hour)
		w.run()
		want := []status.Gap{{Day: noted()[0].Day, Missing: 2}}
		if diff := cmp.Diff(want, noted()); diff != "" {
			t.Errorf("after an hour (-want +got):\n%s", diff)
		}
		w.paused = func() bool { // asked for while the next run is at work
			if diff := cmp.Diff(want, noted()); diff != "" {
				t.Errorf("during a run (-want +got):\n%s", diff)
			}
			return false
		}
		w.run()
		w.paused = nil
		for _, number := range []int{2, 7, 3} {
			w.shelf.put(nameOf(number), makeZIP(nameOf(number), 1), old)
			w.run()
			// Since 7 came two more are missing, which may still come.
			want = []status.Gap{{Day: start.Truncate(24 * time.Hour), Missing: 1}}
			if diff := cmp.Diff(want, noted()); diff != "" {
				t.Errorf("%d came (-want +got):\n%s", number, diff)
			}
		}
		w.clock.Add(time.Hour)
		w.run()
		if got := noted(); len(got) != 1 || got[0].Missing != 2 {
			t.Errorf("an hour later: %+v", got)
		}
	})
}
