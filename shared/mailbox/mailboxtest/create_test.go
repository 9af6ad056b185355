package mailboxtest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

func TestCreateKeepsWhatWasSent(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("Archive of O2")
	a := s.want(s.create(f, "ab01"), 201, "")
	if a.body["isDraft"] != false || a.body["isRead"] != true || a.text("sentDateTime") != "2026-11-22T09:30:00Z" ||
		a.text("receivedDateTime") != "2026-11-22T09:30:05Z" {
		t.Errorf("answer: %s", a.raw)
	}
	list := s.Messages(anna)
	if len(list) != 1 {
		t.Fatalf("%d messages", len(list))
	}
	m := list[0]
	if v, _ := m.Property("ArchiveKey"); v != "ab01" {
		t.Errorf("ArchiveKey: %q", v)
	}
	got := []any{m.ID, m.FolderName, m.Draft, m.Read, m.Class, m.Subject, m.Text, m.TextType, m.From.Address, m.To,
		m.InternetMessageID, m.Headers, m.Sent}
	want := []any{
		a.text("id"), "Archive of O2", false, true, "IPM.Note", "SMS from +44 7700 900123", "Hello", "text",
		"447700900123@sms.o2archiver.invalid",
		[]mailboxtest.Address{{Name: "Anna", Address: "anna@contoso.example"}}, "<ab01@o2archiver.invalid>",
		[]mailboxtest.Header{{Name: "X-O2-Type", Value: "SMS"}}, time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDraftFlag(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("A")
	for what, c := range map[string]struct {
		change object
		draft  bool
		read   bool
	}{
		"no flags":             {props(), true, true},
		"no flags but isDraft": {object{"singleValueExtendedProperties": []object{}, "isDraft": false}, true, true},
		"flags 1":              {props(prop("Integer 0x0E07", "1")), false, true},
		"flags 0": {object{"singleValueExtendedProperties": []object{prop("Integer 0x0E07", "0")},
			"isRead": nil}, false, false},
		"flags with the bit 8": {props(prop("Integer 0x0E07", "9")), true, true},
		"tag in another form":  {props(prop("integer 0xe07", "1")), false, true},
		"flags 4 (PR_SUBMIT)": {object{"singleValueExtendedProperties": []object{prop("Integer 0x0E07", "4")},
			"isRead": nil}, false, false},
		"isDraft alone, flag 1": {object{"singleValueExtendedProperties": []object{prop("Integer 0x0E07", "1")},
			"isDraft": true}, false, true},
	} {
		a := s.want(s.create(f, "ab", c.change), 201, "")
		if a.body["isDraft"] != c.draft || a.body["isRead"] != c.read {
			t.Errorf("%s: isDraft %v, isRead %v", what, a.body["isDraft"], a.body["isRead"])
		}
	}
}

func TestDraftStaysADraft(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	id := s.made(s.folder("A"), "ab", props(prop(keyID, "ab")))
	path := "/v1.0/users/" + anna + "/messages/" + id
	a := s.want(s.do("PATCH", path, props(prop("Integer 0x0E07", "1"))), 200, "")
	if a.body["isDraft"] != true {
		t.Error("a PATCH of the flags made a draft final")
	}
	if v, given := s.Messages(anna)[0].Properties["Integer 0x0E07"]; given {
		t.Errorf("the flags were changed to %s", v)
	}
	a = s.want(s.do("PATCH", path, object{"isDraft": false}), 200, "")
	if a.body["isDraft"] != true {
		t.Error("a PATCH of isDraft made a draft final")
	}
}

func TestMIMEMakesADraft(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("A")
	mime := base64.StdEncoding.EncodeToString([]byte("Message-ID: <a@b.example>\r\nSubject: S\r\n\r\nHello\r\n"))
	a := s.want(s.do("POST", s.messages(f), mime, "Content-Type", "text/plain"), 201, "")
	if a.body["isDraft"] != true || a.text("internetMessageId") != "<a@b.example>" {
		t.Errorf("answer: %s", a.raw)
	}
	s.want(s.do("POST", s.messages(f), "Subject: S\r\n\r\n", "Content-Type", "text/plain"), 400,
		"ErrorMimeContentInvalidBase64String")
}

func TestDatesOfJSONAreIgnored(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	a := s.want(s.create(s.folder("A"), "ab", props(prop("Integer 0x0E07", "1")), object{
		"sentDateTime": "2001-02-03T04:05:06Z", "receivedDateTime": "2001-02-03T04:05:06Z",
		"createdDateTime": "2001-02-03T04:05:06Z",
	}), 201, "")
	for _, n := range []string{"sentDateTime", "receivedDateTime", "createdDateTime"} {
		if a.text(n) != "2026-11-23T06:00:00Z" {
			t.Errorf("%s: %s", n, a.text(n))
		}
	}
}

func TestRefusedMessages(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("A")
	header := func(n, v string) object {
		return object{"internetMessageHeaders": []object{{"name": n, "value": v}}}
	}
	to := func(address string) object { return object{"toRecipients": []object{recipientOf("", address)}} }
	for what, c := range map[string]struct {
		change object
		code   string // "" means that it is taken
	}{
		"5 headers": {object{"internetMessageHeaders": repeat(5,
			func(i int) object { return object{"name": "x-" + name(i), "value": "v"} })}, ""},
		"6 headers": {object{"internetMessageHeaders": repeat(6,
			func(i int) object {
				return object{"name": "x-" + name(i), "value": "v"}
			})}, "InvalidInternetMessageHeaderCollection"},
		"empty collection of headers": {object{"internetMessageHeaders": []object{}},
			"InvalidInternetMessageHeaderCollection"},
		"no collection of headers": {object{"internetMessageHeaders": nil}, ""},
		"header without x-":        {header("In-Reply-To", "<a@b.example>"), "InvalidInternetMessageHeader"},
		"header of 995 characters": {header("X-A", strings.Repeat("é", 995)), ""},
		"header of 996 characters": {header("X-A", strings.Repeat("a", 996)), "InvalidInternetMessageHeader"},
		"header with a line break": {header("X-A", "a\r\nBcc: b"), "InvalidInternetMessageHeader"},
		"header name with a colon": {header("X-A: b", "c"), "InvalidInternetMessageHeader"},

		"500 recipients": {object{"toRecipients": repeat(500,
			func(i int) object { return recipientOf("", name(i)+"@a.example") })}, ""},
		"501 recipients": {object{"toRecipients": repeat(400,
			func(i int) object {
				return recipientOf("", name(i)+"@a.example")
			}), "ccRecipients": repeat(101, func(i int) object {
			return recipientOf("", name(i)+"@a.example")
		})}, "ErrorInvalidRecipients"},
		"number as address": {to("+447700900123"), "ErrorInvalidRecipients"},
		"no address": {object{"from": object{"emailAddress": object{"name": "+44 7700 900123"}}},
			"ErrorInvalidRecipients"},
		"no domain":       {to("a@"), "ErrorInvalidRecipients"},
		"space":           {to("a b@c.example"), "ErrorInvalidRecipients"},
		"two dots":        {to("a..b@c.example"), "ErrorInvalidRecipients"},
		"not ASCII":       {to("é@c.example"), "ErrorInvalidRecipients"},
		"long local part": {to(strings.Repeat("a", 65) + "@c.example"), "ErrorInvalidRecipients"},
		"bad sender":      {object{"sender": recipientOf("", "nobody")}, "ErrorInvalidRecipients"},
		"plus and quotes": {object{"toRecipients": []object{recipientOf("", "a+b@c.example"),
			recipientOf("", `"a b"@c.example`)}}, ""},

		"malformed property":       {props(prop("ArchiveKey", "a")), "ErrorInvalidExtendedProperty"},
		"name without GUID":        {props(prop("String Name ArchiveKey", "a")), "ErrorInvalidExtendedProperty"},
		"wrong type of a tag":      {props(prop("String 0x0E07", "1")), "ErrorInvalidExtendedProperty"},
		"tag of a named property":  {props(prop("String 0x8001", "1")), "ErrorInvalidExtendedProperty"},
		"property twice":           {props(prop(keyID, "a"), prop(keyID, "b")), "ErrorInvalidExtendedProperty"},
		"flags that are no number": {props(prop("Integer 0x0E07", "one")), "ErrorInvalidExtendedPropertyValue"},
		"date not in UTC": {props(prop("SystemTime 0x0039", "2026-11-22T09:30:00+01:00")),
			"ErrorInvalidExtendedPropertyValue"},
		"date of the year 1": {props(prop("SystemTime 0x0039", "0001-01-01T00:00:00Z")),
			"ErrorInvalidExtendedPropertyValue"},
		"no value":           {props(object{"id": keyID}), "ErrorInvalidExtendedPropertyValue"},
		"binary that is not": {props(prop("Binary 0x0071", "hex!")), "ErrorInvalidExtendedPropertyValue"},
		"binary": {props(prop("Binary 0x0071", "AQID"), prop("String 0x1042", "<a@b.example>"),
			prop("String 0x1039", "<a@b.example>")), ""},
		"class below IPM.Note":    {props(prop("String 0x001A", "IPM.Note.O2")), ""},
		"class of the connectors": {props(prop("String 0x001A", "IPM.ExternalData.O2")), ""},
		"class of another item": {props(prop("String 0x001A", "IPM.Appointment")),
			"ErrorInvalidExtendedPropertyValue"},

		"unknown property":        {object{"Subject": "s"}, "RequestBodyRead"},
		"unknown property inside": {object{"body": object{"text": "s"}}, "RequestBodyRead"},
		"wrong type":              {object{"subject": 5}, "RequestBodyRead"},
		"text for a boolean":      {object{"isRead": "true"}, "RequestBodyRead"},
		"object for a collection": {object{"toRecipients": recipientOf("", "a@b.example")}, "RequestBodyRead"},
		"unknown member": {object{"body": object{"contentType": "plain", "content": "a"}},
			"RequestBodyRead"},
		"member in upper case": {object{"body": object{"contentType": "TEXT", "content": "a"}}, ""},
		"date that is none":    {object{"sentDateTime": "yesterday"}, "RequestBodyRead"},
		"attachment without a type": {object{"attachments": []object{{"name": "a", "contentBytes": ""}}},
			"RequestBodyRead"},
		"wrong @odata.type": {object{"@odata.type": "#microsoft.graph.mailFolder"}, "RequestBodyRead"},
		"content that is no base64": {object{"attachments": []object{with(fileOf("a", nil), "contentBytes", "a?")}},
			"RequestBodyRead"},
		"attachment without a name": {object{"attachments": []object{fileOf("", []byte("a"))}}, "ErrorInvalidArgument"},
		"two attachments":           {object{"attachments": []object{fileOf("a", []byte("a")), fileOf("a", nil)}}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			before := len(s.Messages(anna))
			a := s.create(f, "ab", c.change)
			if a.code() != c.code || c.code == "" && a.status != 201 || c.code != "" && a.status != 400 {
				t.Errorf("got %d %s, want %q: %.300s", a.status, a.code(), c.code, a.raw)
			}
			if made := len(s.Messages(anna)) - before; (made == 1) != (c.code == "") {
				t.Errorf("%d messages made", made)
			}
		})
	}
}

func TestRefusedBodies(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("A")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(`{"subject":"s"}`))
	z.Close()
	for what, c := range map[string]struct {
		body   string
		header []string
		status int
	}{
		"no JSON":               {"hello", nil, 400},
		"cut":                   {`{"subject":"s"`, nil, 400},
		"nothing":               {"", nil, 400},
		"list":                  {"[]", nil, 400},
		"two values":            {`{"subject":"s"} {}`, nil, 400},
		"name twice":            {`{"subject":"s","subject":"t"}`, nil, 400},
		"not UTF-8":             {"{\"subject\":\"\xff\"}", nil, 400},
		"half of a pair":        {`{"subject":"\ud83d"}`, nil, 400},
		"other half of a pair":  {`{"subject":"\uDE00 "}`, nil, 400},
		"whole pair":            {`{"subject":"\\\ud83d\uDe00"}`, nil, 201},
		"escaped backslash":     {`{"subject":"\\ud83d"}`, nil, 201},
		"NUL":                   {`{"subject":"a\u0000"}`, nil, 400},
		"deep":                  {strings.Repeat(`{"body":`, 30) + "1" + strings.Repeat("}", 30), nil, 400},
		"compressed":            {zipped.String(), []string{"Content-Encoding", "gzip"}, 415},
		"no content type":       {`{"subject":"s"}`, []string{"Content-Type", ""}, 415},
		"another content type":  {`{"subject":"s"}`, []string{"Content-Type", "application/xml"}, 415},
		"content type, charset": {`{"subject":"s"}`, []string{"Content-Type", "application/json; charset=utf-8"}, 201},
	} {
		if a := s.do("POST", s.messages(f), c.body, c.header...); a.status != c.status {
			t.Errorf("%s: got %d, want %d: %s", what, a.status, c.status, a.raw)
		}
	}
}

