package delivery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// described returns the entry of a message after its way through a batch.
func described(t testing.TB, eml []byte, o Options) record.Entry {
	t.Helper()
	e, err := Describe(bytes.NewReader(eml), o)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(eml)
	if e.RawHash != hex.EncodeToString(sum[:]) {
		t.Errorf("the hash is not that of the message")
	}
	line, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var stored record.Entry
	if err := json.Unmarshal(line, &stored); err != nil {
		t.Fatal(err)
	}
	return stored
}

// parsed returns the record of a message.
func parsed(t testing.TB, eml string) *record.Record {
	t.Helper()
	r, err := Parse(described(t, []byte(eml), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The samples follow the vendor's pages where these say something; testdata/golden has the entry and the record of
// each.
func TestSamples(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(samples) < 9 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, path := range samples {
		name := strings.TrimSuffix(filepath.Base(path), ".eml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eml, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{}
			if strings.Contains(name, "generic") {
				o = Options{Source: record.GenericEML, Kind: record.SMS, Network: "Contoso Mobile",
					NumberField: "X-Contoso-Number"}
			}
			if strings.Contains(name, "outside") {
				o = Options{Domains: []string{"contoso.com", "contoso.co.uk"}}
			}
			e := described(t, eml, o)
			e.Until = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
			r, err := Parse(e)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(map[string]any{"entry": e, "record": r}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "golden", name+".json")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("differs (-want +got); -update writes it anew:\n%s", diff)
			}
		})
	}
}

// An item in a journal report is the same item as without it.
func TestJournalReportIsUnwrapped(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile("testdata/01-sms-out.eml")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := os.ReadFile("testdata/09-journal-wrapped.eml")
	if err != nil {
		t.Fatal(err)
	}
	want, got := parsed(t, string(plain)), parsed(t, string(wrapped))
	want.SHA256, got.SHA256 = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-plain +wrapped):\n%s", diff)
	}
	e := described(t, wrapped, Options{})
	if len(e.Mail.Wrapper) == 0 || len(e.Mail.Header) != len(described(t, plain, Options{}).Mail.Header) {
		t.Error("the report's header is not apart from the item's")
	}
}

const head = "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFrom: Jane Doe 447700900123 <jane@contoso.com>\r\n" +
	"To: <447700900456@unknown.example>\r\nX-TELEMESSAGE-ArchiveMessageID: m1\r\nX-TELEMESSAGE-MessageType: SMS\r\n"

// text is an item with a text in a charset.
func textItem(contentType, body string) string {
	return head + "Content-Type: " + contentType + "\r\n\r\n" + body
}

