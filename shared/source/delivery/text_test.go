package delivery

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// mixed returns an item of parts, and multi such a multipart as a part.
func mixed(parts ...string) string { return head + multi("mixed", "b", parts...) }

func multi(kind, boundary string, parts ...string) string {
	return "Content-Type: multipart/" + kind + "; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n" +
		strings.Join(parts, "\r\n--"+boundary+"\r\n") + "\r\n--" + boundary + "--\r\n"
}

// filesOf returns the attachments of a record as name/type.
func filesOf(r *record.Record) string {
	var files []string
	for _, a := range r.Attachments {
		files = append(files, a.Name+"/"+a.Type)
	}
	return strings.Join(files, " ")
}

// An attached text is the text of the item only if there is no other, and stays an attachment.
func TestAttachedText(t *testing.T) {
	t.Parallel()
	const (
		plain    = "Content-Type: text/plain\r\n\r\nplain"
		html     = "Content-Type: text/html\r\n\r\n<b>html</b>"
		picture  = "Content-Type: image/png; name=a.png\r\n\r\nPNG"
		notes    = "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=notes.txt\r\n\r\nNOTES"
		more     = "Content-Type: text/plain\r\nContent-Disposition: \"ATTACHMENT\"; filename=more.txt\r\n\r\nMORE"
		page     = "Content-Type: text/html\r\nContent-Disposition: attachment; filename=page.html\r\n\r\n<p>"
		bare     = "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nBARE"
		named    = "Content-Type: text/plain; name=named.txt\r\n\r\nNAMED"
		inline   = "Content-Type: text/plain; name=i.txt\r\nContent-Disposition: inline; filename=i.txt\r\n\r\nINLINE"
		form     = "Content-Type: text/plain\r\nContent-Disposition: form-data; name=x; filename=f.txt\r\n\r\nFORM"
		notesAre = "notes.txt/text/plain"
	)
	for _, tt := range []struct{ name, eml, source, text, files string }{
		{"HTML, then a file", mixed(html, notes), "", "<b>html</b>", notesAre},
		{"a file, then HTML", mixed(notes, html), "", "<b>html</b>", notesAre},
		{"text, then a file", mixed(plain, notes), "", "plain", notesAre},
		{"a file, then text", mixed(notes, plain), "", "plain", notesAre},
		{"files around HTML", mixed(notes, picture, html, more), "", "<b>html</b>",
			notesAre + " a.png/image/png more.txt/text/plain"},
		{"files around HTML and text", mixed(page, notes, html, more, plain, bare), "", "plain",
			"page.html/text/html " + notesAre + " /text/html more.txt/text/plain /text/plain"},
		{"an attachment without a name", mixed(bare, html), "", "<b>html</b>", "/text/plain"},
		{"nested", mixed(multi("mixed", "c", notes, picture), multi("related", "d", html, picture), more), "",
			"<b>html</b>", notesAre + " a.png/image/png a.png/image/png more.txt/text/plain"},
		{"nested alternative", mixed(notes, multi("alternative", "c", html, plain)), "", "plain",
			notesAre + " /text/html"},
		{"only files", mixed(picture, page, notes, more), "", "NOTES",
			"a.png/image/png page.html/text/html notes.txt/text/plain more.txt/text/plain"},
		{"only a page", mixed(picture, page), "", "<p>", "a.png/image/png page.html/text/html"},
		{"the item is the file", head + notes, "", "NOTES", notesAre},
		{"HTML, then a name", mixed(html, named), "", "<b>html</b>", "named.txt/text/plain"},
		{"the only text has a name", mixed(picture, named), "", "NAMED", "a.png/image/png"},
		{"the vendor's first part has a name", mixed(named, html), "", "NAMED", "/text/html"},
		{"another archive's first part has one", mixed(named, html), record.GenericEML, "<b>html</b>",
			"named.txt/text/plain"},
		{"names of alternatives", mixed(multi("alternative", "c", "Content-Type: text/html; name=a.html\r\n\r\n<p>",
			named)), "", "NAMED", "a.html/text/html"},
		{"inline with a name", mixed(html, inline), "", "INLINE", "/text/html"},
		{"another disposition", mixed(html, form), "", "<b>html</b>", "f.txt/text/plain"},
		{"a file in the report", journal(1, reported, rfc822, mixed(notes, html)), "", "<b>html</b>", notesAre},
		{"a file before the item", strings.Replace(journal(1, reported, rfc822, mixed(html)), "--j1\r\n\r\nSender",
			"--j1\r\n"+notes+"\r\n--j1\r\n\r\nSender", 1), "", "<b>html</b>", notesAre},
	} {
		r, err := Parse(described(t, []byte(tt.eml), Options{Source: tt.source}))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := filesOf(r); r.Text != tt.text || got != tt.files || len(r.LeftOut) != 0 {
			t.Errorf("%s: text %q with files %q, left out %q, want %q with %q", tt.name, r.Text, got, r.LeftOut,
				tt.text, tt.files)
		}
	}
}

