package account

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/record"
	"o2archiver/shared/report/reporttest"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	jane = "1d5e7a3c-0000-4000-8000-000000000001"
	evil = "1d5e7a3c-0000-4000-8000-000000000002"
	sam  = "1d5e7a3c-0000-4000-8000-000000000003"

	// hostile is an address as a directory may have it.
	hostile = "=HYPERLINK(\"x\")<script>alert(1)</script>\u202e@contoso.com"
	dayRun  = "2026/11/23/20261122T052000Z-20261123T052000Z"
)

// routesOf are the routes of this package as the portal has them.
func routesOf(r *Reader) []web.Route {
	get := func(path string, handle web.Handler) web.Route {
		return web.Route{Pattern: "GET " + path, Role: identity.Reader, Handle: handle}
	}
	return []web.Route{get("/runs/{year}/{month}/{day}/{run}", r.RunPage), get("/days", r.DaysPage),
		get("/days/{day}", r.DayPage), get("/days/{day}/csv", r.DayCSV), get("/days/{day}/json", r.DayJSON),
		get("/months/{month}", r.MonthPage), get("/items", r.ItemsPage), get("/items/csv", r.ItemsCSV),
		get("/items/json", r.ItemsJSON), get("/users", r.UsersPage), get("/users/csv", r.UsersCSV),
		get("/users/json", r.UsersJSON), get("/silent", r.SilentPage), get("/unmapped", r.UnmappedPage),
		get("/unmapped/csv", r.UnmappedCSV), get("/unmapped/json", r.UnmappedJSON),
		get("/duplicates", r.DuplicatesPage), get("/duplicates/csv", r.DuplicatesCSV),
		get("/duplicates/json", r.DuplicatesJSON), get("/silent/csv", r.SilentCSV),
		get("/silent/json", r.SilentJSON), get("/months/{month}/csv", r.MonthCSV),
		get("/months/{month}/json", r.MonthJSON)}
}

func newWorld(t testing.TB) *portaltest.World {
	w := portaltest.New(t)
	w.Serve(routesOf(New(Options{Totals: w.Totals, Status: status.NewReader(w.Store.Status()),
		Reports: w.Store.Reports(), Now: w.Clock})))
	return w
}

func manifestOf(day, received int, source int64) *archive.Manifest {
	from := time.Date(2026, 11, day, 5, 20, 0, 0, time.UTC)
	return &archive.Manifest{Version: 1, Kind: "daily", From: from, To: from.AddDate(0, 0, 1),
		Started: from.AddDate(0, 0, 1), Finished: from.Add(24*time.Hour + 20*time.Minute),
		Received: received, SourceTotal: &source, Records: received, Staged: received}
}

// text returns a line of a batch: a message of one number to another.
func text(t *testing.T, id, from, to string) []byte {
	return reporttest.Item(t, fmt.Sprintf(`{"messageId":%q,"messageType":"SMS","messageTime":"2026-11-22T09:30:00Z",`+
		`"archivedTime":"2026-11-22T10:00:00Z","msisdn":%q,"from":{"value":%q},"to":[{"value":%q}],`+
		`"textContent":"the text of a message"}`, id, from, from, to))
}

func settle(j *journal.Journal, line int, kind string, o journal.Outcome, reason string) {
	j.Record(journal.Record{Line: line, Records: 1, Kind: kind, Outcome: o, Reason: reason})
}

func copyTo(j *journal.Journal, line int, mailbox string, o journal.Outcome) {
	j.Plan(line, mailbox)
	j.Copy(journal.Copy{Line: line, Key: record.Key("", strconv.Itoa(line), mailbox), Mailbox: mailbox, Outcome: o})
}

// writeDay writes a day with a record of each kind of trouble.
func writeDay(t *testing.T, w *portaltest.World) {
	t.Helper()
	lines := make([][]byte, 8)
	for i := range lines {
		lines[i] = text(t, fmt.Sprint("m", i), "+447700900001", "+447700900002")
	}
	w.Run(dayRun, manifestOf(22, 8, 9), portaltest.Batch{Lines: lines, Outcomes: func(j *journal.Journal) {
		copyTo(j, 1, jane, journal.Imported)
		copyTo(j, 1, evil, journal.Duplicate)
		j.Record(journal.Record{Line: 1, Records: 1, Kind: "SMS", Outcome: journal.Archived, Differs: true,
			Incomplete: 2})
		copyTo(j, 2, evil, journal.Oversize)
		settle(j, 2, "SMS", journal.Archived, "")
		settle(j, 3, "SMS", journal.Unmapped, "no participant has a mailbox in the tenant")
		settle(j, 4, "SYSTEM", journal.Excluded, "a heartbeat: counted, never imported")
		settle(j, 5, "", journal.Quarantined, "the item can't be read: field messageTime: is missing")
		copyTo(j, 6, sam, journal.CopyFailed)
		settle(j, 6, "MMS", journal.RecordFailed, "a copy of it failed: the user has no mailbox any more; a note")
		copyTo(j, 7, jane, journal.Imported)
		settle(j, 7, "<b>@cmd</b>", journal.Archived, "")
		copyTo(j, 8, jane, journal.Imported)
		settle(j, 8, "MMS", journal.Archived, "")
	}})
	w.Report(tally.NamesDocument, tally.Names{Version: 1,
		Names: map[string]string{jane: "jane@contoso.com", evil: hostile}})
}

