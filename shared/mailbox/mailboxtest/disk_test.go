package mailboxtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

func TestMailboxesAreFoundByTheNextStart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, mailboxtest.Options{Dir: dir, KeepContent: true, NamedProperties: 3})
	f, gone := s.folder("O2"), s.folder("Gone")
	s.made(f, "ab", object{"attachments": []object{fileOf("a", []byte("abc"))}})
	s.made("inbox", "ac")
	s.made(gone, "ad")
	s.want(s.do("DELETE", "/v1.0/users/"+anna+"/messages/"+s.made(f, "ae"), nil), 204, "")
	s.want(s.do("PATCH", "/v1.0/users/"+anna+"/messages/"+s.made(f, "af"), props(prop(stateID, "complete"))), 200, "")
	s.DeleteFolder(anna, "Gone")
	s.RenameFolder(anna, "O2", "Mine")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "mailboxes.jsonl")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(whole, `{"User":"half a li`...), 0o600); err != nil {
		t.Fatal(err)
	}
	again := start(t, mailboxtest.Options{Dir: dir, KeepContent: true, NamedProperties: 3})
	if d := cmp.Diff(s.Messages(anna), again.Messages(anna)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(s.Deleted(anna), again.Deleted(anna)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(s.Folders(anna), again.Folders(anna)); d != "" {
		t.Error(d)
	}
	if len(again.Messages(anna)) != 3 {
		t.Errorf("%d messages", len(again.Messages(anna)))
	}
	again.made(f, "ag")
	again.want(again.create(f, "ah", object{"internetMessageHeaders": []object{{"name": "x-more", "value": "v"}}}), 403,
		"ErrorQuotaExceeded")
	if n := again.Messages(anna)[3].Number; n != 6 {
		t.Errorf("number %d", n)
	}
	again.Close()
	if third := start(t, mailboxtest.Options{Dir: dir}); len(third.Messages(anna)) != 4 ||
		third.Messages(anna)[0].Attachments[0].Content != nil {
		t.Errorf("%d messages", len(third.Messages(anna)))
	}
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mailboxes.jsonl"), []byte("{}\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mailboxtest.Open(mailboxtest.Options{Dir: dir}); err == nil {
		t.Error("no error")
	}
}

func TestAClosedDiskTakesNothing(t *testing.T) {
	s := start(t, mailboxtest.Options{Dir: t.TempDir()})
	s.Close()
	s.want(s.create("inbox", "ab"), 500, "ErrorInternalServerError")
}
