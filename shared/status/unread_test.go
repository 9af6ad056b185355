package status

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"o2archiver/shared/archive"
)

// Repair writes the documents of ZIPs that were not read, but not in place of a run's.
func TestRepairOfUnreadZIPs(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		read := d.closed("2026/11/29", "read", archive.Manifest{Version: 1, Kind: "delivery"})
		s := Source{IsOpen: func(string) bool { return false }}
		for _, folder := range []string{read, "2026/11/28/gone", "2026/11/20/old"} {
			s.Unread = append(s.Unread, Run{Run: folder, Outcome: OutcomeGone})
		}
		d.reporter().Repair(t.Context(), s)
		runs, _, err := d.reader.Runs(t.Context(), "", 10)
		var got []string
		for _, r := range runs {
			got = append(got, r.Run+" "+r.Outcome)
		}
		if diff := cmp.Diff([]string{"2026/11/28/gone gone", read + " "}, got); diff != "" || err != nil {
			t.Errorf("%v, documents (-want +got):\n%s", err, diff)
		}
	})
}

// Each intake has its own hour, and looks after its own runs only.
func TestRepairOfTwoIntakes(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		r := d.reporter()
		for _, intake := range []string{"deliveries", "imports"} {
			d.closed("2026/11/29", intake, archive.Manifest{Version: 1, Kind: "delivery"})
		}
		for _, intake := range []string{"deliveries", "imports", "deliveries"} {
			s := Source{Name: intake, IsOpen: func(string) bool { return false },
				Owns:   func(folder string) bool { return strings.HasSuffix(folder, intake) },
				Unread: []Run{{Run: "2026/11/28/unread-" + intake, Outcome: OutcomeBroken}}}
			before := d.documents()
			r.Repair(t.Context(), s)
			after := d.documents()
			want := []string{"2026/11/28/unread-" + intake + " broken", "2026/11/29/" + intake + " "}
			if slices.Contains(before, want[0]) {
				want = nil // within the hour
			}
			got := slices.DeleteFunc(after, func(run string) bool { return slices.Contains(before, run) })
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", intake, diff)
			}
		}
	})
}

// documents returns the runs that have documents, with their outcomes.
func (d *desk) documents() (all []string) {
	d.t.Helper()
	runs, _, err := d.reader.Runs(d.t.Context(), "", 100)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, r := range runs {
		all = append(all, r.Run+" "+r.Outcome)
	}
	return all
}

// A document from before a file came again on the same day is written anew from the manifest, and is not written in
// place of the manifest's.
func TestRepairOfZIPThatCameAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		s := Source{IsOpen: func(folder string) bool { return folder == "2026/11/29/open" }}
		var gone []Run
		for _, name := range []string{"read", "open", "same"} {
			run := Run{Run: d.closed("2026/11/29", name, archive.Manifest{Version: 1, Received: 1, Records: 1}),
				Outcome: OutcomeGone}
			if name == "same" {
				run.Outcome = OutcomeSame
			}
			gone = append(gone, run)
			if !d.reporter().CloseUnread(t.Context(), run) {
				t.Fatal("not written")
			}
		}
		d.reporter().Repair(t.Context(), s)
		want := []string{"2026/11/29/open gone", "2026/11/29/read ", "2026/11/29/same same"}
		if diff := cmp.Diff(want, d.documents()); diff != "" {
			t.Errorf("after the repair (-want +got):\n%s", diff)
		}
		old := Run{Run: "2026/10/01/old", Outcome: OutcomeGone}
		if r := d.reporter(); !r.RepairUnread(t.Context(), gone[0]) || !r.RepairUnread(t.Context(), old) ||
			!r.RepairRun(t.Context(), gone[1].Run, s) || !r.RepairRun(t.Context(), "2026/11/29/never", s) {
			t.Error("something is left to write")
		}
		want = []string{"2026/10/01/old gone", "2026/11/29/open ", "2026/11/29/read ", "2026/11/29/same same"}
		if diff := cmp.Diff(want, d.documents()); diff != "" {
			t.Errorf("of single runs (-want +got):\n%s", diff)
		}
		d.setAway(true)
		if r := d.reporter(); r.CloseUnread(t.Context(), old) || r.RepairUnread(t.Context(), old) ||
			r.RepairRun(t.Context(), gone[0].Run, s) || r.CloseRun(t.Context(), gone[0].Run, Detail{}) {
			t.Error("written to a container that is away")
		}
	})
}
