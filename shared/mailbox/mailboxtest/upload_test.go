package mailboxtest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

func TestAttachmentSizes(t *testing.T) {
	s := start(t, mailboxtest.Options{Limits: mailboxtest.Limits{Off: true}})
	f := s.folder("O2")
	path := s.messages(f) + "/" + s.made(f, "ab") + "/attachments"
	s.want(s.do("POST", path, fileOf("a", make([]byte, 3_000_000))), 201, "")
	s.want(s.do("POST", path, fileOf("a", make([]byte, 3<<20))), 413, "BadRequest") // the request is over 4 MB then
	for size, code := range map[int]string{
		2_999_999: "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", 3_000_000: "", 30 << 20: "",
		36 << 20: "ErrorMessageSizeExceeded", 150<<20 + 1: "ErrorAttachmentSizeLimitExceeded",
	} {
		a := s.do("POST", path+"/createUploadSession", item("a", size))
		if a.code() != code || (a.status == 201) != (code == "") {
			t.Errorf("session for %d bytes: %d %s", size, a.status, a.code())
		}
	}
	for _, bad := range []object{
		{"AttachmentItem": object{"name": "a", "size": 4 << 20}}, {"AttachmentItem": object{"attachmentType": "file",
			"size": 4 << 20}},
		{"AttachmentItem": object{"attachmentType": "blob", "name": "a",
			"size": 4 << 20}}, {"attachmentItem": object{}}, {},
		{"AttachmentItem": object{"attachmentType": "file", "name": "a", "size": "4194304"}},
	} {
		if a := s.do("POST", path+"/createUploadSession", bad); a.status != 400 {
			t.Errorf("%v: %d", bad, a.status)
		}
	}
}

func item(name string, size int) object {
	return object{"AttachmentItem": object{"attachmentType": "file", "name": name, "size": size,
		"contentType": "audio/wav"}}
}

func (s *server) put(url string, content []byte, first, total int, header ...string) answer {
	s.t.Helper()
	r := fmt.Sprintf("bytes %d-%d/%d", first, first+len(content)-1, total)
	return s.do("PUT", url, content,
		append([]string{"Authorization", "", "Content-Type", "application/octet-stream", "Content-Range", r},
			header...)...)
}

func TestUploadSession(t *testing.T) {
	s := start(t, mailboxtest.Options{KeepContent: true})
	uploads := httptest.NewServer(s.UploadHandler())
	defer uploads.Close()
	s.SetUploadURL(uploads.URL)
	f := s.folder("O2")
	id := s.made(f, "ab")
	content := bytes.Repeat([]byte("0123456789"), 900_000)
	total, part := len(content), 4<<20
	a := s.want(s.do("POST", s.messages(f)+"/"+id+"/attachments/createUploadSession", item("call.wav", total)), 201, "")
	url := a.text("uploadUrl")
	if !strings.HasPrefix(url, uploads.URL+"/") || strings.Contains(url, "/v1.0") {
		t.Fatalf("upload URL %s", url)
	}
	if d := cmp.Diff([]any{"0-"}, a.body["nextExpectedRanges"]); d != "" {
		t.Error(d)
	}
	// not the Graph's host
	s.want(s.put(strings.Replace(url, uploads.URL, s.url, 1), content[:part], 0, total), 401,
		"InvalidAuthenticationToken")
	s.want(s.put(url, content[:part], 0, total, "Authorization", "Bearer local"), 401, "InvalidAuthenticationToken")
	s.want(s.put(strings.Replace(url, "authtoken=", "authtoken=x", 1), content[:part], 0, total), 401,
		"ErrorAccessDenied")
	s.want(s.put(strings.Replace(url, "AttachmentSessions('", "AttachmentSessions('x", 1), content[:part], 0, total),
		404, "ErrorItemNotFound")
	s.want(s.put(url, content[:part+1], 0, total), 413, "BadRequest")
	s.want(s.put(url, content[part:2*part], part, total), 416, "InvalidContentRange")
	s.want(s.put(url, content[:part], 0, total+1), 400, "InvalidContentRangeHeader")
	s.want(s.put(url, content[:part], 0, total, "Content-Range", "bytes 0-1/9000000"), 400, "InvalidContentRangeHeader")
	s.want(s.put(url, content[:part], 0, total, "Content-Range", ""), 400, "InvalidContentRangeHeader")
	a = s.want(s.put(url, content[:part], 0, total), 200, "")
	if d := cmp.Diff([]any{"4194304"}, a.body["nextExpectedRanges"]); d != "" {
		t.Error(d)
	}
	s.want(s.put(url, content[:part], 0, total), 416, "InvalidContentRange")
	s.want(s.put(url, content[part:2*part], part, total), 200, "")
	if n := len(s.Messages(anna)[0].Attachments); n != 0 {
		t.Errorf("%d attachments before the last part", n)
	}
	a = s.want(s.put(url, content[2*part:], 2*part, total), 201, "")
	if !strings.Contains(a.header.Get("Location"), "/attachments('") || len(a.raw) != 0 {
		t.Errorf("last answer: Location %q, %d bytes", a.header.Get("Location"), len(a.raw))
	}
	s.want(s.put(url, content[2*part:], 2*part, total), 404, "ErrorItemNotFound")
	got := s.Messages(anna)[0].Attachments
	sum := sha256.Sum256(content)
	if len(got) != 1 || got[0].SHA256 != hex.EncodeToString(sum[:]) || got[0].Name != "call.wav" ||
		got[0].Type != "audio/wav" || !bytes.Equal(got[0].Content, content) {
		t.Errorf("%d attachments", len(got))
	}
	raw := s.do("GET", s.messages(f)+"/"+id+"/attachments/"+got[0].ID+"/$value", nil)
	if raw.status != 200 || !bytes.Equal(raw.raw, content) {
		t.Errorf("content: %d, %d bytes", raw.status, len(raw.raw))
	}
}

