package usermap

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, file string) *Table {
	t.Helper()
	table, err := ParseCSV(strings.NewReader(file), "GB")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestCompare(t *testing.T) {
	const head = "Mobile,Email,From,To\n"
	old := parse(t, head+"447700900101,a@contoso.com\n447700900102,b@contoso.com\n447700900103,c@contoso.com\n"+
		"447700900104,d@contoso.com\n")
	now := parse(t, head+"447700900105,e@contoso.com\n447700900101,A@contoso.com\n"+
		"447700900102,f@contoso.com,2026-04-01,\n447700900102,b@contoso.com,,2026-03-31\n447700900104,x@contoso.com\n")
	want := Difference{
		Added:   []Change{{"+447700900105", nil, []string{"e@contoso.com"}}},
		Removed: []Change{{"+447700900103", []string{"c@contoso.com"}, nil}},
		Changed: []Change{
			{"+447700900102", []string{"b@contoso.com"},
				[]string{"b@contoso.com to 2026-03-31", "f@contoso.com from 2026-04-01"}},
			{"+447700900104", []string{"d@contoso.com"}, []string{"x@contoso.com"}},
		},
	}
	if diff := cmp.Diff(want, Compare(old, now)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if d := Compare(now, now); len(d.Added)+len(d.Removed)+len(d.Changed) != 0 {
		t.Errorf("a file against itself: %+v", d)
	}
	if d := Compare(nil, now); len(d.Added) != 4 || len(d.Removed)+len(d.Changed) != 0 {
		t.Errorf("a first file: %+v", d)
	}
	if d := Compare(now, nil); len(d.Removed) != 4 {
		t.Errorf("no file: %+v", d)
	}
}

func TestEncoding(t *testing.T) {
	const file = "Mobile,Email,Name\n447700900101,a@contoso.com,Gr\u00f6\u00dfe \u2013\n"
	narrow := strings.NewReplacer("\u00f6", "\xf6", "\u00df", "\xdf", "\u2013", "\x96").Replace(file)
	for want, text := range map[string]string{
		UTF8: file, UTF8BOM: "\ufeff" + file, UTF16: wide(file, binary.LittleEndian), Windows1252: narrow,
	} {
		if got := parse(t, text).Encoding(); got != want {
			t.Errorf("%s is taken for %s", want, got)
		}
	}
	for what, text := range map[string]string{
		"UTF-16 of odd length":  wide(file, binary.LittleEndian) + "x",
		"NUL":                   file + "\x00",
		"UTF-16 without a mark": wide(file, binary.LittleEndian)[2:],
	} {
		if _, err := ParseCSV(strings.NewReader(text), "GB"); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func TestAppendRow(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"none", "", Header + "\n\"+447700900101\",\"a@contoso.com\"\n"},
		{"other columns", "Name;Email;Mobile\r\nx;y@contoso.com;07700900102",
			"Name;Email;Mobile\nx;y@contoso.com;07700900102\n;\"a@contoso.com\";\"+447700900101\"\n"},
		{"no header", "07700900102,y@contoso.com\n\n",
			"07700900102,y@contoso.com\n\"+447700900101\",\"a@contoso.com\"\n"},
		{"sep line", "sep=;\nMobile;Email\n07700900102;y@contoso.com\n",
			"sep=;\nMobile;Email\n07700900102;y@contoso.com\n\"+447700900101\";\"a@contoso.com\"\n"},
		{"Windows-1252", "Mobile,Email,Name\n07700900102,y@contoso.com,\xf6\n",
			"\ufeffMobile,Email,Name\n07700900102,y@contoso.com,\u00f6\n\"+447700900101\",\"a@contoso.com\"\n"},
	} {
		var data []byte
		if tt.file != "" {
			data = []byte(tt.file)
		}
		got, err := AppendRow(data, "+447700900101", "a@contoso.com", "GB")
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for _, tt := range []struct{ name, file, number, mailbox string }{
		{"mapped already", "Mobile,Email\n07700900101,y@contoso.com\n", "+447700900101", "a@contoso.com"},
		{"no number", "", "1", "a@contoso.com"},
		{"no mailbox", "", "+447700900101", ""},
		{"two rows in one", "", "+447700900101", "a@contoso.com\n447700900102,b@contoso.com"},
		{"a file that is refused", "x", "+447700900101", "a@contoso.com"},
	} {
		var data []byte
		if tt.file != "" {
			data = []byte(tt.file)
		}
		_, err := AppendRow(data, tt.number, tt.mailbox, "GB")
		if _, ok := errors.AsType[*CSVError](err); !ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