func TestText(t *testing.T) {
	t.Parallel()
	multi := func(parts ...string) string {
		return textItem("multipart/mixed; boundary=b", "--b\r\n"+strings.Join(parts, "\r\n--b\r\n")+"\r\n--b--\r\n")
	}
	const plain, html = "Content-Type: text/plain\r\n\r\nplain", "Content-Type: text/html\r\n\r\n<b>html</b>"
	const picture = "Content-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC"
	for _, tt := range []struct {
		name, eml, text string
		files           string
		left            string
	}{
		{"no type", textItem("", "hello\r\n"), "hello\r\n", "", ""},
		{"UTF-8 without a charset", textItem("text/plain", "caf\u00e9"), "caf\u00e9", "", ""},
		{"Latin-1", textItem("text/plain; charset=ISO-8859-1", "caf\xe9"), "caf\u00e9", "", ""},
		{"Windows-1252", textItem("text/plain; charset=windows-1252", "\x80 5"), "\u20ac 5", "", ""},
		{"Shift JIS", textItem("text/plain; charset=shift_jis", "\x82\xa0"), "\u3042", "", ""},
		{"not of its charset", textItem("text/plain; charset=shift_jis", "a\xff"), "a\ufffd",
			"/text/plain; charset=shift_jis",
			"text (its charset does not have all of its bytes; they are attached)"},
		{"unknown charset", textItem("text/plain; charset=x-own", "a\xff"), "a\u27e6byte FF\u27e7",
			"/text/plain; charset=x-own",
			"text (its charset is unknown; its bytes are attached)"},
		{"no charset, no UTF-8", textItem("text/plain", "caf\xe9"), "caf\u27e6byte E9\u27e7", "", ""},
		{"parameters without quotes", textItem("text/plain; charset=utf-8; x=a b; x=c", "text"), "text", "", ""},
		{"a type that is none", textItem("plain", "text"), "text", "", ""},
		{"HTML only", textItem("text/html", "<b>x</b>"), "<b>x</b>", "", ""},
		{"text, then HTML", multi(plain, html), "plain", "/text/html", ""},
		{"HTML, then text", multi(html, picture, plain), "plain", "/text/html a.png/image/png", ""},
		{"HTML twice", multi(html, html), "<b>html</b>", "/text/html", ""},
		{"two texts", multi(plain, plain), "plain", "/text/plain", ""},
		{"no text", multi(picture), "", "a.png/image/png", ""},
		{"nested", multi(picture, "Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n"+html+"\r\n--c\r\n"+
			plain+"\r\n--c--"), "plain", "a.png/image/png /text/html", ""},
		{"never closed", textItem("multipart/mixed; boundary=b", "--b\r\n"+plain+"\r\n--b\r\n"+picture),
			"plain", "a.png/image/png", "item (it ends before its last part does; it may be cut short)"},
		{"another boundary", textItem("multipart/mixed; boundary=b", "--c\r\n"+plain+"\r\n--c--"),
			"--c\r\n" + plain + "\r\n--c--", "",
			"attachment (the message names parts and has none; all of it is the text) | " +
				"item (it ends before its last part does; it may be cut short)"},
		{"no boundary", textItem("multipart/mixed", "--c\r\nx"), "--c\r\nx", "",
			"attachment (the message names parts and has none; all of it is the text)"},
		{"a message in it", multi(plain, "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext"), "plain",
			"/message/rfc822", ""},
		{"lines that are no fields",
			strings.Replace(textItem("text/plain", "x"), "From:", "no field\r\nFrom:", 1), "x", "",
			"item (lines of its header that are no fields)"},
		{"from an mbox file",
			"From jane@contoso.com Fri Nov 27 09:30:00 2026\r\n" + textItem("text/plain", "x"), "x", "", ""},
		{"encrypted", strings.Replace(multi(plain, picture), "X-TELEMESSAGE-MessageType",
			"X-TELEMESSAGE-ENC-DATAKEY: V2.0#: QUJD\r\nX-TELEMESSAGE-MessageType", 1),
			encryptedText, "/text/plain a.png/image/png", "text (it is encrypted with a key of the customer)"},
		{"not encrypted, the field is empty", strings.Replace(multi(plain), "X-TELEMESSAGE-MessageType",
			"X-TELEMESSAGE-ENC-DATAKEY: \r\nX-TELEMESSAGE-MessageType", 1), "plain", "", ""},
	} {
		r := parsed(t, tt.eml)
		var files []string
		for _, a := range r.Attachments {
			files = append(files, a.Name+"/"+a.Type)
		}
		if got := strings.Join(files, " "); r.Text != tt.text || got != tt.files {
			t.Errorf("%s: text %q with files %q, want %q with %q", tt.name, r.Text, got, tt.text, tt.files)
		}
		if got := strings.Join(r.LeftOut, " | "); got != tt.left {
			t.Errorf("%s: left out %q, want %q", tt.name, got, tt.left)
		}
		if r.ID != "m1" || r.Kind != record.SMS {
			t.Errorf("%s: id %q, kind %q", tt.name, r.ID, r.Kind)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	good := textItem("text/plain", "secret")
	date := "Date: Fri, 27 Nov 2026 09:30:00 +0000"
	with := func(value string) string { return strings.Replace(good, date, value, 1) }
	for name, tt := range map[string]struct{ eml, field, id string }{
		"empty":              {"", "item", ""},
		"no message":         {"PK\x03\x04 secret\x00\r\nsecret", "item", ""},
		"no date":            {with("X: y"), "Date", "m1"},
		"empty date":         {with("Date:"), "Date", "m1"},
		"no offset":          {with("Date: Fri, 27 Nov 2026 09:30:00"), "Date", "m1"},
		"unknown zone":       {with("Date: Fri, 27 Nov 2026 09:30:00 XST"), "Date", "m1"},
		"no date at all":     {with("Date: secret"), "Date", "m1"},
		"impossible day":     {with("Date: 31 Feb 2026 09:30:00 +0000"), "Date", "m1"},
		"before 2000":        {with("Date: Fri, 27 Nov 1999 09:30:00 +0000"), "messageTime", "m1"},
		"after its delivery": {with("Date: Fri, 27 Nov 2027 09:30:00 +0000"), "Date", "m1"},
		"a header of 10 MB":  {with("X-Long: " + strings.Repeat("secret ", 10<<20/7) + "\r\n" + date), "item", ""},
	} {
		e := described(t, []byte(tt.eml), Options{})
		e.Until = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
		_, err := Parse(e)
		var fault *record.Fault
		if !errors.As(err, &fault) || fault.Field != tt.field || fault.SHA256 != e.RawHash {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		want := tt.id
		if want == "" {
			want = "sha256:" + e.RawHash
		}
		if fault.ID != want {
			t.Errorf("%s: id %q, want %q", name, fault.ID, want)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats content: %v", name, err)
		}
	}
}

func TestHeaderFields(t *testing.T) {
	t.Parallel()
	r := parsed(t, "date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFROM: a@b.example\r\n"+
		"Subject: =?utf-8?q?caf=C3=A9?=\r\n folded\r\n"+
		"x-telemessage-archivemessageid:: DELETE_FOR_ALL-1_2\r\nX-TELEMESSAGE-MessageType: : call_log\r\n"+
		"X-TeleMessage-Status: Missed\r\n"+
		"X-TELEMESSAGE-GROUP_NAME: =?iso-8859-1?q?=C9quipe?=\r\nX-TELEMESSAGE-Network: O2\r\n\r\n")
	if r.ID != "DELETE_FOR_ALL-1_2" || r.Kind != record.CallLog || r.Status != "Missed" ||
		r.GroupName != "\u00c9quipe" || !r.GroupMessage || r.Subject != "caf\u00e9 folded" || r.Network != "O2" ||
		r.Derived || r.Source != "" {
		t.Errorf("%+v", r)
	}
	for given, want := range map[string]record.Kind{
		"SMS": "SMS", "sms": "SMS", "CallAudio": record.CallAudio, "call-log": record.CallLog,
		"RCS": "RCS", "Chat Edit": "CHAT EDIT",
	} {
		if r := parsed(t, strings.Replace(head, "Type: SMS", "Type: "+given, 1)+"\r\n"); r.Kind != want {
			t.Errorf("%s: %s, want %s", given, r.Kind, want)
		}
	}
}

// A subject is the sender's unless all of it is known from other fields.
func TestLabelIsNoSubject(t *testing.T) {
	t.Parallel()
	const label = "SMS from 447700900123 to 447700900456"
	for subject, want := range map[string]string{
		label: "", "sms from +447700900123 to +447700900456": "",
		"Deleted " + label:                         "Deleted " + label,
		"MMS from 447700900123 to 447700900456":    "MMS from 447700900123 to 447700900456",
		"SMS from 447700900123 to 447700900789":    "SMS from 447700900123 to 447700900789",
		"SMS from 447700900789 to 447700900456":    "SMS from 447700900789 to 447700900456",
		"SMS from 447700900123 to chat group Rota": "",
		"Holiday": "Holiday",
	} {
		r := parsed(t, "Subject: "+subject+"\r\n"+head+"\r\n")
		if r.Subject != want {
			t.Errorf("%q: %q, want %q", subject, r.Subject, want)
		}
	}
}

// The name of a sender without a number stands where a number would, if the vendor's label has it there.
func TestSenderWithoutNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, from, subject, value, name, left string }{
		{"SMS", "Royal Mail", "SMS from Royal Mail to 447700900456", "Royal Mail", "", ""},
		{"RCS", "HMRC <>", "RCS from HMRC to 447700900456", "HMRC", "", ""},
		{"RCS", "447700900123", "RCS from 447700900123 to 447700900456", "447700900123", "", ""},
		{"SMS", "HMRC", "", "", "HMRC", ""},
		{"SMS", "HMRC", "MMS from HMRC to 447700900456", "", "HMRC", "MMS from HMRC to 447700900456"},
		{"SMS", "Jane <jane@contoso.com>", "SMS from Jane to Ali", "", "Jane", "SMS from Jane to Ali"},
		{"SMS", "Jane", "Letter from Jane to Ali", "", "Jane", "Letter from Jane to Ali"},
		{"", "447700900123", "Note from 447700900123 to 447700900456", "447700900123", "",
			"Note from 447700900123 to 447700900456"},
	} {
		r := parsed(t, "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nX-TELEMESSAGE-MessageType: "+tt.kind+
			"\r\nFrom: "+tt.from+"\r\nTo: 447700900456\r\nSubject: "+tt.subject+"\r\n\r\n")
		if r.From.Value != tt.value || r.From.Name() != tt.name || r.Subject != tt.left {
			t.Errorf("%s, %s, %q: %+v, subject %q", tt.kind, tt.from, tt.subject, r.From, r.Subject)
		}
	}
}

// A member that no e-mail message has is not missing in one.
func TestMissingMembers(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][]string{"SMS": {"textContent"}, "CallAudio": {"attachment"}, "CallLog": nil} {
		r := parsed(t, strings.Replace(head, "Type: SMS", "Type: "+kind, 1)+"\r\n")
		if diff := cmp.Diff(want, r.Missing()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	none := strings.Replace(textItem("text/plain", "x"), "ArchiveMessageID: m1", "ArchiveMessageID: ", 1)
	r := parsed(t, none)
	if r.ID != "sha256:"+r.SHA256 || !r.Derived || r.Source != "" {
		t.Errorf("without an id: %q", r.ID)
	}
	for _, tt := range []struct {
		eml, want string
		derived   bool
	}{
		{"Message-ID: <1@contoso.com>\r\n" + none, "1@contoso.com", false},
		{none, "sha256:" + r.SHA256, true},
		{"Message-ID: " + strings.Repeat("x", maxID+1) + "\r\n" + none, "", true},
	} {
		e := described(t, []byte(tt.eml), Options{Source: record.GenericEML})
		r, err := Parse(e)
		if err != nil || r.Derived != tt.derived || r.Source != record.GenericEML || tt.want != "" && r.ID != tt.want {
			t.Errorf("generic: %q, %v, want %q", r.ID, err, tt.want)
		}
		if r.From.Value != "" || r.From.Name() != "Jane Doe 447700900123" {
			t.Errorf("generic: %+v", r.From)
		}
	}
}
