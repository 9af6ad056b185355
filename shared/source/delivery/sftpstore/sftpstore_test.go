package sftpstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"o2archiver/shared/arrival"
	"o2archiver/shared/retry"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
)

const (
	vendor   = "vendor"
	password = "correct-horse"
	whole    = "202611280000-TeleMessage_1_20261128050012.zip"
	second   = "202611280000-TeleMessage_2_20261128050013.zip"
	big      = 300_000 // bytes: several requests
)

var (
	at = time.Date(2026, 11, 28, 5, 0, 12, 0, time.UTC)

	// The keys of all tests: making them takes most of a test's time.
	hostEd25519 = sync.OnceValue(func() ssh.Signer { return deliverytest.NewKey("ed25519") })
	hostECDSA   = sync.OnceValue(func() ssh.Signer { return deliverytest.NewKey("ecdsa") })
	hostRSA     = sync.OnceValue(func() ssh.Signer { return deliverytest.NewKey("rsa") })
)

func pinOf(keys ...ssh.Signer) HostKeys {
	var pins []string
	for _, key := range keys {
		pins = append(pins, describeKey(key.PublicKey()).Pin)
	}
	all, err := ParseHostKeys(strings.Join(pins, ","))
	if err != nil {
		panic(err)
	}
	return all
}

// noise is what all files are made of.
var noise = sync.OnceValue(func() []byte {
	data := make([]byte, big+1)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
})

func bytesOf(n int) []byte { return noise()[:n:n] }

// newServer returns a server that signs in by password, with one file.
func newServer(t *testing.T, o deliverytest.Options) *deliverytest.Server {
	t.Helper()
	if o.HostKeys == nil {
		o.HostKeys = []ssh.Signer{hostEd25519()}
	}
	if o.Methods == nil {
		o.Methods = []string{"password"}
	}
	o.User, o.Password = vendor, password
	s := deliverytest.New(o)
	s.Put(whole, deliverytest.File{Data: bytesOf(big), ModTime: at})
	t.Cleanup(s.Close)
	return s
}

// newStore returns a Store of the server. edit changes its configuration.
func newStore(t *testing.T, server *deliverytest.Server, edit ...func(*Config, *Options)) *Store {
	t.Helper()
	c := Config{Host: "sftp.example", Username: vendor, Password: settings.NewSecret(password),
		HostKeys: pinOf(hostEd25519())}
	o := Options{Dial: server.Dial}
	for _, e := range edit {
		e(&c, &o)
	}
	s, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// bubble runs a test in virtual time. The keys are made outside of it.
func bubble(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	hostEd25519()
	synctest.Test(t, run)
}

func readAll(ctx context.Context, s *Store, name string) ([]byte, error) {
	r, err := s.Open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	if cerr := r.Close(); cerr != nil {
		return data, cerr
	}
	return data, err
}

// checkWords fails if an error tells more than it may.
func checkWords(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, never := range []string{vendor, password, "example", "TeleMessage", "202611", "SHA256:", "ssh-ed25519 AAAA",
		"127.0.0.1", "ssh:", "sftp:"} {
		if strings.Contains(err.Error(), never) {
			t.Errorf("the error tells %q: %v", never, err)
		}
	}
}

func TestListAndOpen(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", "out", "a/b"} {
		server := newServer(t, deliverytest.Options{Folder: folder})
		server.Put(second, deliverytest.File{Data: nil, ModTime: at.Add(time.Hour)})
		server.Put("notes.txt", deliverytest.File{Data: []byte("x"), ModTime: at})
		server.Put(second+".filepart", deliverytest.File{Data: []byte("x"), ModTime: at})
		server.Put(".in."+second+".", deliverytest.File{Data: []byte("x"), ModTime: at})
		s := newStore(t, server, func(c *Config, _ *Options) { c.Folder = folder })
		for range 2 {
			found, err := s.List(t.Context())
			want := []arrival.File{{Path: whole, Size: big, ModTime: at}, {Path: second, ModTime: at.Add(time.Hour)}}
			if diff := cmp.Diff(want, found.Files); diff != "" || err != nil {
				t.Fatalf("folder %q: error %v, files (-want +got):\n%s", folder, err, diff)
			}
		}
		for name, want := range map[string][]byte{whole: bytesOf(big), second: nil} {
			if got, err := readAll(t.Context(), s, name); !bytes.Equal(got, want) || err != nil {
				t.Errorf("folder %q, a file of %d bytes: %d bytes, %v", folder, len(want), len(got), err)
			}
		}
		for _, offset := range []int64{1, 32 << 10, big - 1, big} {
			r, err := s.Open(t.Context(), whole, offset)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); !bytes.Equal(got, bytesOf(big)[offset:]) || err != nil {
				t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
			}
			r.Close()
		}
		for _, offset := range []int64{-1, big + 1} {
			if _, err := s.Open(t.Context(), whole, offset); err == nil {
				t.Errorf("offset %d is accepted", offset)
			}
		}
		for _, name := range []string{"notes.txt", "../" + whole, "", second + ".filepart"} {
			if _, err := s.Open(t.Context(), name, 0); !errors.Is(err, arrival.ErrNotListed) {
				t.Errorf("%q: %v", name, err)
			}
		}
		// One connection for all, one open for each reading, no request for the size of an open file, one read at a
		// time.
		if c := server.Counts(); c.Connections != 1 || c.Opens != 6 || c.Stats != 0 || c.Concurrent != 1 {
			t.Errorf("folder %q: %+v", folder, c)
		}
	}
}

