package setup

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"o2archiver/shared/archive"
	"o2archiver/shared/tally"
	"o2archiver/shared/usermap"

	"github.com/google/go-cmp/cmp"
)

const (
	head    = "External User ID,Microsoft 365 User Mailbox\n"
	oneFile = head + "447700900101,jane@contoso.example\n"
	twoFile = head + "447700900101,jane@contoso.example\n447700900102,joe@contoso.example\n"
)

func encodeUTF16(s string) []byte {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// A file is checked and compared at once, and nothing is in force before it is confirmed.
func TestUpload(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.report(tally.NamesDocument, tally.Names{Version: 1, Names: map[string]string{"1": "Joe@contoso.example"}})
	w.report(tally.InvalidName, tally.Invalid{Version: 1, Addresses: map[string]time.Time{
		"joe@contoso.example": w.now.Add(-time.Hour), "other@contoso.example": w.now.Add(-2 * time.Hour)}})
	_, err := w.store.Mapping().Write(t.Context(), []byte(oneFile+"447700900103,old@contoso.example\n"))
	if err != nil {
		t.Fatal(err)
	}
	w.mustHold(w.get("/settings/mapping"), "stored outside of this application")
	file := head[:len(head)-1] + ",Valid From\n447700900101,new@contoso.example,31/03/2026\n" +
		"447700900102,joe@contoso.example,\n"
	led, page := w.follow(w.upload("/settings/mapping", []byte(file)))
	if led != "/settings/mapping" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	w.mustHold(page, "2, for 2 numbers of 2 mailboxes", "UTF-8",
		"1 date as day/month/year: in line 2, 31/03/2026 is 2026-03-31",
		"1 added, 1 removed, 1 changed", "new@contoso.example from 2026-03-31",
		"&#43;447700900103", "old@contoso.example",
		"1 mailbox belongs to no valid user", "2026-11-23T08:30:00Z", "1 not seen yet", "Until you confirm")
	if strings.Contains(w.inForce(), "joe") {
		t.Error("the file is in force before it was confirmed")
	}
	first, second := w.post("/settings/mapping", "do", "confirm"), w.post("/settings/mapping", "do", "confirm")
	if led, page = w.follow(first); led != "/settings/mapping?done=file" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	w.mustHold(page, "is in force", "by ann@contoso.example")
	if status, _, location := w.ask(second); status != 303 || location != "/settings/mapping?done=file" {
		t.Errorf("the second click: %d %s", status, location)
	}
	if w.inForce() != file {
		t.Errorf("in force:\n%s", w.inForce())
	}
	all, _, err := w.store.Mapping().Versions(t.Context(), 10)
	if err != nil || len(all) != 2 {
		t.Errorf("%d versions, %v", len(all), err)
	}
	changes := 0
	for _, c := range w.recorded() {
		if c.Action == "mapping.replaced" {
			changes++
			if c.Object != archive.HashMapping([]byte(file)) ||
				strings.Contains(c.Says, "@") || strings.Contains(c.Says, "7700") {
				t.Errorf("the audit line has a number or an address: %s", c.Says)
			}
		}
	}
	if changes != 1 {
		t.Errorf("%d audit lines", changes)
	}
}

// report stores what import reports.
func (w *world) report(name string, v any) {
	w.t.Helper()
	if _, err := w.store.Reports().Put(w.t.Context(), name, v, "*", nil); err != nil {
		w.t.Fatal(err)
	}
}

// What import has reported can be missing, or be what it should not be: the file is compared all the same.
func TestUploadWithoutReports(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	upload := func(says string) {
		t.Helper()
		w.get("/settings/mapping")
		_, page := w.follow(w.upload("/settings/mapping", []byte(oneFile)))
		w.mustHold(page, says)
	}
	upload("has not seen any of these")
	w.report(tally.InvalidName, "no object")
	upload("has not seen any of these")
	w.report(tally.NamesDocument, tally.Names{Version: 1, Names: map[string]string{"1": "jane@contoso.example"}})
	upload("found no mailbox without a user")
}

// Whatever is uploaded, it is taken as a whole or refused with line and reason, and shown as text.
func TestHostileFiles(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for name, tt := range map[string]struct {
		file []byte
		says []string
	}{
		"Windows-1252": {[]byte(head[:len(head)-1] + ",Name\n447700900101,jane@contoso.example,Gr\xf6\xdfe\n"),
			[]string{"Windows-1252", "1 added"}},
		"UTF-16": {encodeUTF16(oneFile), []string{"UTF-16", "1 added"}},
		"BOM":    {[]byte("\ufeff" + oneFile), []string{"UTF-8 with a byte order mark"}},
		"UTF-16 of odd length": {append(encodeUTF16(oneFile), 'x'),
			[]string{"half a character", "Nothing was changed"}},
		"NUL":        {[]byte(oneFile + "\x00"), []string{"not text"}},
		"a workbook": {[]byte("PK\x03\x04xx"), []string{"workbook"}},
		"a formula as a number": {[]byte(head + "=1+1|cmd,jane@contoso.example\n"),
			[]string{"<td>2</td>", "no telephone number"}},
		"a formula as a mailbox": {[]byte(head + "447700900101,=HYPERLINK(\"x\")\n"),
			[]string{"<td>2</td>"}},
		"HTML as a mailbox": {[]byte(head + "447700900101,<script>alert(1)</script>@contoso.example\n"),
			[]string{"<td>2</td>"}},
		"HTML as a date": {[]byte(head[:len(head)-1] +
			",From\n447700900101,jane@contoso.example,<script>alert(1)</script>\n"),
			[]string{"<td>2</td>", "is no date"}},
		"HTML as a heading": {[]byte("<script>alert(1)</script>,Mobile,Email\nx,447700900101,jane@contoso.example\n"),
			[]string{"1 added"}},
		"an open quotation mark": {[]byte(head + "\"447700900101,jane@contoso.example\n"), []string{"quotes"}},
		"many mistakes":          {[]byte(head + strings.Repeat("x,y\n", 300)), []string{"1–100", "more"}},
		"nothing":                {nil, []string{"The file is empty."}},
		"no rows":                {[]byte(head), []string{"no rows"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.get("/settings/mapping")
			_, page := w.follow(w.upload("/settings/mapping", tt.file))
			w.mustHold(page, tt.says...)
			if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") {
				t.Error("the file's content, or its name, is not escaped")
			}
			if w.inForce() != "" {
				t.Error("the file is in force")
			}
			if strings.Contains(page, "was refused") && strings.Contains(page, "Put this file in force") {
				t.Error("a file that was refused can be confirmed")
			}
		})
	}
}