func TestUploadOnTheSameHost(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("O2")
	a := s.want(s.do("POST", s.messages(f)+"/"+s.made(f, "ab")+"/attachments/createUploadSession",
		item("a", 3_000_000)), 201, "")
	url := a.text("uploadUrl")
	if strings.HasPrefix(url, s.url+"/v1.0") {
		t.Errorf("the path is Graph's: %s", url)
	}
	s.want(s.put(url, make([]byte, 3_000_000), 0, 3_000_000), 201, "")
	if c := s.Messages(anna)[0].Attachments[0].Content; c != nil {
		t.Error("the content was kept")
	}
}

func TestUploadSessionEnds(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("O2")
	session := func(id string) string {
		return s.want(s.do("POST", s.messages(f)+"/"+id+"/attachments/createUploadSession", item("a", 3_000_000)), 201,
			"").text("uploadUrl")
	}
	id := s.made(f, "ab")
	url := session(id)
	s.want(s.do("DELETE", url, nil, "Authorization", ""), 204, "")
	s.want(s.put(url, make([]byte, 3_000_000), 0, 3_000_000), 404, "ErrorItemNotFound")
	url = session(id)
	s.clock.Add(2 * time.Hour)
	s.want(s.put(url, make([]byte, 3_000_000), 0, 3_000_000), 404, "ErrorItemNotFound")
	url = session(id)
	s.DeleteFolder(anna, "O2")
	s.want(s.put(url, make([]byte, 3_000_000), 0, 3_000_000), 404, "ErrorItemNotFound")
}

func TestTooLargeShowsAtTheLastPart(t *testing.T) {
	s := start(t, mailboxtest.Options{MessageLimit: 4_000_000})
	f := s.folder("O2")
	id := s.made(f, "ab")
	s.want(s.do("POST", s.messages(f)+"/"+id+"/attachments", fileOf("a", make([]byte, 2_000_000))), 201, "")
	url := s.want(s.do("POST", s.messages(f)+"/"+id+"/attachments/createUploadSession", item("b", 3_500_000)), 201,
		"").text("uploadUrl")
	s.want(s.put(url, make([]byte, 2_000_000), 0, 3_500_000), 200, "")
	s.want(s.put(url, make([]byte, 1_500_000), 2_000_000, 3_500_000), 413, "ErrorMessageSizeExceeded")
	if n := len(s.Messages(anna)[0].Attachments); n != 1 {
		t.Errorf("%d attachments", n)
	}
}

func TestNoUploadSessions(t *testing.T) {
	s := start(t, mailboxtest.Options{NoUploadSessions: true})
	f := s.folder("O2")
	path := s.messages(f) + "/" + s.made(f, "ab") + "/attachments"
	s.want(s.do("POST", path+"/createUploadSession", item("a", 4<<20)), 400, "BadRequest")
	s.want(s.do("POST", path, fileOf("a", []byte("abc"))), 201, "")
}

func TestAttachmentsAreListed(t *testing.T) {
	s := start(t, mailboxtest.Options{KeepContent: true})
	f := s.folder("O2")
	id := s.made(f, "ab")
	path := s.messages(f) + "/" + id + "/attachments"
	a := s.want(s.do("POST", path, with(fileOf("a.txt", []byte("abc")), "isInline", true)), 201, "")
	if a.text("contentBytes") != "YWJj" || a.body["size"] != 3.0 {
		t.Errorf("answer: %s", a.raw)
	}
	for i := range 11 {
		s.want(s.do("POST", path, fileOf(name(i), nil)), 201, "")
	}
	list := s.want(s.do("GET", path, nil), 200, "")
	if len(list.list()) != 10 || list.text("@odata.nextLink") == "" || list.list()[0]["contentBytes"] != "YWJj" {
		t.Errorf("list: %s", list.raw)
	}
	one := s.want(s.do("GET", path+"/"+a.text("id")+"?$select=name,size", nil), 200, "")
	if one.text("name") != "a.txt" || one.body["contentBytes"] != nil {
		t.Errorf("one: %s", one.raw)
	}
	s.want(s.do("GET", path+"/none", nil), 404, "ErrorItemNotFound")
}
