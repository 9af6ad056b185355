package layout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	planned = time.Date(2026, 11, 23, 5, 30, 0, 700e6, time.UTC)
	from    = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	to      = from.AddDate(0, 0, 1)
	zone    = time.FixedZone("", -6*3600) // in which planned is the day before
)

const key = "0123456789abcdef0123456789abcdef"

// The names are those of all archives: none may change.
func TestNamesOfRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		folder   string
		end      time.Time // zero: not that of a daily window
		backfill string
		imported bool
		delivery string
	}{
		"2026/11/23/20261101T000000Z-20261102T000000Z": {folder: DailyRun(planned, from, to), end: to},
		"2026/11/23/20261101T060000Z-20261102T060000Z": {folder: DailyRun(planned.In(zone),
			from.Add(6*time.Hour).In(zone), to.Add(6*time.Hour).In(zone)), end: to.Add(6 * time.Hour)},
		"2026/11/23/backfill-20261123T053000.700Z-20261101T000000Z-20261102T000000Z": {
			folder: BackfillRun(planned, from, to), backfill: "backfill-20261123T053000.700Z"},
		"2026/11/23/backfill-20261123T053000.000Z-20261101T000000Z-20261102T000000Z": {
			folder:   BackfillRun(planned.Truncate(time.Second).In(zone), from, to),
			backfill: "backfill-20261123T053000.000Z"},
		"2026/11/23/delivery-20261101-17-0123456789ab": {folder: DeliveryRun(planned.In(zone), from, 17, key),
			delivery: "delivery-20261101-17"},
		"2026/11/23/delivery-undated-0-0123456789ab": {folder: DeliveryRun(planned, time.Time{}, 0, key)},
		"2026/11/23/import-0123456789ab":             {folder: ImportRun(planned.In(zone), key), imported: true},
	} {
		if tt.folder != name {
			t.Errorf("%s, want %s", tt.folder, name)
		}
		if end, ok := DailyEnd(name); ok == tt.end.IsZero() || ok && !end.Equal(tt.end) {
			t.Errorf("%s: a daily window that ends at %v, %v; want %v", name, end, ok, tt.end)
		}
		if got := BackfillOf(name); got != tt.backfill {
			t.Errorf("%s: backfill %q, want %q", name, got, tt.backfill)
		}
		if got := IsImport(name); got != tt.imported {
			t.Errorf("%s: import %v, want %v", name, got, tt.imported)
		}
		if got := DeliveryOf(name); got != tt.delivery {
			t.Errorf("%s: delivery %q, want %q", name, got, tt.delivery)
		}
		if got := DayOf(name); got != "2026/11/23" {
			t.Errorf("%s: day %s", name, got)
		}
	}
	for _, name := range []string{"", "2026/11/23", "2026/11/23/run", "2026/11/23/delivery-20261101-17-",
		"2026/11/23/xdelivery-20261101-17-0a", "2026/11/23/ximport-0123456789ab"} {
		if end, ok := DailyEnd(name); ok || BackfillOf(name) != "" || IsImport(name) || DeliveryOf(name) != "" {
			t.Errorf("%q is the run of a daily window until %v, %v, of %q, an import %v or of %q", name, end, ok,
				BackfillOf(name), IsImport(name), DeliveryOf(name))
		}
	}
}

func TestNamesOfDays(t *testing.T) {
	got := []string{Day(planned), Day(planned.In(zone)), DayOf("2026/11/23/run/00001.ndjson"), DayOf("2026/11"),
		DayFolder("2026/11/23"), MonthFolder(planned), YearFolder(planned), AfterDay("2026/11/23"), Stamp(planned),
		Stamp(planned.In(zone)), ISODay("2026/11/23")}
	want := []string{"2026/11/23", "2026/11/23", "2026/11/23", "2026/11", "2026/11/23/", "2026/11/", "2026/",
		"2026/11/23/~", "20261123T053000Z", "20261123T053000Z", "2026-11-23"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if day, err := ParseDay("2026/11/23"); err != nil || !day.Equal(planned.Truncate(24*time.Hour)) {
		t.Errorf("day %v, %v", day, err)
	}
	if at, err := ParseStamp("20261123T053000Z"); err != nil || !at.Equal(planned.Truncate(time.Second)) {
		t.Errorf("stamp %v, %v", at, err)
	}
	for _, bad := range []string{"", "2026-11-23", "2026/11/31", "2026/11/23/"} {
		if day, err := ParseDay(bad); err == nil {
			t.Errorf("%q is the day %v", bad, day)
		}
	}
	for _, run := range []string{DailyRun(planned, from, to), BackfillRun(planned, from, to), ImportRun(planned, key)} {
		if run >= AfterDay("2026/11/23") || AfterDay("2026/11/23") >= DayFolder("2026/11/24") {
			t.Errorf("%s does not sort before %s", run, AfterDay("2026/11/23"))
		}
	}
}