func TestRequestLimit(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("A")
	empty := len(`{"body":{"content":""}}`)
	body := func(n int) string { return `{"body":{"content":"` + strings.Repeat("a", n-empty) + `"}}` }
	s.want(s.do("POST", s.messages(f), body(4<<20)), 201, "")
	s.want(s.do("POST", s.messages(f), body(4<<20+1)), 413, "BadRequest")
}

func TestMessageSizeLimit(t *testing.T) {
	s := start(t, mailboxtest.Options{MessageLimit: 2000})
	f := s.folder("A")
	s.want(s.create(f, "ab", object{"attachments": []object{fileOf("a", make([]byte, 2000))}}), 413,
		"ErrorMessageSizeExceeded")
	id := s.made(f, "ab", object{"attachments": []object{fileOf("a", make([]byte, 1500))}})
	path := s.messages(f) + "/" + id + "/attachments"
	s.want(s.do("POST", path, fileOf("b", make([]byte, 500))), 413, "ErrorMessageSizeExceeded")
	s.want(s.do("POST", path, fileOf("b", make([]byte, 100))), 201, "")
}

func TestNamedPropertiesAreFinite(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("A")
	guid := strings.TrimSuffix(keyID, "ArchiveKey")
	s.made(f, "ab", object{
		"singleValueExtendedProperties": repeat(97, func(i int) object { return prop(guid+name(i), "v") }),
		"internetMessageHeaders": repeat(2,
			func(i int) object { return object{"name": "x-" + name(i), "value": "v"} }),
	})
	s.made(f, "ab", object{"singleValueExtendedProperties": []object{prop(guid+"n1", "w"), prop("Integer 0x0E07", "1")},
		"internetMessageHeaders": []object{{"name": "X-N1", "value": "w"}}})
	one := object{"singleValueExtendedProperties": []object{prop(guid+"N1", "a name has its case")},
		"internetMessageHeaders": nil}
	s.made(f, "ab", one)
	for _, c := range []object{
		{"singleValueExtendedProperties": []object{prop(guid+"more", "v")}, "internetMessageHeaders": nil},
		{"singleValueExtendedProperties": []object{prop(guid+"n1", "v")},
			"internetMessageHeaders": []object{{"name": "x-more", "value": "v"}}},
	} {
		s.want(s.create(f, "ab", c), 403, "ErrorQuotaExceeded")
	}
	s.made(f, "ab", one)
}

func TestImmutableIDs(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	s.folder("A")
	f := s.folder("B")
	id := s.made(f, "ab")
	path := "/v1.0/users/" + anna + "/messages/"
	a := s.want(s.do("GET", path+id, nil), 200, "")
	if a.text("id") != id || a.header.Get("Preference-Applied") != immutable {
		t.Errorf("id %s, Preference-Applied %s", a.text("id"), a.header.Get("Preference-Applied"))
	}
	plain := s.want(s.do("GET", path+id, nil, "Prefer", ""), 200, "").text("id")
	if plain == id {
		t.Fatal("the immutable id came without the header")
	}
	s.want(s.do("GET", path+plain, nil), 200, "")
	s.want(s.do("POST", path+id+"/move", object{"destinationId": "inbox"}), 201, "")
	s.want(s.do("GET", path+id, nil), 200, "")
	s.want(s.do("GET", path+plain, nil), 404, "ErrorItemNotFound")
	s.want(s.do("GET", s.messages(f)+"/"+id, nil), 404, "ErrorItemNotFound")
	s.want(s.do("GET", s.messages("inbox")+"/"+id, nil), 200, "")
}
