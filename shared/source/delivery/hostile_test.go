package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"o2archiver/local/soak"
	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery/mimeread"
)

// endless is a reader of so many bytes of one content, without holding them.
type endless struct {
	of   string
	left int
	at   int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) && e.left > 0 {
		c := copy(p[n:min(len(p), n+e.left)], e.of[e.at:])
		n, e.left, e.at = n+c, e.left-c, (e.at+c)%len(e.of)
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Hostile messages have an outcome, and take no more memory than their header and text do, however large they are. In
// the short form the largest are 8 MiB, which is more than is kept as text. Not parallel: it measures.
func TestHostileMessages(t *testing.T) {
	large := 8 << 20
	if soak.ForTest(t).Long {
		large = 64 << 20
	}
	const mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	deep := strings.Builder{}
	for n := range 1_000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=x%d\r\n\r\n--x%d\r\n", n, n)
	}
	inEachOther := head + "\r\n" + strings.Repeat("text\r\n", 1<<20/6)
	for n := range mimeread.MaxWrappers {
		inEachOther = journal(n, reported, rfc822+inBase64, base64Lines(inEachOther))
	}
	for _, tt := range []struct {
		name        string
		eml         io.Reader
		fault, left string
		parts       int
		memory      uint64 // MiB allocated in all
	}{
		{"a header of 10 MB", io.MultiReader(strings.NewReader(head), strings.NewReader("X-Long: "),
			&endless{of: "x", left: 10 << 20}, strings.NewReader("\r\n\r\ntext")), "the header of the message", "",
			0, 48},
		{"a header of 7 MB", io.MultiReader(strings.NewReader(head), strings.NewReader("X-Long: "),
			&endless{of: "x", left: 7 << 20}, strings.NewReader("\r\n\r\ntext")), "", "", 0, 100},
		{"a million fields", io.MultiReader(strings.NewReader(head), &endless{of: "a: b\r\n", left: 6 << 20},
			strings.NewReader("\r\ntext")), "the header of the message", "", 0, 32},
		{"a text of many MiB", io.MultiReader(strings.NewReader(head+"\r\n"), &endless{of: "text\r\n",
			left: large}), "",
			"text (all after the first 4 MiB", 1, 64},
		{"a text of control characters", io.MultiReader(strings.NewReader(head+"\r\n"),
			&endless{of: "\x01", left: 4 << 20}), "header and text of the message", "", 0, 130},
		{"HTML of many MiB", io.MultiReader(strings.NewReader(head+"Content-Type: text/html\r\n\r\n"),
			&endless{of: "<p>text</p>", left: large}), "", "text (all after the first 4 MiB", 1, 64},
		{"an attachment of many MiB", io.MultiReader(strings.NewReader(head+mixed+"--b\r\n\r\ntext\r\n--b\r\n"+
			"Content-Type: audio/wav\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
			&endless{of: strings.Repeat("QUJD", 19) + "\r\n", left: large}, strings.NewReader("\r\n--b--")), "",
			"", 1, 8},
		{"MIME of 1,000 levels", io.MultiReader(strings.NewReader(head + deep.String() + "\r\ntext")), "",
			"attachment (parts below 100 levels are one attachment)", 1, 8},
		{"a million parts", io.MultiReader(strings.NewReader(head+mixed), &endless{of: "--b\r\n\r\n\r\n",
			left: 9_000_000}),
			"", "attachment (all after the first 10000 parts)", mimeread.MaxParts - 1, 64},
		{"names of parts", io.MultiReader(strings.NewReader(head+mixed),
			&endless{of: "--b\r\nContent-Type: image/png; name=" +
				strings.Repeat("n", 60_000) + "\r\n\r\n\r\n", left: 20 << 20}), "", "item (it ends before", 350, 130},
		{"reports in Base64 in each other", strings.NewReader(inEachOther), "", "", 0, 32},
		{"a report around a header of many MiB", io.MultiReader(strings.NewReader(head+mixed+"--b\r\n"+
			"Content-Type: application/x; name=x.eml\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
			&endless{of: strings.Repeat("QTog", 19) + "\r\n", left: large}, strings.NewReader("\r\n--b--")), "",
			"", 1, 64},
		{"empty lines before nothing", io.MultiReader(strings.NewReader(head+mixed+"--b\r\n"+
			"Content-Type: message/rfc822\r\n\r\n"), &endless{of: "\r\n", left: large}, strings.NewReader("\r\n--b--")),
			"", "", 1, 8},
		{"attached texts of many MiB", io.MultiReader(strings.NewReader(head+mixed+"--b\r\nContent-Type: text/html\r\n"+
			"Content-Disposition: attachment\r\n\r\n"), &endless{of: "x", left: large}, strings.NewReader("\r\n--b\r\n"+
			"Content-Disposition: attachment\r\n\r\n"), &endless{of: "x", left: large}, strings.NewReader("\r\n--b--")),
			"", "text (all after the first 4 MiB", 2, 100},
		{"parts with names in pieces", io.MultiReader(strings.NewReader(head+mixed), &endless{of: "--b\r\n" +
			"Content-Disposition: attachment; " + strings.Repeat("filename*1*=utf-8''x; ", 2_000) + "\r\n\r\n\r\n",
			left: 4 << 20}), "", "item (it ends before", 96, 130},
		{"delimiters that are none", io.MultiReader(strings.NewReader(head+mixed+"--b\r\n\r\n"),
			&endless{of: "--\r\n--b-\r\n", left: 4 << 20}, strings.NewReader("--b--")), "", "", 0, 64},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e, err := Describe(tt.eml, Options{})
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > tt.memory {
			t.Errorf("%s: %d MiB of memory, want at most %d", tt.name, used, tt.memory)
		}
		if !strings.HasPrefix(e.Fault, tt.fault) || (e.Fault == "") != (tt.fault == "") || e.RawHash == "" ||
			e.ID != "m1" {
			t.Errorf("%s: fault %q, id %q", tt.name, e.Fault, e.ID)
		}
		r, err := Parse(e)
		var fault *record.Fault
		if errors.As(err, &fault) != (tt.fault != "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if r == nil {
			continue
		}
		if left := strings.Join(r.LeftOut, " | "); !strings.Contains(left, tt.left) || len(r.Attachments) != tt.parts {
			t.Errorf("%s: %d attachments, left out %q", tt.name, len(r.Attachments), left)
		}
	}
}

// A part is stored with its decoded bytes and its ordinal. An error of the store or of the message is returned.
func TestStore(t *testing.T) {
	t.Parallel()
	eml, err := os.ReadFile("testdata/04-mms.eml")
	if err != nil {
		t.Fatal(err)
	}
	var stored []string
	e, err := Describe(bytes.NewReader(eml), Options{Store: func(p Part, r io.Reader) (record.Media, error) {
		content, err := io.ReadAll(r)
		stored = append(stored, fmt.Sprintf("%d %s %s %.4q", p.Ordinal, p.Name, p.Type, content))
		return record.Media{SHA256: fmt.Sprint(len(stored)), Day: "2026/11/28"}, err
	}})
	want := `1 layout.smil application/smil; charset=UTF-8 "<smi" | 2 photo.png image/png "\x89PNG"`
	if got := strings.Join(stored, " | "); err != nil || got != want {
		t.Errorf("stored %s, %v", got, err)
	}
	r, err := Parse(e)
	if err != nil || len(r.Attachments) != 2 || r.Attachments[1].Blob() != "2026/11/28/2" {
		t.Errorf("%+v, %v", r, err)
	}
	e.Media = e.Media[:1]
	e.Media[0] = record.Media{Gone: "the storage refused it", Size: 5}
	if r, err = Parse(e); err != nil || r.Attachments[0].Gone == "" || r.Attachments[1].Gone != "it was not stored" {
		t.Errorf("%+v, %v", r, err)
	}
	gone := errors.New("gone")
	if _, err = Describe(bytes.NewReader(eml), Options{Store: func(Part, io.Reader) (record.Media, error) {
		return record.Media{}, gone
	}}); !errors.Is(err, gone) {
		t.Errorf("an error of the store: %v", err)
	}
	for _, n := range []int{0, 100, 500, 1000, len(eml)} {
		_, err := Describe(io.MultiReader(bytes.NewReader(eml[:n]), iotest.ErrReader(gone)), Options{})
		if !errors.Is(err, gone) {
			t.Errorf("an error after %d bytes: %v", n, err)
		}
	}
}

// What a line of another version or form makes is a fault.
func TestParseOfOtherEntries(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]record.Entry{
		"version": {Version: 2, Mail: &record.Mail{}, RawHash: "00ff"}, "no mail": {Version: 1, RawHash: "00ff"},
		"fault": {Version: 1, Fault: "too large", RawHash: "00ff"}, "nothing in it": {Version: 1,
			Mail: &record.Mail{}, RawHash: "00ff"},
	} {
		_, err := Parse(e)
		var fault *record.Fault
		if !errors.As(err, &fault) || fault.ID != "sha256:00ff" || fault.SHA256 != "00ff" {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range samples {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(journal(1, reported, rfc822+inBase64, base64Lines(journal(2, reported, rfc822, head+"\r\nx")))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, source := range []string{"", record.GenericEML} {
			e := described(t, raw, Options{Source: source, NumberField: "X-Contoso-Number"})
			r, err := Parse(e)
			var fault *record.Fault
			switch {
			case err != nil && (!errors.As(err, &fault) || fault.ID == ""):
				t.Fatalf("an error that is no fault, or without an identity: %v", err)
			case err != nil:
				continue
			case r.ID == "" || r.Time.Year() < 2000 || r.Time.Year() > 9999 || len(r.Attachments) != len(e.Media):
				t.Errorf("%+v", r)
			}
			for _, s := range append([]string{r.ID, r.Text, r.Subject, r.From.Value, r.From.Name(), string(r.Kind),
				r.Owner, r.Status, r.GroupName, r.Network, r.ContentType}, r.LeftOut...) {
				if !utf8.ValidString(s) {
					t.Errorf("invalid UTF-8 %q", s)
				}
			}
		}
	})
}

// The target of a delivery day is 1,500 messages a second on two processors.
func BenchmarkDescribe(b *testing.B) {
	eml, err := os.ReadFile("testdata/04-mms.eml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Describe(bytes.NewReader(eml), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// An address field as long as a header may be takes little more memory than its participants do. Not parallel: it
// measures.
func TestHostileAddressFields(t *testing.T) {
	for _, of := range []string{"a ", "a,", "=?utf-8?q?a?= ", "a:", "\"", "<", "(", ")", "a@[", "a@b.c,", "a@b,\"",
		"\\",
		"=?", "9 ", "<a@b>", ";", "\"a\" <a@b>, ", "a: b@c; ", "a:;", "a:b,", "a@b ", "=?a?q?x",
		"tel:;a=", "9 a, b <a@b>"} {
		field := strings.Repeat(of, mimeread.MaxHeader/len(of))
		for name, read := range map[string]func(){
			"people": func() { readPeople(field, true) },
			"authors": func() {
				if strings.ContainsAny(of, ",;") { // what else is read as in a list
					readAuthors(field, true)
				}
			},
			"subject": func() { readSubject(decodeWords(field)) },
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			read()
			runtime.ReadMemStats(&after)
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 100 {
				t.Errorf("%q: %d MiB of memory for the %s", of, used, name)
			}
		}
	}
}
