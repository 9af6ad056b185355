package mailboxtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

const folders = "/v1.0/users/" + anna + "/mailFolders"

func TestFolderExists(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	id := s.folder("Anna's messages")
	s.want(s.do("POST", folders, object{"displayName": "ANNA'S messages"}), 409, "ErrorFolderExists")
	s.AddFolder(anna, "Secret", true)
	s.want(s.do("POST", folders, object{"displayName": "Secret"}), 409, "ErrorFolderExists")
	s.want(s.do("POST", folders, object{"displayName": " "}), 400, "ErrorInvalidRequest")
	s.want(s.do("POST", folders, object{"name": "A"}), 400, "RequestBodyRead")
	a := s.want(s.do("GET", folders+query("$filter", "displayName eq 'Anna''s messages'"), nil), 200, "")
	if list := a.list(); len(list) != 1 || list[0]["id"] != id {
		t.Errorf("found %v", list)
	}
}

func TestQuotesInFiltersAreDoubled(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	s.want(s.do("GET", folders+query("$filter", "displayName eq 'Anna's messages'"), nil), 400, "BadRequest")
	s.want(s.do("GET", "/v1.0/users"+query("$filter", "mail eq 'anna.o'neil@contoso.example'"), nil), 400, "BadRequest")
	s.want(s.do("GET", "/v1.0/users/"+anna+"/messages"+query("$filter", "internetMessageId eq '<a'b>'"), nil), 400,
		"ErrorInvalidUrlQueryFilter")
}

// all follows the links of a list.
func (s *server) all(path string) (names []string, pages int) {
	for path != "" {
		a := s.want(s.do("GET", path, nil), 200, "")
		for _, f := range a.list() {
			n, _ := f["displayName"].(string)
			if n == "" {
				n, _ = f["subject"].(string)
			}
			names = append(names, n)
		}
		path = a.text("@odata.nextLink")
		pages++
	}
	return names, pages
}

func TestFoldersComeTenAPage(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	s.folder("O2")
	if n := len(s.want(s.do("GET", folders, nil), 200, "").list()); n != 10 {
		t.Errorf("%d on the first page", n)
	}
	names, pages := s.all(folders)
	want := []string{"Archive", "Clutter", "Conversation History", "Deleted Items", "Drafts", "Inbox", "Junk Email",
		"Notes", "Outbox", "RSS Feeds", "Sent Items", "O2"}
	if d := cmp.Diff(want, names); d != "" || pages != 2 {
		t.Errorf("%d pages: %s", pages, d)
	}
	if names, pages = s.all(folders + "?$top=5&$select=displayName"); len(names) != 12 || pages != 3 {
		t.Errorf("%d names on %d pages", len(names), pages)
	}
}

func TestHiddenFoldersAreLeftOut(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	s.AddFolder(anna, "Secret", true)
	find := func(more ...string) int {
		return len(s.want(s.do("GET", folders+query(append([]string{"$filter", "displayName eq 'Secret'"}, more...)...),
			nil), 200, "").list())
	}
	if find() != 0 {
		t.Error("a hidden folder is in the list")
	}
	if find("includeHiddenFolders", "true") != 1 {
		t.Error("it is not there with includeHiddenFolders")
	}
}

func TestDeletedFolder(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("O2")
	id := s.made(f, "ab")
	if !s.RenameFolder(anna, "O2", "Mine") {
		t.Fatal("no folder")
	}
	s.made(f, "ac") // the id is constant
	if !s.DeleteFolder(anna, "Mine") {
		t.Fatal("no folder")
	}
	s.want(s.create(f, "ad"), 404, "ErrorItemNotFound")
	s.want(s.do("GET", s.messages(f), nil), 404, "ErrorItemNotFound")
	s.want(s.do("GET", folders+"/"+f, nil), 404, "ErrorItemNotFound")
	s.want(s.do("GET", "/v1.0/users/"+anna+"/messages/"+id, nil), 404, "ErrorItemNotFound")
	if f2 := s.folder("O2"); f2 == f {
		t.Error("a new folder has the id of the old one")
	}
}

