package status

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
