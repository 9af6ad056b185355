package account

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/portal/internal/portaltest"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/status"
	"o2archiver/shared/tally"
)

// writeManyRuns writes a day of many ZIPs, each with two records that were not archived, for two reasons, and one with
// another content and without an attachment, and returns the names of their runs.
func writeManyRuns(t testing.TB, w *portaltest.World, many int) (runs []string) {
	t.Helper()
	row := w.Row("2026/11/01/sample", portaltest.Batch{Lines: make([][]byte, 3), Outcomes: func(j *journal.Journal) {
		settle(j, 1, "SMS", journal.Unmapped, "no participant has a mailbox in the tenant")
		settle(j, 2, "", journal.Quarantined, "the item can't be read: field messageTime: is missing")
		copyTo(j, 3, jane, journal.Imported)
		j.Record(journal.Record{Line: 3, Records: 1, Kind: "SMS", Outcome: journal.Archived, Differs: true,
			Incomplete: 1})
	}})
	for n := range many {
		run := fmt.Sprintf("2026/11/23/delivery-20261122-%d-%012x", n+1, n)
		runs = append(runs, run)
		if err := w.Totals.Add(t.Context(), archive.BatchName(run, 1), row); err != nil {
			t.Fatal(err)
		}
		err := w.Totals.PutRun(t.Context(), tally.OfRun(run, []tally.Batch{row}, manifestOf(22, 3, 3), 1, 3), "")
		if err != nil {
			t.Fatal(err)
		}
		w.Report(tally.NoMailboxesName(run), tally.NoMailboxes{Version: 1, Numbers: []tally.NoMailboxName{
			{Name: fmt.Sprintf("+447700900%03d", n), Own: true, Records: 1, Kinds: map[string]int{"SMS": 1}}}})
	}
	slices.Sort(runs)
	return runs
}

var (
	itemValue = regexp.MustCompile(`name="item" value="([^"]+)"`)
	lineCell  = regexp.MustCompile(`class="code">([^<]+)</a> (\d{5}), line (\d+)<`)
	bdiCell   = regexp.MustCompile(`<bdi>([^<]+)</bdi>`)
)

// rowsOf returns what a page has of each row.
func rowsOf(form *regexp.Regexp, page string) (rows []string) {
	for _, m := range form.FindAllStringSubmatch(page, -1) {
		rows = append(rows, html.UnescapeString(strings.Join(m[1:], " ")))
	}
	return rows
}

// walk follows the links of a list, rel being next or prev, and returns its pages.
func walk(t *testing.T, w *portaltest.World, path, rel string) (pages []string, last string) {
	t.Helper()
	link := regexp.MustCompile(`href="([^"]+)" rel="` + rel + `"`)
	for path != "" && len(pages) < 20 {
		code, body := w.Get(path)
		if code != http.StatusOK {
			t.Fatalf("%s: %d", path, code)
		}
		pages, last, path = append(pages, body), path, ""
		if m := link.FindStringSubmatch(body); m != nil {
			path = html.UnescapeString(m[1])
		}
	}
	return pages, last
}

