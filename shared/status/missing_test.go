package status

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func gapOf(day time.Time, n int64) Gap { return Gap{Day: day, Missing: n} }

// TestNoteMissing: the days that fetch looks at are as it says, those before stay, and the start of a run takes nothing
// back.
func TestNoteMissing(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		day := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
		after := day.AddDate(0, 1, 0)
		r := d.reporter()
		for _, step := range []struct {
			what  string
			since time.Time
			gaps  []Gap
			want  []Gap
		}{
			{"none", day, nil, nil},
			{"two days", day, []Gap{gapOf(after, 2), gapOf(day, 3)}, []Gap{gapOf(day, 3), gapOf(after, 2)}},
			{"one number came", day, []Gap{gapOf(day, 2), gapOf(after, 2)}, []Gap{gapOf(day, 2), gapOf(after, 2)}},
			{"the first day is no longer looked at", day.AddDate(0, 0, 1), []Gap{gapOf(after, 2)},
				[]Gap{gapOf(day, 2), gapOf(after, 2)}},
			{"all numbers of the other day came", day.AddDate(0, 0, 1), nil, []Gap{gapOf(day, 2)}},
		} {
			r.NoteMissing(t.Context(), step.since, step.gaps)
			next := d.reporter()
			next.Begin(t.Context())
			next.End(t.Context(), nil)
			got, err := d.reader.MissingFiles(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(step.want, got.Days); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.what, diff)
			}
		}
		d.setAway(true)
		r.NoteMissing(t.Context(), day, nil)
		d.setAway(false)
		time.Sleep(time.Hour)
		d.reporter().NoteMissing(t.Context(), day, []Gap{gapOf(day, 1)})
		if got, err := d.reader.MissingFiles(t.Context()); err != nil || !cmp.Equal(got.Days, []Gap{gapOf(day, 1)}) {
			t.Errorf("after an outage: %+v, %v", got, err)
		}
		if _, err := d.store.Status().Put(t.Context(), missingName, "damaged", "*", nil); err != nil {
			t.Fatal(err)
		}
		d.reporter().NoteMissing(t.Context(), day, []Gap{gapOf(after, 4)})
		if got, err := d.reader.MissingFiles(t.Context()); err != nil || !cmp.Equal(got.Days, []Gap{gapOf(after, 4)}) {
			t.Errorf("after a damage: %+v, %v", got, err)
		}
	})
}