// TestGoldenCSV: the files as they are, with hostile values.
func TestGoldenCSV(t *testing.T) {
	w := newWorld(t)
	writeDay(t, w)
	for _, path := range []string{"/days/2026-11-22/csv", "/items/csv?day=2026-11-22", "/users/csv?day=2026-11-22",
		"/unmapped/csv?day=2026-11-22", "/duplicates/csv?day=2026-11-22", "/silent/csv?day=2026-11-22",
		"/months/2026-11/csv"} {
		for _, role := range []identity.Role{identity.Admin, identity.Reader} {
			w.Person.Role = role
			status, body := w.Get(path)
			if status != 200 || !strings.HasPrefix(body, "\uFEFF\"") || strings.Contains(body, "the text of") {
				t.Errorf("%s: %d %.40q", path, status, body)
			}
			// The hash of a journal's last line depends on the order in which it was written only.
			compareGolden(t, strings.NewReplacer("/", "-", "?day=2026-11-22", "").Replace(path[1:])+"."+
				role.String()+".csv",
				regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(body, "<hash>"))
			rows, err := newCSV(body).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if last := rows[len(rows)-1]; last[0] != "End of the file" {
				t.Errorf("%s: it does not say that it is whole, but %q", path, last)
			}
			for _, row := range rows {
				for _, cell := range row {
					if cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
						t.Errorf("%s: a spreadsheet takes %q for a formula", path, cell)
					}
				}
			}
		}
	}
}

