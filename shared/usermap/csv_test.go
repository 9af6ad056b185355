package usermap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// at is noon in London on a day.
func at(t *testing.T, day string) time.Time {
	t.Helper()
	v, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return v.Add(12 * time.Hour)
}

// dump returns the table as number → "address first-last", open ends left out.
func dump(t *Table) map[string][]string {
	all := map[string][]string{}
	for number, rows := range t.rows {
		for _, r := range rows {
			text := r.address
			if r.first != always || r.last != ever {
				text += fmt.Sprintf(" %d-%d", r.first, r.last)
			}
			all[number] = append(all[number], text)
		}
	}
	return all
}

func wide(s string, order binary.AppendByteOrder) string {
	b := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func TestParseCSVAccepts(t *testing.T) {
	one := map[string][]string{"+447700900123": {"jane@contoso.com"}}
	two := map[string][]string{"+447700900123": {"jane@contoso.com"}, "+447700900456": {"joe@contoso.com"}}
	const vendor = "External User ID,Microsoft 365 User Mailbox\r\n447700900123,jane@contoso.com\r\n" +
		"447700900456,Joe@Contoso.com\r\n"
	for name, tt := range map[string]struct {
		file string
		want map[string][]string
	}{
		"the vendor's example": {vendor, two},
		"BOM":                  {"\ufeff" + vendor, two},
		"UTF-16 little endian": {wide(strings.ReplaceAll(vendor, ",", "\t"), binary.LittleEndian), two},
		"UTF-16 big endian":    {wide(vendor, binary.BigEndian), two},
		"old Mac lines":        {strings.ReplaceAll(vendor, "\r\n", "\r"), two},
		"no line end":          {strings.TrimSpace(vendor), two},
		"semicolons":           {strings.ReplaceAll(vendor, ",", ";"), two},
		"tabs":                 {strings.ReplaceAll(vendor, ",", "\t"), two},
		"sep line":             {"sep=;\r\n" + strings.ReplaceAll(vendor, ",", ";"), two},
		"blank lines":          {"\n\n" + strings.ReplaceAll(vendor, "\r\n", "\r\n,\r\n\r\n"), two},
		"quotes": {"\"EXTERNAL USER ID\",\"microsoft 365 user mailbox\"\n" +
			"\"447700900123\",\"jane@contoso.com\"\n", one},
		"blanks before quotes":   {"Mobile, Email\n\"447700900123\", \"jane@contoso.com\"\n", one},
		"formula":                {"Mobile;Email\n=\"07700900123\";=\"jane@contoso.com\"\n", one},
		"apostrophe":             {"Mobile;Email\n'07700900123;jane@contoso.com\n", one},
		"national form":          {"Mobile,Email\n07700 900-123,jane@contoso.com\n", one},
		"lost zero":              {"Mobile,Email\n7700900123,jane@contoso.com\n", one},
		"plus":                   {"Mobile,Email\n+44 7700 900123,jane@contoso.com\n", one},
		"00":                     {"Mobile,Email\n0044 (0)7700 900123,jane@contoso.com\n", one},
		"no header":              {"447700900123,jane@contoso.com\n", one},
		"no header, other order": {"jane@contoso.com;447700900123\n", one},
		"no header, dates": {"447700900123,jane@contoso.com,2026-01-02,\n",
			map[string][]string{"+447700900123": {"jane@contoso.com 20260102-99999999"}}},
		"other columns": {"Surname,E-Mail,Site,Mobile Number\n" +
			"\"Doe, Jane\",jane@contoso.com,\"Leeds\nUK\",07700900123\n" +
			"Gr\xf6\xdfe,joe@contoso.com,,07700900456,,\n", two},
		"synonym beside the vendor's": {"Email,External User ID,Phone,Microsoft 365 User Mailbox\n" +
			"x@y.z,447700900123,123,jane@contoso.com\n", one},
		"UPN":        {"upn,MSISDN\njane@contoso.com,447700900123\n", one},
		"same twice": {"Mobile,Email\n447700900123,jane@contoso.com\n07700900123,JANE@contoso.com\n", one},
		"two numbers of one person": {"Mobile,Email\n447700900123,jane@contoso.com\n447700900456,jane@contoso.com\n",
			map[string][]string{"+447700900123": {"jane@contoso.com"}, "+447700900456": {"jane@contoso.com"}}},
		"changed hands": {"Mobile,Email,Valid From,Valid To\n447700900123,jane@contoso.com,,31/03/2026\n" +
			"447700900123,joe@contoso.com,01/04/2026,\n",
			map[string][]string{"+447700900123": {"jane@contoso.com 0-20260331", "joe@contoso.com 20260401-99999999"}}},
		"month first, as another date of the file shows": {"Mobile,Email,Valid From,Valid To\n" +
			"447700900123,jane@contoso.com,,03/31/2026\n447700900123,joe@contoso.com,04/01/2026,\n",
			map[string][]string{"+447700900123": {"jane@contoso.com 0-20260331", "joe@contoso.com 20260401-99999999"}}},
		"dates that need no other": {"Mobile,Email,Valid From,Valid To\n" +
			"447700900123,jane@contoso.com,01/01/2026,2026-02-01 00:00:00\n" +
			"447700900123,joe@contoso.com,2026/2/2,\"March 3rd, 2026\"\n" +
			"447700900123,jane@contoso.com,4th April 2026,20260531\n" +
			"447700900456,joe@contoso.com,,2026-05-31T00:00:00Z\n",
			map[string][]string{"+447700900123": {"jane@contoso.com 20260101-20260201",
				"joe@contoso.com 20260202-20260303", "jane@contoso.com 20260404-20260531"},
				"+447700900456": {"joe@contoso.com 0-20260531"}}},
		"apostrophes": {"Mobile;Email\n'07700900123;'jane@contoso.com\n", one},
		"blanks around quotes": {"Mobile,Email\n \"447700900123\" , \"jane@contoso.com\" \n" +
			"\"447700900456\"\t,\u00a0\"joe@contoso.com\"\u00a0\n", two},
		"blanks and tabs": {"Mobile\tEmail\n \"447700900123\" \t jane@contoso.com \n", one},
		"zero-width characters": {"\u200bMobile,E\u200bmail\n" +
			"\u202a447700900123\u202c,jane@\u200bcontoso.com\ufeff\n\ufeff447700900456,joe@contoso.com\n", two},
		"no-break spaces":         {"Mobile,Email\n447700900123\u00a0,\u00a0jane@contoso.com\u2007\n", one},
		"full-width characters":   {"Mobile,Email\n４４７７００９００１２３,ｊａｎｅ＠contoso.com\n", one},
		"header of a second file": {vendor + strings.ToLower(vendor), two},
		"envelopes and names": {"Mobile,Email\ntel:+447700900123,mailto:jane@contoso.com\n" +
			"Mobile: 07700 900456,SMTP:Joe@contoso.com\n", two},
		"names in the mailbox": {"Mobile;Email\n447700900123;Jane Doe <jane@contoso.com>\n" +
			"447700900456;\"\"\"Doe, Joe\"\" <joe@contoso.com>\"\n", two},
		"an empty last cell":      {"Mobile,Email,Note\n447700900123,jane@contoso.com,", one},
		"quotes in a quoted cell": {"Name,Mobile,Email\n\"Jane \"\"J\"\" Doe\",447700900123,jane@contoso.com\n", one},
		"dates": {"Mobile,Email,Start,End\n447700900123,jane@contoso.com,1.4.2026,30 Apr 2026\n" +
			"447700900123,joe@contoso.com,1-may-2026,2026-05-31\n",
			map[string][]string{"+447700900123": {"jane@contoso.com 20260401-20260430",
				"joe@contoso.com 20260501-20260531"}}},
	} {
		table, err := ParseCSV(strings.NewReader(tt.file), "GB")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, dump(table)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if table.Len() != len(tt.want) {
			t.Errorf("%s: Len() = %d", name, table.Len())
		}
	}
}

func TestParseCSVRefuses(t *testing.T) {
	const head = "External User ID,Microsoft 365 User Mailbox,Valid From,Valid To\n"
	for name, tt := range map[string]struct {
		file string
		want []string // "line: part of the reason"
	}{
		"Excel's notation":        {head + "4.47701E+11,jane@contoso.com\n", []string{"2: scientific"}},
		"Excel's German notation": {"Mobile;Email\n4,47701E+11;jane@contoso.com\n", []string{"2: scientific"}},
		"no header, Excel":        {"4.47701E+11,jane@contoso.com\n", []string{"1: scientific"}},
		"decimal":                 {head + "447700900123.0,jane@contoso.com\n", []string{"2: decimal"}},
		"unparsable number":       {head + "home,jane@contoso.com\n", []string{"2: no telephone number"}},
		"short code":              {head + "65000,jane@contoso.com\n", []string{"2: no telephone number"}},
		"two numbers": {head + "07700900123/07700900124,jane@contoso.com\n",
			[]string{"2: no telephone number"}},
		"no number":  {head + ",jane@contoso.com\n", []string{"2: number is empty"}},
		"no mailbox": {head + "447700900123,\n", []string{"2: mailbox is empty"}},
		"one cell":   {head + "447700900123\n", []string{"2: mailbox is empty"}},
		"no @":       {head + "447700900123,jane\n", []string{"2: has no @"}},
		"two @": {head + "447700900123,jane@contoso.com joe@contoso.com\n",
			[]string{"2: more than one @"}},
		"no address": {head + "447700900123,jane doe@contoso.com\n", []string{"2: no email address"}},
		"no domain":  {head + "447700900123,jane@contoso\n", []string{"2: no email address"}},
		"quote in address": {head + "447700900123,jane'or'1@contoso.com\n447700900124,a@b'.c\n",
			[]string{"3: no email address"}},
		"not ASCII": {head + "447700900123,jane@\u212aontoso.com\n", []string{"2: no email address"}},
		"two mailboxes": {head + "447700900123,jane@contoso.com\n\n07700900123,joe@contoso.com\n",
			[]string{"4: another mailbox for the same days in line 2"}},
		"overlap of a day": {head +
			"447700900123,jane@contoso.com,,2026-04-01\n447700900123,joe@contoso.com,2026-04-01,\n",
			[]string{"3: another mailbox"}},
		"backwards": {head + "447700900123,jane@contoso.com,2026-04-02,2026-04-01\n",
			[]string{"2: lies after"}},
		"bad dates": {head +
			"447700900123,jane@contoso.com,soon,\n447700900123,jane@contoso.com,,2026-02-30\n",
			[]string{"2: Valid From is no date", "3: Valid To is no date"}},
		"a date in two ways": {head + "447700900123,jane@contoso.com,01/02/2026,\n",
			[]string{"2: Valid From can be read in two ways"}},
		"a date with dashes": {head + "447700900123,jane@contoso.com,,01-02-2026\n",
			[]string{"2: Valid To can be read in two ways"}},
		"dates of two orders": {head +
			"447700900123,jane@contoso.com,,31/03/2026\n447700900456,jane@contoso.com,,03/31/2026\n", []string{
			"2: line 2 has the day first, line 3 the month", "3: line 2 has the day first"}},
		"an impossible date": {head +
			"447700900123,jane@contoso.com,,31/02/2026\n447700900456,jane@contoso.com,,41/01/2026\n",
			[]string{"2: Valid To is no date", "3: Valid To is no date"}},
		"two digits of a year": {head + "447700900123,jane@contoso.com,31/03/26,1-Apr-26\n",
			[]string{"2: Valid From has a year of two digits", "2: Valid To has a year of two digits"}},
		"a spreadsheet's day": {head + "447700900123,jane@contoso.com,46113,\n",
			[]string{"2: a spreadsheet's number of a day"}},
		"a time of day": {head + "447700900123,jane@contoso.com,2026-04-01 17:30,\n",
			[]string{"2: Valid From is no date"}},
		"a swallowed row": {"Mobile,Email,Name\n447700900123,jane@contoso.com,\"Jane\n" +
			"447700900456,joe@contoso.com,Joe\"\n", []string{"2: takes the rows behind it"}},
		"a swallowed start of a row": {"Mobile,Email,Name,,,\n447700900123,jane@contoso.com,\"Jane\n" +
			"447700900456\",joe@contoso.com,Joe\n", []string{"2: takes the rows behind it"}},
		"a swallowed row in the first column": {"Name,Mobile,Email\n\"Jane,447700900123,jane@contoso.com\n" +
			"\"Joe,447700900456,joe@contoso.com\n", []string{"2: quotes"}},
		"a quote to the end": {"Mobile,Email,Name\n447700900123,jane@contoso.com,\"Jane\n" +
			"447700900456,joe@contoso.com,Joe\n", []string{"2: quotes"}},
		"an extension": {head +
			"01632 960123 ext 5,jane@contoso.com\n01632960124x6,jane@contoso.com\n", []string{"2: has an extension",
			"3: has an extension"}},
		"two addresses in brackets": {head + "447700900123,<jane@contoso.com> <joe@contoso.com>\n",
			[]string{"2: more than one @"}},
		"the vendor's column twice": {"External User ID,External User ID,Email\n" +
			"447700900123,447700900456,jane@contoso.com\n", []string{"1: two columns could be the number"}},
		"an unknown column of dates": {"Mobile,Email,Valid as of\n447700900123,jane@contoso.com,2026-04-01\n",
			[]string{"1: begins with Valid"}},
		"all of a line": {head + "home,jane,soon,2026-02-30\n,,2026-04-02,2026-04-01\n",
			[]string{"2: no telephone", "2: has no @", "2: Valid From is no date", "2: Valid To is no date",
				"3: number is empty", "3: mailbox is empty", "3: lies after"}},
		"comma in a name": {"Mobile,Email,Name\n447700900123,jane@contoso.com,Doe, Jane\n",
			[]string{"2: more cells than columns"}},
		"open quote": {head +
			"447700900123,\"jane@contoso.com\n447700900456,joe@contoso.com\n", []string{"2: quotes"}},
		"stray quote": {head + "447700900123,ja\"ne@contoso.com\n447700900456,joe\n",
			[]string{"2: quotes", "3: has no @"}},
		"all lines are looked at": {head +
			"x,jane@contoso.com\n447700900123,jane@contoso.com\ny,joe@contoso.com\n", []string{"2: no telephone",
			"4: no telephone"}},
		"line after a long cell": {"Mobile,Email,Note\n447700900123,jane@contoso.com,\"a\nb\nc\"\n1,joe@contoso.com,\n",
			[]string{"5: no telephone"}},
		"line after sep": {"sep=,\nMobile,Email\n1,joe@contoso.com\n",
			[]string{"3: no telephone"}},
		"two columns of numbers": {"Mobile,Phone,Email\n447700900123,,jane@contoso.com\n",
			[]string{"1: two columns could be the number"}},
		"two columns of mailboxes": {"Mobile,Email,UPN\n447700900123,,jane@contoso.com\n",
			[]string{"1: two columns could be the mailbox"}},
		"no column of numbers": {"Name,Email\nJane,jane@contoso.com\n",
			[]string{"1: no column is the number"}},
		"no column of mailboxes": {"Mobile,Name\n447700900123,Jane\n",
			[]string{"1: no column is the mailbox"}},
		"unknown header": {"Rufnummer;Postfach\n447700900123;jane@contoso.com\n",
			[]string{"1: neither a header"}},
		"no header, far away": {"Jane,447700900123,jane@contoso.com\n",
			[]string{"1: first two columns"}},
		"header only":          {head, []string{"1: no rows"}},
		"empty":                {"", []string{"1: no rows"}},
		"workbook":             {"PK\x03\x04...", []string{"1: workbook"}},
		"binary":               {"Mobile,Email\n\x00\x00", []string{"1: not text"}},
		"UTF-16 without a BOM": {wide(head, binary.LittleEndian)[2:], []string{"1: not text"}},
		"too large":            {strings.Repeat("\n", maxFile+1), []string{"1: larger than"}},
	} {
		table, err := ParseCSV(strings.NewReader(tt.file), "GB")
		var bad *CSVError
		if table != nil || !errors.As(err, &bad) {
			t.Errorf("%s: table %v, error %v", name, table, err)
			continue
		}
		if len(bad.Lines) != len(tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
			continue
		}
		for i, want := range tt.want {
			line, part, _ := strings.Cut(want, ": ")
			if got := bad.Lines[i]; fmt.Sprint(got.Line) != line || !strings.Contains(got.Reason, part) {
				t.Errorf("%s: line %d: %s; want %q", name, got.Line, got.Reason, want)
			}
		}
	}
}

func TestRefusedLinesAreBounded(t *testing.T) {
	file := "Mobile,Email\n" + strings.Repeat("x,jane@contoso.com\n", 250)
	_, err := ParseCSV(strings.NewReader(file), "GB")
	var bad *CSVError
	if !errors.As(err, &bad) || len(bad.Lines) != 100 || bad.More != 150 {
		t.Fatalf("%v", err)
	}
	if text := err.Error(); !strings.HasSuffix(text, "\nand 150 more mistakes") {
		t.Error(text)
	}
}

func TestOneNumberInManyLinesIsRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("Mobile,Email,Valid From,Valid To\n")
	day := at(t, "2020-01-01")
	for i := range maxRows + 1 {
		text := day.AddDate(0, 0, i).Format(time.DateOnly)
		fmt.Fprintf(&b, "447700900123,jane@contoso.com,%s,%s\n", text, text)
	}
	_, err := ParseCSV(strings.NewReader(b.String()), "GB")
	if err == nil || !strings.Contains(err.Error(), "line 102: the number is in more than 100 lines") {
		t.Error(err)
	}
}

