package sweeper

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAboveUsual(t *testing.T) {
	t.Parallel()
	days := func(unmapped ...int) (all []RunCounts) {
		for i, n := range unmapped {
			all = append(all, RunCounts{Run: fmt.Sprintf("2026/11/%02d/run", i+1), Unmapped: n})
		}
		return all
	}
	for name, tt := range map[string]struct {
		before []RunCounts
		count  int
		want   []excess
	}{
		"the first day has no usual":          {nil, 1000, nil},
		"the second has":                      {days(0), 6, []excess{{"unmapped", 6, 0}}},
		"a few are not told in a small firm":  {days(0, 0, 0), 5, nil},
		"twice the usual is a busy day":       {days(100, 110, 90), 200, nil},
		"more than twice is not":              {days(100, 110, 90), 201, []excess{{"unmapped", 201, 100}}},
		"one bad day does not become usual":   {days(2, 3, 500, 2, 3), 12, []excess{{"unmapped", 12, 3}}},
		"fewer are nothing to be told":        {days(100, 100), 0, nil},
		"nothing at all, with nothing before": {days(0, 0), 0, nil},
	} {
		if diff := cmp.Diff(tt.want, aboveUsual(RunCounts{Run: "2026/11/20/run", Unmapped: tt.count}, tt.before),
			cmp.AllowUnexported(excess{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	each := RunCounts{LeftOut: 6, Incomplete: 7, Differing: 8, Quarantined: 9, Unmapped: 10}
	want := []excess{{"left-out", 6, 0}, {"incomplete", 7, 0}, {"differing", 8, 0}, {"quarantined", 9, 0},
		{"unmapped", 10, 0}}
	if diff := cmp.Diff(want, aboveUsual(each, days(0)), cmp.AllowUnexported(excess{})); diff != "" {
		t.Errorf("each of them (-want +got):\n%s", diff)
	}
}

func TestRemember(t *testing.T) {
	t.Parallel()
	var all []RunCounts
	for i := range usualRuns + 5 {
		var before []RunCounts
		all, before, _ = rememberRun(all, RunCounts{Run: fmt.Sprintf("2026/11/%02d/run", i+1), Unmapped: i})
		if len(before) != min(i, usualRuns) {
			t.Errorf("run %d is compared with %d", i, len(before))
		}
	}
	if len(all) != usualRuns || all[0].Run != "2026/11/06/run" {
		t.Errorf("%d are remembered, the first %s", len(all), all[0].Run)
	}
	again, _, known := rememberRun(all, RunCounts{Run: "2026/11/33/run", Unmapped: 1})
	if !known || len(again) != usualRuns || again[usualRuns-1].Unmapped != 1 {
		t.Errorf("a run that a replay finished once more: known %t, %v", known, again)
	}
	same, before, _ := rememberRun(all,
		RunCounts{Run: "2026/11/34/backfill-20260101T000000Z-20260102T000000Z", Unmapped: 999})
	if diff := cmp.Diff(all, same); diff != "" || len(before) != usualRuns {
		t.Errorf("a backfill is compared with %d and changes what is usual:\n%s", len(before), diff)
	}
}
