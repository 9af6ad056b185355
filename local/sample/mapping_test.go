package sample

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMappingFile: mapping.csv, which people are told to try and to change, goes with the day: every row leads to a
// mailbox, and one phone that has no mailbox with the day's own mapping now reaches one.
func TestMappingFile(t *testing.T) {
	raw, err := os.ReadFile("mapping.csv")
	if err != nil {
		t.Fatal(err)
	}
	d := *made()
	before := d.Expect
	d.Mapping = append([]byte("\ufeff"), raw...)
	m := newModel(t, &d)
	got := map[string]string{}
	for number, rows := range m.rows {
		if len(rows) != 1 || m.users[rows[0][1]] == "" {
			t.Errorf("number %s: %q, want one row with a mailbox of the tenant", number, rows)
		}
		got["44"+number] = rows[0][1]
	}
	r := newRoster(d.End)
	want := map[string]string{r.csvOnly.number: "tobias.wren@" + company, r.pager.number: "tobias.wren@" + company,
		r.csvWins.number: "dispatch.desk@" + company, r.after.number: "nadia.castellane@" + company}
	for _, p := range r.nobody {
		if p.last == "Harrow" {
			want[p.number] = "finance.office@" + company
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if after := m.count(&d); after.Unmapped >= before.Unmapped || after.Archived <= before.Archived {
		t.Errorf("%d archived and %d unmapped, with the day's own mapping %d and %d", after.Archived, after.Unmapped,
			before.Archived, before.Unmapped)
	}
}