func TestUploadOfTooManyBytes(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/mapping")
	large := bytes.Repeat([]byte("x"), maxFile+1)
	_, page := w.follow(w.upload("/settings/mapping", large))
	w.mustHold(page, "larger than 10 MB", `aria-describedby="file-help" aria-invalid="true"`)
	status, _, _ := w.ask(w.upload("/settings/mapping", bytes.Repeat(large, 2)))
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("20 MB: %d", status)
	}
	if _, page := w.send("/settings/mapping", "do", "upload"); !strings.Contains(page, "Choose a file.") {
		t.Errorf("no file:\n%s", page)
	}
	w.get("/settings/mapping")
	if status, _, _ := w.ask(w.post("/settings/mapping", "do", "something")); status != 400 {
		t.Errorf("a form that is none: %d", status)
	}
}

// Between the report and its confirmation another administrator has put a file in force.
func TestMappingOfTwoAdministrators(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/mapping")
	w.follow(w.upload("/settings/mapping", []byte(oneFile)))
	slow := w.post("/settings/mapping", "do", "confirm")
	w.person = bob
	w.get("/settings/mapping")
	w.follow(w.upload("/settings/mapping", []byte(twoFile)))
	w.send("/settings/mapping", "do", "confirm")
	w.person = ann
	if status, page, _ := w.ask(slow); status != 409 || !strings.Contains(page, "was changed since") {
		t.Errorf("%d\n%s", status, page)
	}
	if w.inForce() != twoFile {
		t.Errorf("in force:\n%s", w.inForce())
	}
	w.mustHold(w.get("/settings/mapping"), "has changed since this report was made")
	w.send("/settings/mapping", "do", "discard")
	if strings.Contains(w.page, "What this file changes") {
		t.Error("the file was not discarded")
	}
	w.get("/settings/mapping")
	gone := w.post("/settings/mapping", "do", "confirm", "sha256", archive.HashMapping([]byte(oneFile)))
	if status, _, _ := w.ask(gone); status != 409 {
		t.Errorf("a discarded file: %d", status)
	}
}

