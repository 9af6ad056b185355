package deliveries

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
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

// unshownRun is a run in which no document of a run can be written.
func (w *world) unshownRun() Result {
	w.t.Helper()
	store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
		if archivetest.IsWrite(r) && strings.Contains(r.URL.Path, "/status/runs/") {
			return archivetest.Refuse
		}
		return archivetest.Pass
	}))
	res, err := w.try(w.t.Context(), w.intake(store))
	if err != nil {
		w.t.Fatalf("the intake: %v\n%s", err, w.Log)
	}
	return res
}

// documents returns how many documents of runs there are by their outcomes.
func (w *world) documents() map[string]int {
	w.t.Helper()
	runs, more, err := status.NewReader(w.Store.Status()).Runs(w.t.Context(), "", 5000)
	if err != nil || more {
		w.t.Fatal(more, err)
	}
	all := map[string]int{}
	for _, r := range runs {
		all[r.Outcome]++
	}
	return all
}

// More ZIPs than the State keeps are finished while no document can be written. Each has one after the next run, which
// is noted: the run after that writes none.
func TestBacklogHasDocuments(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		s, all := State{Began: start, Newest: start}, maxDone+maxPlanned/2
		for i := range all {
			key := shortHash(fmt.Sprint(i))
			s.Done = append(s.Done, Done{Key: key, Outcome: Same, Unread: &Unread{Folder: "2026/11/01/delivery-" + key,
				Planned: start, At: start}})
		}
		if _, err := w.Store.Checkpoints().Put(t.Context(), StateName, s, "", nil); err != nil {
			t.Fatal(err)
		}
		w.shelf.put(nameOf(1), makeZIP("a", 1), old)
		if res := w.unshownRun(); res.Read != 1 || len(w.documents()) != 0 {
			t.Fatalf("%+v, documents %v", res, w.documents())
		}
		w.shelf.put(nameOf(2), makeZIP("b", 1), old)
		w.run()
		if diff := cmp.Diff(map[string]int{Complete: 2, Same: all}, w.documents()); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
		written := 0
		store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
			if archivetest.IsWrite(r) && strings.Contains(r.URL.Path, "/status/runs/") {
				written++
			}
			return archivetest.Pass
		}))
		if _, err := w.try(t.Context(), w.intake(store)); err != nil || written != 0 {
			t.Errorf("%d documents written once more, %v", written, err)
		}
		if s := w.state(); len(s.Done) > maxDone || s.Past+len(s.Done) != all+2 {
			t.Errorf("%d finished ZIPs in the state, %d in the past", len(s.Done), s.Past)
		}
	})
}

// The document of the last ZIP of a run is noted in the State, too.
func TestShownIsSaved(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 1), old)
		w.shelf.put(nameOf(2), makeZIP("a", 1), old)
		w.run()
		if done := w.state().Done; len(done) != 2 || done[1].Outcome != Same || done[1].isUnshown() {
			t.Errorf("%+v", done)
		}
	})
}

// A ZIP that is closed long after it was planned, while its document cannot be written, has one after the next run.
func TestClosedLongAfterItWasPlanned(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.shelf.put(nameOf(1), makeZIP("a", 2), old)
		w.shelf.put(nameOf(2), makeZIP("b", 2), old)
		w.cut()
		w.clock.Add(20 * 24 * time.Hour)
		delete(w.shelf.files, nameOf(2))
		w.unshownRun()
		w.clock.Add(2 * time.Hour)
		if w.unshownRun(); w.outcomes() != "complete gone" || len(w.documents()) != 0 {
			t.Fatal(w.outcomes(), w.documents())
		}
		w.run()
		if diff := cmp.Diff(map[string]int{Complete: 1, Gone: 1}, w.documents()); diff != "" {
			t.Errorf("documents (-want +got):\n%s", diff)
		}
		w.CheckRuns(1)
	})
}

// A ZIP that comes again on the same day has the same run. The document of the run is that of its manifest then, also
// if it could not be written at first, and whichever of the two could not.
func TestDocumentOfZIPThatCameAgain(t *testing.T) {
	for _, lost := range []string{"the second", "both"} {
		t.Run(lost, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), makeZIP("a", 3), old)
				w.cut()
				delete(w.shelf.files, nameOf(1))
				w.run()
				w.clock.Add(2 * time.Hour)
				if lost == "both" {
					w.unshownRun()
				} else {
					w.run()
				}
				w.shelf.put(nameOf(1), makeZIP("a", 3), old)
				if w.unshownRun(); w.outcomes() != "gone complete" {
					t.Fatal(w.outcomes())
				}
				w.run()
				if diff := cmp.Diff(map[string]int{Complete: 1}, w.documents()); diff != "" {
					t.Errorf("documents (-want +got):\n%s", diff)
				}
				w.CheckRuns(1)
			})
		})
	}
}

// A ZIP that was closed without being read, and then read under the same lease, is no fresh one any more: its document
// is not written in place of the run's.
func TestReadUnderTheSameLease(t *testing.T) {
	t.Parallel()
	r := run{Intake: New(Options{Now: func() time.Time { return start }}), state: &State{}, fresh: map[string]bool{}}
	for _, outcome := range []string{Gone, Complete} {
		r.state.Open = []ZIP{{Key: "k", Folder: "2026/11/28/a"}}
		if r.closeZIP(0, ending{outcome: outcome}); r.fresh["2026/11/28/a"] != (outcome == Gone) {
			t.Errorf("%s: %v", outcome, r.fresh)
		}
	}
}

// Finished ZIPs without a document stay in the State, up to a number.
func TestUnshownStay(t *testing.T) {
	t.Parallel()
	var s State
	var p Past
	for i := range 2 * maxUnshown {
		s.Done = append(s.Done, Done{Key: shortHash(fmt.Sprint("u", i)), Outcome: Broken, Unread: &Unread{}},
			Done{Key: shortHash(fmt.Sprint("r", i)), Outcome: Complete})
	}
	last := s.Done[len(s.Done)-1]
	if !s.pass(&p, start) || len(s.Done) != maxUnshown+keptDone || p.Keys.len() != 3*maxUnshown-keptDone ||
		s.Past != p.Keys.len() || !cmp.Equal(s.Done[len(s.Done)-1], last) ||
		s.Done[0].Key != shortHash(fmt.Sprint("u", maxUnshown-keptDone/2)) {
		t.Errorf("%d stay, %d are past", len(s.Done), p.Keys.len())
	}
	if s.pass(&p, start) {
		t.Error("there is nothing more to pass")
	}
}