// A transfer encoding is known in any spelling. What cannot be decoded is kept as it came, and the record says so.
func TestTransferEncodings(t *testing.T) {
	t.Parallel()
	const (
		unknownText = "text (its transfer encoding is unknown; it is as it came)"
		unknownFile = "attachment (a part has an unknown transfer encoding and is attached as it came)"
		damagedText = "text (its Base64 is damaged; what can be decoded is here)"
		damagedFile = "attachment (the Base64 of a part is damaged; what can be decoded is attached)"
	)
	for _, tt := range []struct{ encoding, content, decoded, text, file string }{
		{"base64;", "aGVsbG8=", "hello", "", ""},
		{"\"base64\"", "aGVsbG8=", "hello", "", ""},
		{"'base64'", "aGVsbG8=", "hello", "", ""},
		{"base64 (comment)", "aGVsbG8=", "hello", "", ""},
		{"(comment) base64", "aGVsbG8=", "hello", "", ""},
		{"base64(comment)", "aGVsbG8=", "hello", "", ""},
		{" \tBASE64 \t", "aGVsbG8=", "hello", "", ""},
		{"Base64; charset=utf-8", "aGVsbG8=", "hello", "", ""},
		{"Quoted-Printable;", "caf=C3=A9", "caf\u00e9", "", ""},
		{"\"quoted-printable\"", "caf=C3=A9", "caf\u00e9", "", ""},
		{"7bit", "a=C3", "a=C3", "", ""},
		{"8 bit", "a=C3", "a=C3", "", ""},
		{"Binary", "a=C3", "a=C3", "", ""},
		{";", "a=C3", "a=C3", "", ""},
		{"x-uuencode", "begin 644 a", "begin 644 a", unknownText, unknownFile},
		{"x-gzip64", "H4sI", "H4sI", unknownText, unknownFile},
		{"base 64", "aGVsbG8=", "aGVsbG8=", unknownText, unknownFile},
		{"base64", "aGVsbG8", "hello", "", ""},
		{"base64", "aGVs bG8\t=\r\n\r\n", "hello", "", ""},
		{"base64", "aGU=\r\nbGxv", "hello", "", ""},
		{"base64", "aG*Vs!bG8=", "hello", damagedText, damagedFile},
		{"base64", "aGVs\x00bG8=", "hello", damagedText, damagedFile},
		{"base64", "aGVsbG8hQ", "hello!", damagedText, damagedFile},
		{"base64", "aGVsbG8hQ=", "hello!", damagedText, damagedFile},
	} {
		encoded := "Content-Transfer-Encoding: " + tt.encoding + "\r\n"
		r := parsed(t, head+encoded+"\r\n"+tt.content)
		if got := strings.Join(r.LeftOut, " | "); r.Text != tt.decoded || got != tt.text {
			t.Errorf("%q, %q: text %q, left out %q", tt.encoding, tt.content, r.Text, got)
		}
		e := described(t, []byte(mixed("\r\nx", "Content-Type: image/png\r\n"+encoded+"\r\n"+tt.content)), Options{})
		want := described(t, []byte(mixed("\r\nx", "Content-Type: image/png\r\n\r\n"+tt.decoded)), Options{})
		if diff := cmp.Diff(want.Media, e.Media); diff != "" {
			t.Errorf("%q, %q: the attachment (-want +got):\n%s", tt.encoding, tt.content, diff)
		}
		if got := strings.Join(e.Mail.LeftOut, " | "); got != tt.file {
			t.Errorf("%q, %q: left out %q", tt.encoding, tt.content, got)
		}
		html := described(t, []byte(head+"Content-Type: text/html\r\n"+encoded+"\r\n"+tt.content), Options{})
		if got := strings.Join(html.Mail.LeftOut, " | "); html.Mail.Text != tt.decoded || got != tt.text {
			t.Errorf("%q, %q in HTML: text %q, left out %q", tt.encoding, tt.content, html.Mail.Text, got)
		}
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	const disposition, contentType = "Content-Disposition: attachment; ", "Content-Type: application/pdf; "
	for _, tt := range []struct{ field, want string }{
		{disposition + "filename=a.pdf", "a.pdf"},
		{disposition + "filename=\"a b.pdf\"", "a b.pdf"},
		{disposition + "filename=\"a*b.pdf\"", "a*b.pdf"},
		{disposition + "filename=a b.pdf", "a b.pdf"},
		{disposition + "filename*=utf-8''caf%C3%A9.pdf", "caf\u00e9.pdf"},
		{disposition + "filename*=UTF-8'en'a%20b.pdf; size=3", "a b.pdf"},
		{disposition + "filename*=iso-8859-1''caf%e9.pdf", "caf\u00e9.pdf"},
		{disposition + "FILENAME*=\"iso-8859-1''caf%E9.pdf\"", "caf\u00e9.pdf"},
		{disposition + "filename=cafe.pdf; filename*=iso-8859-1''caf%e9.pdf", "caf\u00e9.pdf"},
		{disposition + "filename*=shift_jis''%82%a0.pdf", "\u3042.pdf"},
		{disposition + "filename*=x-own''a%ff.pdf", "a\u27e6byte FF\u27e7.pdf"},
		{disposition + "filename*=caf%C3%A9.pdf", "caf\u00e9.pdf"},
		{disposition + "filename*=utf-8''100%.pdf", "100%.pdf"},
		{disposition + "filename*0*=iso-8859-1''caf%e9; filename*1=.pdf", "caf\u00e9.pdf"},
		{disposition + "filename*0*=iso-8859-1''caf; filename*1*=%e9; filename*2=\"; a.pdf\"", "caf\u00e9; a.pdf"},
		{disposition + "filename*0*=utf-8''%e2%82; filename*1*=%ac.pdf", "\u20ac.pdf"},
		{disposition + "filename*1=\".pdf\"; filename*0=\"a\"", "a.pdf"},
		{disposition + "filename*1=a; filename*2=.pdf", "a.pdf"},
		{disposition + "x=1; x=2; filename*=iso-8859-1''caf%e9.pdf", "caf\u00e9.pdf"},
		{disposition + "filename=\"=?utf-8?Q?caf=C3=A9.pdf?=\"", "caf\u00e9.pdf"},
		{disposition + "filename==?utf-8?B?Y2Fmw6k=?=.pdf", "caf\u00e9.pdf"},
		{disposition + "filename*0=\"=?utf-8?Q?caf=C3\"; filename*1=\"=A9.pdf?=\"", "caf\u00e9.pdf"},
		{disposition + "filename=\"caf\u00e9.pdf\"", "caf\u00e9.pdf"},
		{disposition + "filename=caf\u00e9.pdf", "caf\u00e9.pdf"},
		{disposition + "filename=\"caf\xe9.pdf\"", "caf\u27e6byte E9\u27e7.pdf"},
		{disposition + "filename=caf\xe9.pdf", "caf\u27e6byte E9\u27e7.pdf"},
		{disposition + "filename=\"a.pdf", "a.pdf"},
		{disposition + "filename=\"a.pdf; size=10", "a.pdf"},
		{disposition + "filename*=\"iso-8859-1''caf%e9.pdf; size=10", "caf\u00e9.pdf"},
		{"Content-Disposition: filename=a.pdf", "a.pdf"},
		{disposition + "filename=\r\n" + contentType + "name=b.pdf", "b.pdf"},
		{contentType + "name*=windows-1252''na%efve.pdf", "na\u00efve.pdf"},
		{contentType + "name*0*=windows-1252''na%efve; name*1=\".pdf\"", "na\u00efve.pdf"},
		{contentType + "name=\"=?windows-1252?Q?na=EFve.pdf?=\"", "na\u00efve.pdf"},
		{contentType + "name=\"a.pdf", "a.pdf"},
		{disposition + "filename*=utf-8''" + "\r\n" + contentType + "name=b.pdf", "b.pdf"},
		{disposition + "size=3", ""},
	} {
		if !strings.Contains(tt.field, "Content-Type") {
			tt.field += "\r\nContent-Type: application/pdf"
		}
		e := described(t, []byte(mixed("\r\nx", tt.field+"\r\n\r\nPDF")), Options{})
		if len(e.Mail.Parts) != 1 || e.Mail.Parts[0].Name != tt.want {
			t.Errorf("%s: %+v, want %q", tt.field, e.Mail.Parts, tt.want)
		}
	}
}

// What stands in front of a message does not change it, nor do its line ends. Text in UTF-16 is no message.
func TestBeginningOfMessage(t *testing.T) {
	t.Parallel()
	const bom = "\xef\xbb\xbf"
	item := mixed("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=\r\nb=20",
		"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\nQUJD")
	byID := "X-TELEMESSAGE-ArchiveMessageID: m1\r\n" +
		strings.Replace(item, "X-TELEMESSAGE-ArchiveMessageID: m1\r\n", "", 1)
	want := described(t, []byte(item), Options{})
	for name, eml := range map[string]string{
		"a byte order mark":            bom + item,
		"one before the identity":      bom + byID,
		"two":                          bom + bom + item,
		"empty lines":                  "\r\n \r\n\t\r\n\n" + item,
		"the line of an mbox file":     "From jane@contoso.com Fri Nov 27 09:30:00 2026\n" + item,
		"all of them":                  "\r\n" + bom + "\r\n" + bom + "From - Fri Nov 27 09:30:00 2026\r\n\r\n" + item,
		"line ends of LF":              strings.ReplaceAll(item, "\r\n", "\n"),
		"line ends of CR":              strings.ReplaceAll(item, "\r\n", "\r"),
		"CR, and what precedes it":     bom + "\r\rFrom - x\r" + strings.ReplaceAll(item, "\r\n", "\r"),
		"CR, and LF after the message": strings.ReplaceAll(item, "\r\n", "\r") + "\n",
	} {
		e := described(t, []byte(eml), Options{})
		if e.Fault != "" || e.ID != "m1" || e.Mail.Text != "ab " || len(e.Mail.LeftOut) != 0 {
			t.Errorf("%s: %q, %q, %+v", name, e.Fault, e.ID, e.Mail)
			continue
		}
		if diff := cmp.Diff(want.Media, e.Media); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	utf16 := func(s string, at int) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			pair := [2]byte{}
			pair[at] = c
			b.Write(pair[:])
		}
		return b.String()
	}
	for name, eml := range map[string]string{
		"little endian": "\xff\xfe" + utf16(item, 0), "big endian": "\xfe\xff" + utf16(item, 1),
		"no mark": utf16(item, 0), "no mark, big endian": utf16(item, 1), "only a mark": "\xff\xfe",
	} {
		if e := described(t, []byte(eml), Options{}); !strings.Contains(e.Fault, "UTF-16") {
			t.Errorf("UTF-16, %s: %q", name, e.Fault)
		}
	}
	for name, eml := range map[string]string{
		"a stray CR":        strings.Replace(item, "Jane Doe", "Jane\rDoe", 1),
		"CR in front of it": strings.ReplaceAll(item, "\r\n", "\r\r\n"),
	} {
		if e := described(t, []byte(eml), Options{}); e.Fault != "" || e.ID != "m1" || len(e.Mail.Header) != 6 {
			t.Errorf("%s: %q, %q, %+v", name, e.Fault, e.ID, e.Mail)
		}
	}
}