func TestRollBack(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for i, file := range []string{oneFile, twoFile} {
		w.now = w.now.Add(time.Duration(i+1) * time.Hour)
		w.get("/settings/mapping")
		w.follow(w.upload("/settings/mapping", []byte(file)))
		w.send("/settings/mapping", "do", "confirm")
	}
	w.mustHold(w.get("/settings/mapping/versions"), "ann@contoso.example", "in force", "Go back to it",
		archive.HashMapping([]byte(oneFile)))
	led, page := w.send("/settings/mapping/rollback", "version", archive.HashMapping([]byte(oneFile)))
	if led != "/settings/mapping" {
		t.Fatalf("it leads to %s\n%s", led, page)
	}
	w.mustHold(page, "1 removed", "joe@contoso.example")
	w.send("/settings/mapping", "do", "confirm")
	if w.inForce() != oneFile {
		t.Errorf("in force:\n%s", w.inForce())
	}
	for version, want := range map[string]int{archive.HashMapping([]byte(twoFile)): 200, strings.Repeat("0", 64): 404,
		"..": 404} {
		path := "/settings/mapping/versions/" + strings.ReplaceAll(version, ".", "%2e")
		status, body, _ := w.ask(httptest.NewRequest("GET", path, nil))
		if status != want || want == 200 && body != twoFile {
			t.Errorf("version %s: %d", version, status)
		}
	}
	w.get("/settings/mapping/versions")
	if status, _, _ := w.ask(w.post("/settings/mapping/rollback", "version", "../mapping")); status != 400 {
		t.Errorf("a version that is none: %d", status)
	}
}

// A number from the list of unmapped ones is added to the file that is there, whatever its form.
func TestAddNumber(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/mapping")
	add := func(number, mailbox string) (int, string, string) {
		return w.ask(w.post("/settings/mapping/add", "number", number, "mailbox", mailbox))
	}
	status, _, location := add("+447700900101", "jane@contoso.example")
	if status != 303 || location != "/settings/mapping" {
		t.Fatalf("%d %s", status, location)
	}
	w.mustHold(w.get("/settings/mapping"), "1 added, 0 removed, 0 changed")
	w.send("/settings/mapping", "do", "confirm")
	if status, page, _ := add("+447700900101", "joe@contoso.example"); status != 409 ||
		!strings.Contains(page, "another mailbox for the same days") {
		t.Errorf("a number that is there: %d\n%s", status, page)
	}
	for _, bad := range [][2]string{{"", "x@contoso.example"}, {"+447700900102", ""}} {
		if status, _, _ := add(bad[0], bad[1]); status != 400 {
			t.Errorf("%v: %d", bad, status)
		}
	}
	if status, page, _ := add("<script>alert(1)</script>", "x@contoso.example"); status != 409 ||
		strings.Contains(page, "<script>alert") {
		t.Errorf("HTML: %d\n%s", status, page)
	}
	if got := w.inForce(); !strings.Contains(got, `"+447700900101","jane@contoso.example"`) {
		t.Errorf("in force:\n%s", got)
	}
}