func TestFindByKey(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f, other := s.folder("O2"), s.folder("B")
	id := s.made(f, "ab01")
	s.made(f, "ab02")
	find := func(folder, filter string) []string {
		ids := []string{}
		for _, m := range s.want(s.do("GET", s.messages(folder)+query("$filter", filter, "$select", "id"), nil), 200,
			"").list() {
			ids = append(ids, m["id"].(string))
			if len(m) != 3 { // id, etag, context
				t.Errorf("not selected: %v", m)
			}
		}
		return ids
	}
	by := func(id, value string) string {
		return "singleValueExtendedProperties/Any(ep: ep/id eq '" + id + "' and ep/value eq '" + value + "')"
	}
	lower := "String {6f7a8b90-1234-4c5d-8e9f-001122334455} Name archivekey"
	upperGUID := "string {6F7A8B90-1234-4C5D-8E9F-001122334455} name ArchiveKey"
	for what, c := range map[string]struct {
		folder, filter string
		want           []string
	}{
		"key":                    {f, by(keyID, "ab01"), []string{id}},
		"value in upper case":    {f, by(keyID, "AB01"), []string{id}},
		"name in lower case":     {f, by(lower, "ab01"), []string{}},
		"GUID in upper case":     {f, by(upperGUID, "ab01"), []string{id}},
		"beginning of the value": {f, by(keyID, "ab"), []string{}},
		"another folder":         {other, by(keyID, "ab01"), []string{}},
		"internetMessageId":      {f, "internetMessageId eq '<ab01@o2archiver.invalid>'", []string{id}},
		"both": {f,
			"isDraft eq false and (" + by(keyID, "ab01") + " or internetMessageId eq 'x')", []string{id}},
		"key of one, value of other": {f, by(keyID, "1"), []string{}},
		"no such name in the mailbox": {f, by("String {6f7a8b90-1234-4c5d-8e9f-001122334455} Name None", "a"),
			[]string{}},
	} {
		if d := cmp.Diff(c.want, find(c.folder, c.filter)); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	for _, bad := range []string{by("ArchiveKey", "a"), "ep/value eq 'a", "internetMessageId", "(isDraft eq false",
		"singleValueExtendedProperties/any(ep: x/id eq 'a')"} {
		if a := s.do("GET", s.messages(f)+query("$filter", bad), nil); a.status != 400 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	s.want(s.do("GET", s.messages(f)+query("$filter", "categories eq 'a'"), nil), 501, "NotImplemented")
	s.want(s.do("GET", s.messages(f)+query("$select", "ID"), nil), 400, "BadRequest")
	s.want(s.do("GET", s.messages(f)+query("$search", "a"), nil), 501, "NotImplemented")
}

func TestMessagesComeTenAPage(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("O2")
	for i := range 25 {
		s.made(f, name(i), object{"subject": name(i)})
	}
	names, pages := s.all(s.messages(f) + query("$filter", "isDraft eq false", "$select", "subject"))
	if len(names) != 25 || pages != 3 || names[0] != "n24" {
		t.Errorf("%d pages: %v", pages, names)
	}
	if a := s.do("GET", s.messages(f)+"?$top=1001", nil); a.status != 400 {
		t.Errorf("$top=1001: %d", a.status)
	}
}

func TestExpand(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("O2")
	id := s.made(f, "ab01", object{"attachments": []object{fileOf("a.bin", []byte("abc"))}})
	path := s.messages(f) + "/" + id
	a := s.want(s.do("GET", path+query("$select", "id", "$expand",
		"singleValueExtendedProperties($filter=id eq '"+keyID+"' or id eq '"+stateID+"')"), nil), 200, "")
	want := []any{object{"id": keyID, "value": "ab01"}}
	if d := cmp.Diff(want, a.body["singleValueExtendedProperties"]); d != "" {
		t.Error(d)
	}
	s.want(s.do("GET", path+query("$expand", "singleValueExtendedProperties"), nil), 400, "BadRequest")
	s.want(s.do("GET", path+query("$expand", "extensions"), nil), 501, "NotImplemented")
	a = s.want(s.do("GET", path+query("$expand", "attachments"), nil), 200, "")
	if list, _ := a.body["attachments"].([]any); len(list) != 1 || a.body["hasAttachments"] != true {
		t.Errorf("attachments: %s", a.raw)
	}
	s.want(s.do("GET", path+"?$select=id&$select=id", nil), 400, "BadRequest")
}

func TestDeleteGoesToDeletedItems(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("O2")
	path := "/v1.0/users/" + anna + "/messages/" + s.made(f, "ab")
	s.want(s.do("DELETE", path, nil), 204, "")
	if n := len(s.want(s.do("GET", s.messages(f), nil), 200, "").list()); n != 0 || len(s.Messages(anna)) != 0 ||
		len(s.Deleted(anna)) != 1 {
		t.Errorf("%d in the folder, %d, %d deleted", n, len(s.Messages(anna)), len(s.Deleted(anna)))
	}
	s.want(s.do("DELETE", path, nil), 204, "")
	s.want(s.do("DELETE", path, nil), 404, "ErrorItemNotFound")
	if len(s.Deleted(anna)) != 0 {
		t.Error("it is still there")
	}
}

func TestChangeOfAMessage(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	f := s.folder("O2")
	partial := message("ab")
	partial["singleValueExtendedProperties"] = append(partial["singleValueExtendedProperties"].([]object),
		prop(stateID, "partial"))
	path := "/v1.0/users/" + anna + "/messages/" + s.want(s.do("POST", s.messages(f), partial), 201, "").text("id")
	s.want(s.do("PATCH", path, props(prop(stateID, "complete"))), 200, "")
	if v, _ := s.Messages(anna)[0].Property("ImportState"); v != "complete" {
		t.Errorf("ImportState: %q", v)
	}
	if v, _ := s.Messages(anna)[0].Property("ArchiveKey"); v != "ab" {
		t.Errorf("ArchiveKey: %q", v)
	}
	for _, c := range []object{
		{"subject": "another"}, {"body": object{"content": "another"}}, {"toRecipients": []object{}},
		{"ccRecipients": []object{}}, {"from": recipientOf("", "a@b.example")},
	} {
		s.want(s.do("PATCH", path, c), 403, "ErrorAccessDenied")
	}
	s.want(s.do("PATCH", path, object{"isRead": false, "categories": []string{"O2"}}), 200, "")
	s.want(s.do("PATCH", path, object{"unknown": 1}), 400, "RequestBodyRead")
	draft := "/v1.0/users/" + anna + "/messages/" + s.made(f, "ac", props())
	if a := s.want(s.do("PATCH", draft, object{"subject": "another"}), 200, ""); a.text("subject") != "another" {
		t.Error("a draft's subject didn't change")
	}
}