// RFC 2046 section 5.1.5: the parts of a digest are messages.
func TestDigest(t *testing.T) {
	t.Parallel()
	const one, two = "\r\nSubject: one\r\n\r\nfirst", "Content-Type: text/plain\r\n\r\nsecond"
	r := parsed(t, head+multi("digest", "b", one, one))
	if got := filesOf(r); got != "/message/rfc822 /message/rfc822" || r.Text != "" {
		t.Errorf("text %q, files %q", r.Text, got)
	}
	r = parsed(t, mixed("\r\ntext", multi("digest", "c", one, two)))
	if got := filesOf(r); got != "/message/rfc822 /text/plain" || r.Text != "text" {
		t.Errorf("in another multipart: text %q, files %q", r.Text, got)
	}
	inReport := journal(1, reported, "", "Subject: item\r\nX-TELEMESSAGE-ArchiveMessageID: m2\r\n"+
		strings.Replace(head, "m1", "m3", 1)+"\r\nitem")
	inReport = strings.NewReplacer("mixed; boundary=j1", "digest; boundary=j1", "--j1\r\n\r\nSender",
		"--j1\r\nContent-Type: text/plain\r\n\r\nSender").Replace(inReport)
	if r = parsed(t, inReport); r.ID != "m2" || r.Text != "item" || r.ContentType != "text/plain" {
		t.Errorf("in a report: %+v", r)
	}
}