// Several numbers are added one after the other, and confirmed together. One that is sent twice does no harm.
func TestAddNumbers(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.get("/settings/mapping")
	w.follow(w.upload("/settings/mapping", []byte(oneFile)))
	w.send("/settings/mapping", "do", "confirm")
	for _, number := range []string{"+447700900301", "+447700900302", "+447700900302", "+447700900303"} {
		_, page := w.send("/settings/mapping/add", "number", number, "mailbox", "new@contoso.example")
		if strings.Contains(page, "was not added") {
			t.Errorf("%s:\n%s", number, page)
		}
	}
	w.mustHold(w.get("/settings/mapping"), "3 added, 0 removed, 0 changed")
	w.send("/settings/mapping", "do", "confirm")
	for _, number := range []string{"+447700900301", "+447700900302", "+447700900303"} {
		if got := w.inForce(); !strings.HasPrefix(got, oneFile) || strings.Count(got, number) == 0 {
			t.Errorf("in force:\n%s", got)
		}
	}
}

func TestCustomMappingNeedsAFile(t *testing.T) {
	w := newWorld(t)
	w.acceptTerms()
	w.send("/setup/source", "username", siteName, "password", sitePassword)
	for says, fields := range map[string][]string{
		"with neither, nothing would be imported": {"do", "switches"},
		"There is no mapping file yet":            {"do", "switches", "custom", "on"},
	} {
		led, page := w.send("/setup/mapping", fields...)
		if led != "/setup/mapping" {
			t.Errorf("it leads to %s", led)
		}
		w.mustHold(page, says)
	}
	w.follow(w.upload("/setup/mapping", []byte(oneFile)))
	w.send("/setup/mapping", "do", "confirm")
	if led, page := w.send("/setup/mapping", "do", "switches", "custom", "on"); led != "/setup/domains" {
		t.Errorf("with a file it leads to %s\n%s", led, page)
	}
}

func TestTemplateCanBeUploaded(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	status, template, _ := w.ask(httptest.NewRequest("GET", "/settings/mapping/template", nil))
	if status != 200 {
		t.Fatal(status)
	}
	w.get("/settings/mapping")
	_, page := w.follow(w.upload("/settings/mapping", []byte(template+"447700900101,jane@contoso.example,,\r\n")))
	w.mustHold(page, "1 added")
}

// TestEachVersionIsOnAPage: the pages of versions have all of them, each once.
func TestEachVersionIsOnAPage(t *testing.T) {
	for _, test := range []struct {
		all                      int
		page                     string
		first, has, newer, older int
	}{
		{0, "", 1, 0, 0, 0}, {100, "", 1, 100, 0, 0}, {201, "", 1, 100, 0, 2}, {201, "2", 101, 100, 1, 3},
		{201, "3", 201, 1, 2, 0}, {201, "9", 201, 1, 2, 0}, {201, "-1", 1, 100, 0, 2},
	} {
		d := versionsData{Versions: make([]archive.MappingVersion, test.all)}
		d.cut(test.page)
		if d.All != test.all || d.First != test.first || len(d.Versions) != test.has || d.Newer != test.newer ||
			d.Older != test.older {
			t.Errorf("page %q of %d: %d from %d on, %d, %d", test.page, test.all, len(d.Versions), d.First, d.Newer,
				d.Older)
		}
	}
}

// TestFirstChanges: a report has the first numbers, each with its first rows, whatever the number of them.
func TestFirstChanges(t *testing.T) {
	many := slices.Repeat([]string{"jane@contoso.com"}, 100)
	got := firstChanges(slices.Repeat([]usermap.Change{{Number: "+447700900001", Old: many[:6], New: many}}, 150))
	if got.Count != 150 || len(got.Rows) != maxList {
		t.Errorf("%d of %d numbers", len(got.Rows), got.Count)
	}
	want := usermap.Change{Number: "+447700900001", Old: many[:6], New: append(slices.Clone(many[:5]), "and 95 more")}
	if diff := cmp.Diff(want, got.Rows[0]); diff != "" {
		t.Errorf("a number (-want +got):\n%s", diff)
	}
}
