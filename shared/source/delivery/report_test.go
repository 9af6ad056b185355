package delivery

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// journal returns a journal report around a part, with further fields in its header.
func journal(level int, fields, partHeader, content string) string {
	boundary := fmt.Sprintf("j%d", level)
	return fields + "From: Archiver <archiver@contoso.com>\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\n" +
		"Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n\r\n" +
		fmt.Sprintf("Sender: level %d\r\n--", level) + boundary + "\r\n" + partHeader + "\r\n" + content +
		"\r\n--" + boundary + "--\r\n"
}

const (
	reported = "X-MS-Journal-Report:\r\n"
	rfc822   = "Content-Type: message/rfc822\r\n"
	inBase64 = "Content-Transfer-Encoding: base64\r\n"
	quoted   = "Content-Transfer-Encoding: quoted-printable\r\n"
)

// base64Lines returns a text in Base64, in lines.
func base64Lines(s string) string {
	var b strings.Builder
	all := base64.StdEncoding.EncodeToString([]byte(s))
	for ; len(all) > 76; all = all[76:] {
		b.WriteString(all[:76] + "\r\n")
	}
	return b.String() + all
}

// quotedLines returns a text in Quoted-Printable, with each equals sign as a code.
func quotedLines(s string) string { return strings.ReplaceAll(s, "=", "=3D") }

// An item in journal reports is the same item as without them, however they hold it.
func TestEveryReportIsUnwrapped(t *testing.T) {
	t.Parallel()
	item, err := os.ReadFile("testdata/04-mms.eml")
	if err != nil {
		t.Fatal(err)
	}
	plain := string(item)
	want := parsed(t, plain)
	want.SHA256 = ""
	wantHeader := described(t, item, Options{}).Mail.Header
	nested := func(levels int, partHeader string, encode func(string) string) string {
		s := plain
		for n := range levels {
			s = journal(n, reported, partHeader, encode(s))
		}
		return s
	}
	asItIs := func(s string) string { return s }
	const file = "Content-Disposition: attachment; filename=\"Item 1.EML\"\r\n"
	for _, tt := range []struct {
		name, eml string
		levels    int
	}{
		{"one report", nested(1, rfc822, asItIs), 1},
		{"two reports", nested(2, rfc822, asItIs), 2},
		{"five reports", nested(5, rfc822, asItIs), 5},
		{"five in Base64", nested(5, rfc822+inBase64, base64Lines), 5},
		{"five in Quoted-Printable", nested(5, rfc822+quoted, quotedLines), 5},
		{"Base64 with parameters", nested(1, rfc822+"Content-Transfer-Encoding: \"BASE64\"; x=y\r\n", base64Lines), 1},
		{"Base64 in a plain one", journal(1, reported, rfc822, nested(1, rfc822+inBase64, base64Lines)), 2},
		{"a plain one in Base64", journal(1, reported, rfc822+inBase64, base64Lines(nested(1, rfc822, asItIs))), 2},
		{"the message is the item", reported + rfc822 + "\r\n" + plain, 1},
		{"the message is the item, in Base64", reported + rfc822 + inBase64 + "\r\n" + base64Lines(plain), 1},
		{"fields of the vendor's", journal(1, reported+"X-TELEMESSAGE-Network: O2\r\n", rfc822, plain), 1},
		{"an empty identity", journal(1, reported+"X-TELEMESSAGE-ArchiveMessageID: \r\n", rfc822, plain), 1},
		{"no field of a report", journal(1, "", rfc822, plain), 1},
		{"no field of a report, in one", journal(1, reported, rfc822, journal(2, "", rfc822, plain)), 2},
		{"a file", journal(1, reported, "Content-Type: application/octet-stream; name=x.eml\r\n", plain), 1},
		{"a file in Base64",
			journal(1, reported, "Content-Type: application/x-eml\r\n"+file+inBase64, base64Lines(plain)), 1},
		{"a file with a name of RFC 2231", journal(1, reported,
			"Content-Type: application/octet-stream; name*=iso-8859-1''caf%e9.eml\r\n", plain), 1},
		{"message/global", journal(1, reported, "Content-Type: message/global\r\n"+inBase64, base64Lines(plain)), 1},
		{"a byte order mark", journal(1, reported, rfc822, "\xef\xbb\xbf"+plain), 1},
		{"empty lines", journal(1, reported, rfc822, "\r\n\r\n"+plain), 1},
		{"a digest", strings.NewReplacer("multipart/mixed; boundary=j1", "multipart/digest; boundary=j1",
			"--j1\r\n\r\nSender", "--j1\r\nContent-Type: text/plain\r\n\r\nSender").Replace(
			journal(1, reported, "", plain)), 1},
	} {
		got := parsed(t, tt.eml)
		got.SHA256 = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-plain +wrapped):\n%s", tt.name, diff)
		}
		e := described(t, []byte(tt.eml), Options{})
		if diff := cmp.Diff(wantHeader, e.Mail.Header); diff != "" {
			t.Errorf("%s: header of the item (-want +got):\n%s", tt.name, diff)
		}
		types := 0 // one for each report
		for _, f := range e.Mail.Wrapper {
			if f[0] == "Content-Type" {
				types++
			}
		}
		if types != tt.levels {
			t.Errorf("%s: headers of %d reports, want %d", tt.name, types, tt.levels)
		}
	}
}

