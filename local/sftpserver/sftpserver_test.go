package sftpserver

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/sftpstore"
)

const name = "202611280000-TeleMessage_1_20261128050012.zip"

var at = time.Date(2026, 11, 28, 5, 0, 12, 0, time.UTC)

// startServer starts a server with only those of its programs that the variables name.
func startServer(t *testing.T, dir string, env map[string]string) (*Server, string) {
	t.Helper()
	var said bytes.Buffer
	lookup := func(name string) (string, bool) { return cmp.Or(env[name], "/nowhere"), true }
	s, err := Start(t.Context(), Options{Dir: dir, Lookup: lookup}, &said)
	if err != nil {
		t.Fatal(err, said.String())
	}
	t.Cleanup(s.Stop)
	return s, said.String()
}

// checkServer uploads to a server and reads it as fetch does.
func checkServer(t *testing.T, s *Server, dir string) {
	t.Helper()
	data := bytes.Repeat([]byte("confidential "), 20_000)
	files := []File{{name, data, at}, {"notes.txt", nil, at}}
	for _, want := range []int{2, 0} { // what is there already is not uploaded again
		if n, err := Upload(t.Context(), s.Account, files); n != want || err != nil {
			t.Fatalf("uploaded %d files, want %d: %v", n, want, err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("the folder has %v, %v", left, err)
	}
	other := []File{{name, data[1:], at}}
	if _, err := Upload(t.Context(), s.Account, other); err == nil {
		t.Error("a file was replaced")
	}
	pins, err := sftpstore.ParseHostKeys(s.HostKeys)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sftpstore.New(sftpstore.Config{Host: s.Address, Username: s.Username,
		Key: settings.NewSecret(s.Key), HostKeys: pins, Folder: s.Folder}, sftpstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	listed, err := store.List(t.Context())
	if err != nil || len(listed.Files) != 1 || listed.Files[0].Path != name || !listed.Files[0].ModTime.Equal(at) {
		t.Fatalf("%s lists %v, %v", s.Program, listed, err)
	}
	r, err := store.Open(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s sends %d bytes of %d, %v", s.Program, len(got), len(data), err)
	}
}

// TestServers starts each program that is on this machine.
func TestServers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, variable, program string
		required                bool
	}{
		{"sshd", "SSHD", cmp.Or(os.Getenv("SSHD"), "/usr/sbin/sshd"), false},
		{"sftp-server", "SFTP_SERVER", cmp.Or(os.Getenv("SFTP_SERVER"), "/usr/lib/openssh/sftp-server"), false},
		{"Go", "", "an SFTP server in Go", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "with a blank")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			s, said := startServer(t, dir, map[string]string{tt.variable: tt.program})
			if !tt.required && !strings.Contains(s.Program, tt.program) {
				t.Skipf("LEFT OUT: %s %s", s.Program, said)
			}
			checkServer(t, s, dir)
			keys := s.dir
			s.Stop()
			if _, err := os.Stat(keys); !os.IsNotExist(err) {
				t.Errorf("the keys are still there: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := List(ctx, s.Account); err == nil {
				t.Error("the server still runs")
			}
		})
	}
}

// TestOnlyTheAccount signs in with another key, as another user, and to another host key.
func TestOnlyTheAccount(t *testing.T) {
	t.Parallel()
	s, _ := startServer(t, t.TempDir(), nil)
	other, _ := startServer(t, t.TempDir(), nil)
	for what, change := range map[string]func(*Account){
		"another key":      func(a *Account) { a.Key = other.Key },
		"another user":     func(a *Account) { a.Username += "x" },
		"another host key": func(a *Account) { a.HostKeys = other.HostKeys },
		"no host key":      func(a *Account) { a.HostKeys = "" },
	} {
		a := s.Account
		change(&a)
		if _, err := List(t.Context(), a); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

// TestBrokenProgram: a program that does not serve is not used.
func TestBrokenProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "sshd")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, said := startServer(t, t.TempDir(), map[string]string{"SSHD": program})
	if s.Program != "an SFTP server in Go" || strings.Count(said, "can't be used here") != 1 {
		t.Errorf("%s\n%s", s.Program, said)
	}
}
