package account

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/status"
)

// tellMissing writes what fetch says about files that never came.
func tellMissing(t *testing.T, w *portaltest.World, gaps ...status.Gap) {
	t.Helper()
	m := status.MissingFiles{Version: 1, Days: gaps}
	if _, err := w.Store.Status().Put(t.Context(), "missing.json", m, "", nil); err != nil {
		t.Fatal(err)
	}
}

// TestMissingFiles: a day of which files of the vendor never came is not whole, and neither is its month.
func TestMissingFiles(t *testing.T) {
	w := newWorld(t)
	w.Now = time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	w.Run("2026/11/02/a", manifestOf(1, 1, 1), archived(t))
	w.Run("2026/11/03/b", manifestOf(2, 1, 1), archived(t))
	if _, body := w.Get("/months/2026-11"); !strings.Contains(body, "nothing is missing") {
		t.Error("the month is not whole before")
	}
	tellMissing(t, w, status.Gap{Day: day(2), Missing: 3}, status.Gap{Day: day(2).AddDate(0, -1, 0), Missing: 4})
	for path, want := range map[string]string{
		"/days/2026-11-01": `state ok">whole<`, "/days/2026-11-02": `state wait">with gaps<`,
		"/days": "2 days with gaps", "/months/2026-11": `state wait">with gaps<`,
	} {
		if _, body := w.Get(path); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	const cause = "files of the vendor that never came, by their numbers: 3"
	for _, path := range []string{"/days/2026-11-02", "/days/2026-11-02/csv", "/days/2026-11-02/json",
		"/months/2026-11", "/months/2026-11/csv", "/months/2026-11/json"} {
		if _, body := w.Get(path); !strings.Contains(body, cause) {
			t.Errorf("%s lacks the cause", path)
		}
	}
	var d Day
	if _, body := w.Get("/days/2026-11-02/json"); json.Unmarshal([]byte(body), &d) != nil || d.Missing != 3 {
		t.Errorf("%d files are missing", d.Missing)
	}
}

// TestMonthsBeforeTheArchiveBegan: a day before the first window needs no run, and one after it does, also in a month
// that has none at all.
func TestMonthsBeforeTheArchiveBegan(t *testing.T) {
	w := newWorld(t)
	w.Now = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	m := manifestOf(1, 1, 1)
	m.From, m.To = time.Date(2026, 9, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 9, 29, 0, 0, 0, 0, time.UTC)
	w.Run("2026/09/29/a", m, archived(t))
	filled := *m
	filled.Kind, filled.From, filled.To = "backfill", m.From.AddDate(0, -3, 0), m.To.AddDate(0, -3, 0)
	w.Run(layout.BackfillRun(w.Now, filled.From, filled.To), &filled, archived(t))
	for month, want := range map[string]string{
		"1999-01": ">none<", "0000-01": ">none<", "2026-08": ">none<",
		"2026-06": ">whole<", "2026-07": ">none<", // a backfill of one day makes no other one due
		"2026-09": "2 days without a run: 2026-09-29, 2026-09-30.",
		"2026-10": "31 days without a run: 2026-10-01, ", "2026-11": "29 days without a run: 2026-11-01, ",
	} {
		code, body := w.Get("/months/" + month)
		if code != http.StatusOK || !strings.Contains(body, want) ||
			strings.Contains(want, ">") && strings.Contains(body, "without a run") {
			t.Errorf("%s: %d, want %q", month, code, want)
		}
	}
	for _, path := range []string{"/days/0000-01-01", "/months/0000-01"} {
		if _, body := w.Get(path); strings.Contains(body, `rel="prev"`) {
			t.Errorf("%s leads to the year before", path)
		}
	}
}

// TestManyRunsOfADay: whatever the number of files that a vendor sends on a day, the pages stay small, and lead to all
// runs.
func TestManyRunsOfADay(t *testing.T) {
	w := newWorld(t)
	runs := writeManyRuns(t, w, 250)
	for _, path := range []string{"/days/2026-11-22", "/months/2026-11"} {
		all := ""
		for page := 1; page <= 3; page++ {
			_, body := w.Get(fmt.Sprintf("%s?page=%d", path, page))
			if len(body) > 100<<10 {
				t.Errorf("%s: %d bytes", path, len(body))
			}
			if strings.Contains(body, fmt.Sprintf(`href="%s?page=%d" rel="next"`, path, page+1)) != (page < 3) {
				t.Errorf("%s, page %d: the link to the next one", path, page)
			}
			all += body
		}
		for _, run := range runs {
			if strings.Count(all, `href="/runs/`+run+`"`) != 1 {
				t.Errorf("%s lacks %s, or has it twice", path, run)
			}
		}
	}
}