// TestEveryRunIsListed: page by page, forwards and backwards, and as CSV and JSON each list has all that a day with
// more runs than one page reads has, and each run's own list what is of that run. A reason is replayed for all of them.
func TestEveryRunIsListed(t *testing.T) {
	w := newWorld(t)
	runs := writeManyRuns(t, w, 150)
	var items, unmapped, notes, numbers []string
	for n, run := range runs {
		items = append(items, run+"/00001:1", run+"/00001:2")
		unmapped = append(unmapped, run+"/00001:1")
		notes = append(notes, run+" 00001 3")
		numbers = append(numbers, fmt.Sprintf("+447700900%03d", n))
	}
	for _, test := range []struct {
		path, query string
		form        *regexp.Regexp
		want        []string
		pages       int
		ofRun       int // rows of one run
		list        string
	}{
		{"/items", "", itemValue, items, 5, 2, "items"},
		{"/items", "&reason=noMailbox", itemValue, unmapped, 3, 1, "items"},
		{"/duplicates", "&what=gone", lineCell, notes, 3, 1, "lines"},
		{"/unmapped", "", bdiCell, numbers, 3, 1, "numbers"},
	} {
		t.Run(test.path+test.query, func(t *testing.T) {
			query := "?day=2026-11-22" + test.query
			pages, last := walk(t, w, test.path+query, "next")
			if len(pages) != test.pages || !strings.Contains(pages[0], "of the runs 1–60 of 150") {
				t.Errorf("%d pages, want %d", len(pages), test.pages)
			}
			got := rowsOf(test.form, strings.Join(pages, ""))
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the pages (-want +got):\n%s", diff)
			}
			back := pages
			if test.pages > 3 { // the others have the same links
				back, _ = walk(t, w, last, "prev")
			}
			got = rowsOf(test.form, strings.Join(back, ""))
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the pages backwards (-want +got):\n%s", diff)
			}
			if test.ofRun < 2 && test.path == "/items" { // a part of what is there already
				return
			}
			if rows, list := readFiles(t, w, test.path, query, test.list); rows != len(test.want) ||
				list != len(test.want) {
				t.Errorf("%d rows of the CSV, %d of the JSON, want %d", rows, list, len(test.want))
			}
			query = "?run=" + runs[99] + test.query
			_, page := w.Get(test.path + query)
			if got := rowsOf(test.form, page); len(got) != test.ofRun ||
				test.path != "/unmapped" && !strings.HasPrefix(got[0], runs[99]) {
				t.Errorf("the page of a run has %q", got)
			}
			here := "run=" + url.QueryEscape(runs[99])
			if !strings.Contains(page, here) || strings.Contains(page, "/csv?day=") {
				t.Errorf("the links of a run's page leave the run")
			}
			if _, page := w.Get("/runs/" + runs[99]); !strings.Contains(page, test.path+"?"+here) &&
				!strings.Contains(page, html.EscapeString(strings.TrimPrefix(test.query, "&")+"&"+here)) &&
				!strings.Contains(page, html.EscapeString(here+test.query)) {
				t.Errorf("the page of a run does not lead to its list")
			}
			if rows, list := readFiles(t, w, test.path, query, test.list); rows != test.ofRun || list != test.ofRun {
				t.Errorf("%d rows of the run's CSV, %d of its JSON, want %d", rows, list, test.ofRun)
			}
		})
	}
	_, body := w.Get("/items?day=2026-11-22&reason=noMailbox")
	if diff := cmp.Diff(runs, rowsOf(regexp.MustCompile(`name="run" value="([^"]+)"`), body)); diff != "" ||
		!strings.Contains(body, `name="records" value="150"`) {
		t.Errorf("the form to replay the reason has other runs, or other records (-want +got):\n%s", diff)
	}
	if code, _ := w.Get("/items?run=2026/11/23/none"); code != http.StatusNotFound {
		t.Errorf("a run that there is not: %d", code)
	}
	if code, _ := w.Get("/items?run=..%2Fnone"); code != http.StatusNotFound {
		t.Errorf("a run that is none: %d", code)
	}
}

// readFiles returns how many rows of data the CSV of a list has, and how many elements its JSON.
func readFiles(t *testing.T, w *portaltest.World, path, query, list string) (rows, elements int) {
	t.Helper()
	_, body := w.Get(path + "/csv" + query)
	all, err := newCSV(body).ReadAll()
	if err != nil || strings.Contains(body, "Not whole") {
		t.Fatal(err, body)
	}
	_, body = w.Get(path + "/json" + query)
	var file map[string]json.RawMessage
	var some []any
	if err := json.Unmarshal([]byte(body), &file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file[list], &some); err != nil || string(file["left"]) != "0" {
		t.Fatal(err, string(file["left"]))
	}
	return len(all) - 4, len(some) // the head, the total, what is not listed, and the end
}