func newCSV(body string) *csv.Reader {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\uFEFF")))
	r.FieldsPerRecord = -1
	return r
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestCells: what a spreadsheet might run begins with a tab, and no cell breaks its row.
func TestCells(t *testing.T) {
	for cell, want := range map[string]string{"": "", "a=b": "a=b", "=1+1": "\t=1+1", "+44": "\t+44", "-1": "\t-1",
		"@x": "\t@x", "\tx": "\t\tx", "\rx": "\t x", "\nx": "\t x", "＝1": "\t＝1", "＋1": "\t＋1", "－1": "\t－1",
		"＠x":     "\t＠x",
		"a\r\nb": "a  b", "é": "é"} {
		if got := formatCell(cell); got != want {
			t.Errorf("%q: %q, want %q", cell, got, want)
		}
	}
	if got := formatCell(-5); got != "-5" {
		t.Errorf("a number: %q", got)
	}
}

// TestTheSameNumbersEverywhere: page, CSV and JSON of a day have the same numbers, and they are those of the journal.
func TestTheSameNumbersEverywhere(t *testing.T) {
	w := newWorld(t)
	writeDay(t, w)
	_, body := w.Get("/days/2026-11-22/json")
	var d Day
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatal(err)
	}
	r, c := d.Records, d.Copies
	if r.Collected != 8 || r.Archived != 4 || r.Unmapped != 1 || r.Excluded != 1 || r.Quarantined != 1 ||
		r.Failed != 1 ||
		c.Planned != 6 || c.Imported != 3 || c.Duplicate != 1 || c.Oversize != 1 || c.Failed != 1 || d.Received != 8 ||
		d.SourceTotal == nil || *d.SourceTotal != 9 || d.State != Gaps || d.Runs[0].Chain == "" {
		t.Errorf("%s", body)
	}
	_, file := w.Get("/days/2026-11-22/csv")
	rows, err := newCSV(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	_, page := w.Get("/days/2026-11-22")
	for name, n := range map[string]int{"Records collected": r.Collected, "Records archived": r.Archived,
		"Records unmapped": r.Unmapped, "Records quarantined": r.Quarantined, "Records failed": r.Failed,
		"Copies planned": c.Planned, "Copies imported": c.Imported, "Copies duplicate": c.Duplicate} {
		found := false
		for _, row := range rows {
			found = found || row[0] == name && row[1] == strconv.Itoa(n)
		}
		if !found {
			t.Errorf("the CSV has no %s %d", name, n)
		}
		word := strings.ToUpper(strings.Fields(name)[1][:1]) + strings.Fields(name)[1][1:]
		if !regexp.MustCompile(`<th scope="row">` + word + `[^<]*</th><td class="number">` + strconv.Itoa(n) + `</td>`).
			MatchString(page) {
			t.Errorf("the page has no %s %d", word, n)
		}
	}
	kinds, reasons := 0, 0
	for _, k := range d.Kinds {
		kinds += k.Total
	}
	for _, reason := range d.Reasons {
		reasons += reason.Records
	}
	if kinds != r.Collected || reasons != r.Collected-r.Archived {
		t.Errorf("%d records by kind, %d by reason", kinds, reasons)
	}
	if !strings.Contains(page, "the source counts 9 items, and 8 were received") {
		t.Error("the page does not name the difference")
	}
}

// TestEveryPage: each page of each role answers, has no text of a message, escapes what is hostile, and masks numbers
// for readers.
func TestEveryPage(t *testing.T) {
	w := newWorld(t)
	writeDay(t, w)
	paths := []string{"/runs/" + dayRun, "/days", "/days?page=4", "/days/2026-11-22", "/days/2026-11-01",
		"/months/2026-11",
		"/months/2026-01", "/items", "/items?day=2026-11-22", "/items?day=2026-11-22&reason=noMailbox",
		"/items?day=2026-11-22&reason=%3Cscript%3E&page=-1", "/items?day=2026-11-21", "/users",
		"/users?day=2026-11-22&page=9",
		"/users?day=2026-11-21", "/silent", "/silent?day=2026-11-22", "/unmapped", "/unmapped?day=2026-11-21",
		"/duplicates", "/duplicates?what=gone", "/duplicates?day=2026-11-21",
		"/duplicates/csv?what=gone&day=2026-11-22", "/duplicates/json?day=2026-11-22", "/unmapped/json?day=2026-11-22",
		"/silent/json?day=2026-11-22", "/months/2026-11/json"}
	for _, role := range []identity.Role{identity.Admin, identity.Reader} {
		w.Person.Role = role
		for _, path := range paths {
			status, body := w.Get(path)
			if status != 200 || len(body) > 200_000 {
				t.Errorf("%s %s: %d, %d bytes", role, path, status, len(body))
			}
			for _, never := range []string{"<script>alert", "<b>@cmd", "the text of", "\u202e", "ZgotmplZ"} {
				if strings.Contains(body, never) {
					t.Errorf("%s %s has %q", role, path, never)
				}
			}
			if role == identity.Reader && (strings.Contains(body, "900001") || strings.Contains(body, "jane@") ||
				strings.Contains(body, "<form")) {
				t.Errorf("%s shows a reader a number, an address or a form", path)
			}
		}
	}
	for path, want := range map[string]int{"/days/yesterday": 404, "/days/2026-11-22%2F": 404, "/months/2026": 404,
		"/runs/2026/11/22/none": 404, "/items?day=x": 404, "/users?day=2026-13-01": 404} {
		if status, _ := w.Get(path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if log := w.Log.String(); strings.Contains(log, "90000") || strings.Contains(log, "jane") ||
		strings.Contains(log, "alert") {
		t.Error("the log has a number or an address")
	}
}

// TestWhatAdministratorsSee: the unmapped number with its form, the reasons with what to do, replays.
func TestWhatAdministratorsSee(t *testing.T) {
	w := newWorld(t)
	writeDay(t, w)
	for path, wants := range map[string][]string{
		"/unmapped": {"1–2 of 2", "&#43;447700900001", `action="/settings/mapping/add"`,
			"Total of all pages: 2 numbers"},
		"/users": {"1–3 of 3", "jane@contoso.com", "Total of all pages: 3 people",
			`<td class="number">6</td>`},
		"/items":          {"2026-11-22", "The user has no mailbox any more.", "3 records"},
		"/duplicates":     {"1–1 of 1", "this one, or not known"},
		"/days":           {`<rect class="gaps"`, `href="/days/2026-11-22"`, "1–100 of 365", "1 day with gaps"},
		"/runs/" + dayRun: {"Hash over its journals", "the source counts 9"},
		"/items?day=2026-11-22&reason=noMailbox": {"Replay all with this reason",
			`name="item" value="` + dayRun + "/00001:3",
			"1–1 of 1", "Put the number into the mapping, then replay."},
		"/months/2026-11": {"1 day without a run", "Hash (SHA-256)", dayRun},
	} {
		_, body := w.Get(path)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
	}
	if batch, line, ok := ParseValue(dayRun + "/00001:3"); !ok || line != 3 || !archive.IsBatch(batch) {
		t.Errorf("%s, %d, %v", batch, line, ok)
	}
}

// TestPagesOfAList: a page has 100 rows, names the whole, and links its neighbours.
func TestPagesOfAList(t *testing.T) {
	for _, test := range []struct {
		page         string
		total        int
		from, to     int
		former, next string
	}{
		{"", 0, 0, 0, "", ""}, {"1", 100, 1, 100, "", ""}, {"", 101, 1, 100, "", "2"},
		{"2", 101, 101, 101, "1", ""}, {"last", 101, 101, 101, "1", ""},
		{"99", 250, 201, 250, "2", ""}, {"x", 5, 1, 5, "", ""},
	} {
		q := &web.Request{Request: httptest.NewRequest("GET", "/?page="+test.page, nil)}
		rows, l := cutPage(q, make([]int, test.total), func(p int) string { return strconv.Itoa(p) })
		if want := (List{From: test.from, To: test.to, Total: test.total, Former: test.former,
			Next: test.next}); l != want ||
			len(rows) != min(test.total, test.to-test.from+1) {
			t.Errorf("page %q of %d: %+v, want %+v", test.page, test.total, l, want)
		}
	}
}
