package sftpserver

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/arrival"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/delivery/sftpstore"
)

const zip = "202611280000-TeleMessage_1_20261128050012.zip"

// kept is a place of a secret that counts how often it is read.
type kept struct {
	text  string
	err   error
	reads int
}

func (k *kept) Read(ctx context.Context) (settings.Secret, error) {
	k.reads++
	if ctx.Err() != nil {
		return settings.Secret{}, context.Cause(ctx)
	}
	return settings.NewSecret(k.text), k.err
}

// start returns a server with the password "right" and one file, and its pinned configuration.
func start(t *testing.T, password Secret) (*deliverytest.Server, Config) {
	t.Helper()
	server := deliverytest.New(deliverytest.Options{User: "o2", Password: "right", Methods: []string{"password"}})
	t.Cleanup(server.Close)
	server.Put(zip, deliverytest.File{Data: []byte("content"), ModTime: time.Unix(1_700_000_000, 0)})
	c := Config{Host: "sftp.contoso.com", Username: "o2", Password: password, Dial: server.Dial}
	shown, err := New(c).HostKey(t.Context())
	if !errors.Is(err, sftpstore.ErrHostKey) || shown.Pin == "" {
		t.Fatalf("without a pinned key: %+v, %v", shown, err)
	}
	if c.HostKeys, err = sftpstore.ParseHostKeys(shown.Pin); err != nil {
		t.Fatal(err)
	}
	return server, c
}

func names(l arrival.Listing) string {
	var all []string
	for _, f := range l.Files {
		all = append(all, f.Path)
	}
	return strings.Join(all, " ")
}

// The secrets are read once in a run, however many folders and calls it has.
func TestSecretsAreReadOnce(t *testing.T) {
	password := &kept{text: "right"}
	_, c := start(t, password)
	password.reads = 0
	server := New(c)
	for _, folder := range []*Folder{server.Folder("", sftpstore.Options{}), server.Folder("", sftpstore.Options{})} {
		defer folder.Close()
		found, err := folder.List(t.Context())
		if err != nil || names(found) != zip {
			t.Fatalf("%s, %v", names(found), err)
		}
		f, err := folder.Open(t.Context(), zip, 3)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(f); err != nil || string(data) != "tent" {
			t.Errorf("%q, %v", data, err)
		}
		f.Close()
	}
	if password.reads != 1 {
		t.Errorf("the password was read %d times", password.reads)
	}
}

// A password that was changed in the vault during a run is read then. One that is still refused is tried no further.
func TestRefusedPassword(t *testing.T) {
	for _, tt := range []struct {
		name    string
		after   string // what the vault has once the server has refused "wrong"
		signIns int
		works   bool
	}{
		{"it was changed", "right", 2, true},
		{"it is as before", "wrong", 1, false},
		{"it is another wrong one", "wrong, too", 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			password := &kept{text: "right"}
			service, c := start(t, password)
			password.text = "wrong"
			server := New(c)
			if err := server.SignIn(t.Context()); err != nil {
				t.Fatal(err)
			}
			password.text = tt.after
			before := service.Counts().SignIns
			folder := server.Folder("", sftpstore.Options{})
			defer folder.Close()
			for range 3 {
				found, err := folder.List(t.Context())
				if tt.works && (err != nil || names(found) != zip) ||
					!tt.works && !errors.Is(err, sftpstore.ErrCredentials) {
					t.Errorf("%s, %v", names(found), err)
				}
			}
			if got := service.Counts().SignIns - before; got != tt.signIns {
				t.Errorf("%d passwords were tried, want %d", got, tt.signIns)
			}
		})
	}
}

// A password that is refused when the server is connected to anew, in the middle of a run, is renewed as well. The file
// is opened by a new listing.
func TestRefusedInTheMiddle(t *testing.T) {
	password := &kept{text: "right"}
	service, c := start(t, password)
	folder := New(c).Folder("", sftpstore.Options{})
	defer folder.Close()
	if _, err := folder.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	service.SetPassword("changed")
	password.text = "changed"
	service.CutAll()
	f, err := folder.Open(t.Context(), zip, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); err != nil || string(data) != "content" {
		t.Errorf("%q, %v", data, err)
	}
}

// Without its secrets the server is not called, and the vault is not asked again in the run.
func TestSecretThatCannotBeRead(t *testing.T) {
	password := &kept{text: "right"}
	service, c := start(t, password)
	before := service.Counts().Connections
	reason := errors.New("the password in the vault is disabled")
	password.err, password.reads = reason, 0
	folder := New(c).Folder("", sftpstore.Options{})
	for range 2 {
		if _, err := folder.List(t.Context()); !errors.Is(err, ErrSecret) || !errors.Is(err, reason) {
			t.Errorf("list: %v", err)
		}
	}
	if got := service.Counts().Connections - before; got != 0 || password.reads != 1 {
		t.Errorf("%d connections, %d reads", got, password.reads)
	}
	c.Password, c.Key = nil, &kept{text: "-----BEGIN OPENSSH PRIVATE KEY-----\nhidden"}
	if err := New(c).Validate(t.Context()); !errors.Is(err, ErrSecret) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a key that is none: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	password.err = nil
	c.Password, c.Key = password, nil
	server := New(c)
	if err := server.SignIn(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if err := server.SignIn(t.Context()); err != nil {
		t.Errorf("after it: %v", err)
	}
}