// A message that is no report is the record, with the messages in it as attachments. The record of a report in which
// no item is found states that.
func TestWhatIsNotUnwrapped(t *testing.T) {
	t.Parallel()
	item := textItem("text/plain", "secret")
	const ofVendor = "X-TELEMESSAGE-MessageType: SMS\r\n"
	const file = "Content-Type: application/octet-stream; name=x.eml\r\n"
	const text = "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=x.eml\r\n"
	const none = "item (it is a journal report in which no item was found)"
	six := item
	for n := range 6 {
		six = journal(n, reported, rfc822+inBase64, base64Lines(six))
	}
	for _, tt := range []struct{ name, eml, source, id, text, files, left string }{
		{"six reports", six, "", "", "Sender: level 0", "/message/rfc822", none},
		{"no message in it", journal(1, reported, "Content-Type: application/ms-tnef; name=winmail.dat\r\n", "x"), "",
			"",
			"Sender: level 1", "winmail.dat/application/ms-tnef", none},
		{"an empty message", journal(1, reported, rfc822, ""), "", "", "Sender: level 1", "/message/rfc822", none},
		{"a file that is no message", journal(1, reported, "Content-Type: application/octet-stream; name=x.eml\r\n",
			"Note: x\r\n\r\ntext"), "", "", "Sender: level 1", "x.eml/application/octet-stream", none},
		{"an unknown encoding", journal(1, reported, rfc822+"Content-Transfer-Encoding: x-uuencode\r\n", item), "", "",
			"Sender: level 1", "/message/rfc822", none +
				" | attachment (a part has an unknown transfer encoding and is attached as it came)"},
		{"an item with a message in it", journal(1, reported+"X-TELEMESSAGE-ArchiveMessageID: m0\r\n", rfc822, item),
			"", "m0", "Sender: level 1", "/message/rfc822", ""},
		{"an item without an identity", journal(1, ofVendor, rfc822, item), "", "sha256:", "Sender: level 1",
			"/message/rfc822", ""},
		{"an item without an identity, a message in Base64", journal(1, ofVendor, rfc822+inBase64, base64Lines(item)),
			"", "sha256:", "Sender: level 1", "/message/rfc822", ""},
		{"an item without an identity, a file", journal(1, ofVendor, file, item), "", "sha256:", "Sender: level 1",
			"x.eml/application/octet-stream", ""},
		{"an item without an identity, a text", journal(1, ofVendor, text, item), "", "sha256:", "Sender: level 1",
			"x.eml/text/plain", ""},
		{"another archive", journal(1, "Message-ID: <g>\r\n", rfc822, item), record.GenericEML, "g", "Sender: level 1",
			"/message/rfc822", ""},
		{"another archive, a file", journal(1, "Message-ID: <g>\r\n", "Content-Type: application/x; name=x.eml\r\n",
			item), record.GenericEML, "g", "Sender: level 1", "x.eml/application/x", ""},
		{"an item with an item in it, in a report", journal(1, reported, rfc822,
			journal(2, "X-TELEMESSAGE-ArchiveMessageID: m0\r\n", rfc822+inBase64, base64Lines(item))),
			"", "m0", "Sender: level 2", "/message/rfc822", ""},
		{"two items", strings.Replace(journal(1, reported, rfc822, item), "\r\n--j1--", "\r\n--j1\r\n"+rfc822+"\r\n"+
			strings.ReplaceAll(item, "m1", "m2")+"\r\n--j1--", 1), "", "m1", "secret", "/message/rfc822", ""},
		{"two items in Base64", strings.Replace(journal(1, reported, rfc822+inBase64, base64Lines(item)), "\r\n--j1--",
			"\r\n--j1\r\n"+rfc822+"\r\n"+item+"\r\n--j1--", 1), "", "m1", "secret", "/message/rfc822", ""},
		{"damaged Base64", journal(1, reported, rfc822+inBase64, "*"+base64Lines(item)), "", "m1", "secret", "",
			"item (its Base64 in the journal report is damaged; what can be decoded is here)"},
	} {
		e := described(t, []byte(tt.eml), Options{Source: tt.source})
		r, err := Parse(e)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var files []string
		for _, a := range r.Attachments {
			files = append(files, a.Name+"/"+a.Type)
		}
		if tt.id == "sha256:" {
			tt.id += e.RawHash
		}
		if got := strings.Join(files, " "); r.Text != tt.text || got != tt.files || tt.id != "" && r.ID != tt.id {
			t.Errorf("%s: %q with text %q and files %q", tt.name, r.ID, r.Text, got)
		}
		if got := strings.Join(r.LeftOut, " | "); got != tt.left {
			t.Errorf("%s: left out %q, want %q", tt.name, got, tt.left)
		}
	}
}
