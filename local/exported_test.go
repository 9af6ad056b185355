package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/export"
)

// checkExport holds what -export wrote to what the day must have put into the mailboxes, and reads every message as a
// stranger would.
func (a *localArchive) checkExport(dir string) {
	a.t.Helper()
	day := a.day()
	counts := map[string]int{}
	for _, u := range day.Users {
		files, err := os.ReadDir(filepath.Join(dir, export.Folder(u.Mail, u.ID)))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			a.t.Fatal(err)
		}
		for _, f := range files {
			counts[u.ID]++
			if err := readable(filepath.Join(dir, export.Folder(u.Mail, u.ID), f.Name())); err != nil {
				a.t.Errorf("%s: %v", f.Name(), err)
			}
		}
	}
	if diff := cmp.Diff(day.Expect.Messages, counts); diff != "" {
		a.t.Errorf("exported messages per mailbox (-want +got):\n%s", diff)
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) != len(counts)+1 { // the folders, and the index
		a.t.Errorf("%d folders were exported, want %d: %v", len(there)-1, len(counts), err)
	}
	a.checkIndex(dir)
}

// checkIndex holds the index to the day and to the files.
func (a *localArchive) checkIndex(dir string) {
	a.t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, export.Index))
	if err != nil {
		a.t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil || len(rows) == 0 {
		a.t.Fatalf("%d rows in the index: %v", len(rows), err)
	}
	counts, want := map[string]int{}, map[string]int{}
	for _, u := range a.day().Users {
		if n := a.day().Expect.Messages[u.ID]; n > 0 {
			want[u.Mail] = n
		}
	}
	for _, row := range rows[1:] {
		counts[row[1]]++
		raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(row[0])))
		if sum := sha256.Sum256(raw); err != nil || hex.EncodeToString(sum[:]) != row[2] {
			a.t.Errorf("%s is not the file of the index: %v", filepath.Base(row[0]), err)
		}
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		a.t.Errorf("messages per mailbox in the index (-want +got):\n%s", diff)
	}
}

func readable(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := mail.ReadMessage(f)
	if err != nil {
		return err
	}
	if _, err := m.Header.Date(); err != nil {
		return fmt.Errorf("Date: %w", err)
	}
	if _, err := m.Header.AddressList("From"); err != nil {
		return fmt.Errorf("From: %w", err)
	}
	n, err := io.Copy(io.Discard, m.Body)
	if err == nil && n == 0 {
		err = errors.New("no body")
	}
	return err
}