// What -check-mapping echoes: a file of which less was read than its author means shows here.
func TestTableTellsWhatItRead(t *testing.T) {
	const file = "Mobile,Email,Valid From,Valid To\n447700900123,jane@contoso.com,01/02/2026,31/03/2026\n" +
		"447700900123,joe@contoso.com,2026-04-01,\n447700900456,joe@contoso.com,,\n447700900456,joe@contoso.com,,\n"
	table, err := ParseCSV(strings.NewReader(file), "GB")
	if err != nil {
		t.Fatal(err)
	}
	if table.Rows() != 4 || table.Len() != 2 || len(table.Addresses()) != 2 {
		t.Errorf("%d rows, %d numbers, %d mailboxes", table.Rows(), table.Len(), len(table.Addresses()))
	}
	want := []DateForm{{Name: "day/month/year", Line: 2, Given: "01/02/2026", Read: "2026-02-01", Count: 2},
		{Name: "year-month-day", Line: 3, Given: "2026-04-01", Read: "2026-04-01", Count: 1}}
	if diff := cmp.Diff(want, table.Dates()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVersion(t *testing.T) {
	const file = "447700900123,jane@contoso.com\n"
	table, err := ParseCSV(strings.NewReader(file), "GB")
	if err != nil {
		t.Fatal(err)
	}
	// printf '447700900123,jane@contoso.com\n' | sha256sum
	if got, want := table.Version(), "e7bc3b9177017e50cd8af1c9951b346055c9b358784c278c043d5ee376a66ff2"; got != want {
		t.Errorf("Version() = %s, want %s", got, want)
	}
}

func TestAddresses(t *testing.T) {
	const file = "Mobile,Email,Valid From,Valid To\n447700900123,joe@contoso.com,,2026-03-31\n" +
		"447700900123,Jane@contoso.com,2026-04-01,\n447700900456,jane@Contoso.com,,\n"
	table, err := ParseCSV(strings.NewReader(file), "GB")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"jane@contoso.com", "joe@contoso.com"}, table.Addresses()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLookupGoesByTheDayInLondon(t *testing.T) {
	const file = "Mobile,Email,Valid From,Valid To\n" +
		"447700900123,jane@contoso.com,,2026-06-30\n" +
		"447700900123,joe@contoso.com,2026-07-02,2026-12-31\n"
	table, err := ParseCSV(strings.NewReader(file), "GB")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ number, time, want string }{
		{"+447700900123", "2001-01-01T00:00:00Z", "jane@contoso.com"},
		{"+447700900123", "2026-06-30T22:59:59Z", "jane@contoso.com"}, // 23:59:59 in summer time
		{"+447700900123", "2026-06-30T23:00:00Z", ""},                 // 00:00 on 1 July
		{"+447700900123", "2026-07-01T22:59:59.999Z", ""},
		{"+447700900123", "2026-07-01T23:00:00Z", "joe@contoso.com"},
		{"+447700900123", "2026-07-01T20:00:00-05:00", "joe@contoso.com"},
		{"+447700900123", "2026-12-31T23:59:59Z", "joe@contoso.com"}, // winter time is UTC
		{"+447700900123", "2027-01-01T00:00:00Z", ""},
		{"+447700900456", "2026-06-30T12:00:00Z", ""},
		{"", "2026-06-30T12:00:00Z", ""},
	} {
		when, err := time.Parse(time.RFC3339, tt.time)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := table.Lookup(tt.number, when); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Lookup(%s, %s) = %q, %v; want %q", tt.number, tt.time, got, ok, tt.want)
		}
	}
}

func TestReadErrorIsNoCSVError(t *testing.T) {
	want := errors.New("lost")
	_, err := ParseCSV(failing{want}, "GB")
	var bad *CSVError
	if !errors.Is(err, want) || errors.As(err, &bad) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