// Where that is allowed, several parts of a file are asked for at the same time, and the bytes are the same.
func TestConcurrentReads(t *testing.T) {
	t.Parallel()
	server := newServer(t, deliverytest.Options{})
	server.Put(whole, deliverytest.File{Data: bytesOf(big), ModTime: at, Together: 4})
	s := newStore(t, server, func(c *Config, _ *Options) { c.ConcurrentReads = true })
	if _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Fail(deliverytest.Fault{Phase: deliverytest.Read, Kind: deliverytest.Cut, After: 200_000})
	r, err := s.Open(t.Context(), whole, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, big-1)
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, bytesOf(big)[1:]) {
		t.Errorf("read: %v", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
	if c := server.Counts(); c.Concurrent < 4 || c.Concurrent > concurrentReads || c.Stats != 0 || c.Opens != 2 {
		t.Errorf("%+v", c)
	}
}

func TestMissingFolder(t *testing.T) {
	t.Parallel()
	s := newStore(t, newServer(t, deliverytest.Options{}), func(c *Config, _ *Options) { c.Folder = "elsewhere" })
	_, err := s.List(t.Context())
	if again, _ := retry.IsTransient(err); !errors.Is(err, ErrNotFound) || again {
		t.Errorf("error = %v", err)
	}
	checkWords(t, err)
}

// What is not a regular file, or has a name that leads elsewhere, is not listed; sizes are never negative.
func TestListLeavesOut(t *testing.T) {
	t.Parallel()
	server := newServer(t, deliverytest.Options{})
	all := func(_ *Config, o *Options) { o.Accept = func(string) bool { return true } }
	for name, f := range map[string]deliverytest.File{
		"folder.zip": {Mode: fs.ModeDir}, "link.zip": {Mode: fs.ModeSymlink}, "pipe.zip": {Mode: fs.ModeNamedPipe},
		"socket.zip": {Mode: fs.ModeSocket}, "device.zip": {Mode: fs.ModeDevice},
		`back\slash.zip`: {}, "line\nbreak.zip": {}, strings.Repeat("x", 256): {},
		"sub/a.zip": {}, "sub/b.zip": {}, "nul\x00.zip": {}, "big.zip": {Size: -1, ModTime: time.Unix(0, 0)},
		"past.zip": {ModTime: time.Unix(1, 0)},
	} {
		server.Put(name, f)
	}
	server.ListTwice(whole)
	found, err := newStore(t, server, all).List(t.Context())
	want := []arrival.File{{Path: whole, Size: big, ModTime: at}, {Path: "big.zip", Size: math.MaxInt64},
		{Path: "past.zip", ModTime: time.Unix(1, 0)}} // a time of 0 is none
	if diff := cmp.Diff(want, found.Files); diff != "" || err != nil {
		t.Errorf("error %v, files (-want +got):\n%s", err, diff)
	}
	notFiles := []string{`back\slash.zip`, "device.zip", "folder.zip", "line\nbreak.zip", "link.zip", "nul\x00.zip",
		"pipe.zip", "socket.zip", "sub", strings.Repeat("x", 256)}
	if diff := cmp.Diff(notFiles, found.NotFiles); diff != "" {
		t.Errorf("what is no file (-want +got):\n%s", diff)
	}
}

func TestListIsBounded(t *testing.T) {
	t.Parallel()
	server := newServer(t, deliverytest.Options{})
	for i := range 1000 {
		server.Put(fmt.Sprintf("202611280000-TeleMessage_%d_x.zip", i), deliverytest.File{ModTime: at})
	}
	for limit, ok := range map[int]bool{1000: false, 1001: true} {
		s := newStore(t, server, func(_ *Config, o *Options) { o.MaxNames = limit })
		found, err := s.List(t.Context())
		if ok != (err == nil) || ok != (len(found.Files) == 1001) || !ok && !errors.Is(err, ErrProtocol) {
			t.Errorf("limit %d: %d files, %v", limit, len(found.Files), err)
		}
		checkWords(t, err)
	}
}

// A listing of 5,000 names, as long as names get.
func TestLongListing(t *testing.T) {
	t.Parallel()
	server := newServer(t, deliverytest.Options{})
	for i := range 5000 {
		name := fmt.Sprintf("202611280000-TeleMessage_%d_%s.zip", i, strings.Repeat("x", 200))
		server.Put(name, deliverytest.File{ModTime: at})
	}
	if found, err := newStore(t, server).List(t.Context()); len(found.Files) != 5001 || err != nil {
		t.Errorf("%d files, %v", len(found.Files), err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := Config{Host: "sftp.example", Username: vendor, Password: settings.NewSecret(password)}
	if _, err := New(good, Options{}); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Config){
		"no host":       func(c *Config) { c.Host = "" },
		"URL":           func(c *Config) { c.Host = "sftp://sftp.example" },
		"user in host":  func(c *Config) { c.Host = "vendor@sftp.example" },
		"no user":       func(c *Config) { c.Username = "" },
		"no secret":     func(c *Config) { c.Password = nil },
		"empty secret":  func(c *Config) { c.Password = settings.NewSecret("") },
		"no key":        func(c *Config) { c.Key = settings.NewSecret("correct-horse") },
		"another thing": func(c *Config) { c.Key = settings.NewSecret("-----BEGIN X-----\nAAAA\n-----END X-----\n") },
		"folder":        func(c *Config) { c.Folder = "a\x00b" },
	} {
		c := good
		edit(&c)
		if _, err := New(c, Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			checkWords(t, err)
		}
	}
	for host, want := range map[string]string{
		"sftp.example": "sftp.example:22", "sftp.example:2222": "sftp.example:2222", "192.0.2.1": "192.0.2.1:22",
		"2001:db8::1": "[2001:db8::1]:22", "[2001:db8::1]": "[2001:db8::1]:22",
		"[2001:db8::1]:2222": "[2001:db8::1]:2222",
		"sftp.example:":      "", "sftp.example:0": "", "sftp.example:70000": "", ":22": "", "a b": "", "a:b:c": "",
	} {
		if got, err := parseAddress(host); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", host, got, err, want)
		}
	}
}
