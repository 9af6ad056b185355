package deliveries

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/status"
)

// unread returns the documents of the ZIPs that were not read, by their outcomes.
func (w *world) unread() map[string]status.Run {
	w.t.Helper()
	runs, _, err := status.NewReader(w.Store.Status()).Runs(w.t.Context(), "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]status.Run{}
	for _, r := range runs {
		if status.IsUnread(r.Outcome) {
			all[r.Outcome] = r
		}
	}
	return all
}

// Each ZIP that was not read has a document of its own, as those that were read. It is written again if it is missing.
func TestUnreadZIPsHaveDocuments(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		day := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
		cut, began := sample(t, "cut-short"), w.clock.Now().UTC()
		w.shelf.put(nameOf(1), cut, old)
		w.shelf.put(nameOf(2), makeZIP("a", 2), old)
		w.shelf.put(nameOf(3), makeZIP("a", 2), old) // the same bytes
		w.shelf.put(nameOf(4), makeZIP("b", 2), old)
		w.shelf.put(nameOf(5), makeZIP("c", 2), old)
		w.shelf.hangs = func(path string) bool { return path == nameOf(4) || path == nameOf(5) }
		if res, err := w.try(t.Context(), w.intake(w.Store)); err == nil || res.Open != 3 {
			t.Fatalf("%+v, %v", res, err)
		}
		w.shelf.hangs = nil
		delete(w.shelf.files, nameOf(4))
		w.shelf.put(nameOf(5), makeZIP("d", 2), old.Add(time.Minute))
		w.run()
		w.clock.Add(2 * time.Hour)
		last := w.intake(w.Store)
		last.Reporter.Repair(t.Context(), status.Source{}) // is not done again in this hour
		if _, err := w.try(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		got := w.unread()
		want := map[string]status.Run{}
		for outcome, number := range map[string]int{Broken: 1, Same: 3, Gone: 4, Replaced: 5} {
			r := got[outcome]
			if r.Started.Before(began) || r.Closed.Before(r.Started) || r.Size == 0 || r.Run == "" {
				t.Errorf("%s: %+v", outcome, r)
			}
			if !strings.Contains(r.Run, fmt.Sprintf("/delivery-20261128-%d-", number)) {
				t.Errorf("%s: the run is %s, want that of file %d", outcome, r.Run, number)
			}
			want[outcome] = status.Run{Version: 1, Run: r.Run, Kind: "delivery", From: day, To: day.AddDate(0, 0, 1),
				Started: r.Started, Closed: r.Closed, Outcome: outcome, Size: r.Size}
		}
		broken := want[Broken]
		broken.Reasons = []string{"it is no whole ZIP"}
		want[Broken] = broken
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
		for _, r := range got {
			w.Storage.Forget("status", "runs/"+r.Run+".json")
		}
		w.run()
		if diff := cmp.Diff(want, w.unread()); diff != "" {
			t.Errorf("documents that were missing (-want +got):\n%s", diff)
		}
		w.CheckRuns(2)
	})
}