// TestFileThatTakesTooLong: a file that is not whole says so, and where the rest is; together the files have each item
// once.
func TestFileThatTakesTooLong(t *testing.T) {
	w := newWorld(t)
	runs := writeManyRuns(t, w, 3*fileRuns+1)
	now := w.Now
	w.Serve(routesOf(New(Options{Totals: w.Totals, Status: status.NewReader(w.Store.Status()),
		Reports: w.Store.Reports(), Now: func() time.Time { now = now.Add(fileTime * 2 / 3); return now }})))
	for path, each := range map[string]int{"/items": 2, "/duplicates": 1, "/unmapped": 1} {
		files, got := 0, 0
		for next := path + "/json?day=2026-11-22"; next != "" && files < 20; files++ {
			code, body := w.Get(next)
			var file struct {
				Items, Lines, Numbers []any
				Left                  int
				Rest                  string
			}
			if err := json.Unmarshal([]byte(body), &file); err != nil || code != http.StatusOK {
				t.Fatal(code, err)
			}
			got += len(file.Items) + len(file.Lines) + len(file.Numbers)
			if next = file.Rest; file.Left != max(0, len(runs)-got/each) || (next == "") != (file.Left == 0) {
				t.Errorf("%s: %d left, and the rest is %q", path, file.Left, next)
			}
		}
		if files < 2 || got != each*len(runs) {
			t.Errorf("%s: %d in %d files, want %d", path, got, files, each*len(runs))
		}
		_, body := w.Get(path + "/csv?day=2026-11-22")
		want := regexp.MustCompile(`\r\n"Not whole: the time for one file was over before \d+ runs were ` +
			`read. They are in ` + path + `/csv\?day=2026-11-22&from=2026%2F11%2F23%2Fdelivery-[^"]+"`)
		if !want.MatchString(body) {
			t.Errorf("%s: the CSV does not say that it is not whole", path)
		}
	}
}

// TestFileWithoutStorage: a file of which nothing was sent yet is answered like a page, and one of which a part was
// sent is broken off.
func TestFileWithoutStorage(t *testing.T) {
	w := newWorld(t)
	writeManyRuns(t, w, 4*fileRuns)
	var left atomic.Int64
	client := portaltest.Through(w.Storage, func() archivetest.Fault {
		if left.Add(-1) < 0 {
			return archivetest.Archived
		}
		return archivetest.Pass
	})
	totals, err := tally.Open(tally.Config{ConnectionString: w.Storage.ConnectionString(), HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	w.Serve(routesOf(New(Options{Totals: totals, Status: status.NewReader(w.Store.Status()),
		Reports: w.Store.Reports(), Now: w.Clock})))
	left.Store(1) // the rows of the runs
	if code, body := w.Get("/items/csv?day=2026-11-22"); code < 500 || strings.Contains(body, "delivery-") {
		t.Errorf("%d\n%.300s", code, body)
	}
	left.Store(1 + 3*fileRuns) // more than a buffer holds
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("a file that lacks runs was sent as a whole one")
		}
	}()
	_, body := w.Get("/items/csv?day=2026-11-22")
	t.Errorf("it is answered:\n%s", body)
}

// TestReplayForms: the forms of a reason have all of its runs, each as many as one form may have.
func TestReplayForms(t *testing.T) {
	var many []Facts
	for range 2*MaxReplay + 1 {
		many = append(many, Facts{row: tally.Run{Reasons: map[tally.Reason]int{tally.NoMailbox: 2}}})
	}
	forms := replayForms(many, tally.NoMailbox)
	var got [][4]int
	for _, f := range forms {
		got = append(got, [4]int{f.First, f.Last, len(f.Runs), f.Records})
	}
	want := [][4]int{{1, 200, 200, 400}, {201, 400, 200, 400}, {401, 401, 1, 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
