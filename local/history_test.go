package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"o2archiver/local/sample"
	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery"
)

// The messages of another archive are what the folder imports expects: each has an identity and addresses, and one of
// its addresses has a mailbox.
func TestHistory(t *testing.T) {
	t.Parallel()
	day, dir := sample.Make(time.Now()), t.TempDir()
	mailboxes := map[string]bool{}
	for _, u := range day.Users {
		mailboxes[u.Mail] = u.MailboxCode == ""
	}
	for range 2 { // the second start finds the file
		if err := writeHistory(dir, day); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "imports", "history.zip")
	if info, err := os.Stat(file); err != nil || time.Since(info.ModTime()) < time.Hour {
		t.Errorf("the file seems to be still uploaded: %v, %v", info, err)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	ids := map[string]bool{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		e, err := delivery.Describe(r, delivery.Options{Source: record.GenericEML})
		if err != nil {
			t.Fatal(err)
		}
		got, err := delivery.Parse(e)
		if err != nil || got.Derived || len(got.From.Emails) != 1 || !mailboxes[got.From.Emails[0]] ||
			!strings.HasSuffix(f.Name, ".eml") {
			t.Errorf("%s: %+v, %v", f.Name, got, err)
			continue
		}
		ids[got.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("identities: %v", ids)
	}
}
