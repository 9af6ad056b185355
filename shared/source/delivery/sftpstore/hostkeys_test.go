package sftpstore

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery/deliverytest"
)

// A server has keys of several types; any one of them is enough, whichever it prefers.
func TestPinnedHostKeys(t *testing.T) {
	t.Parallel()
	ed, ecdsa, rsa := hostEd25519(), hostECDSA(), hostRSA()
	all := []ssh.Signer{ed, ecdsa, rsa}
	other := deliverytest.NewKey("ed25519")
	for name, tt := range map[string]struct {
		server []ssh.Signer
		pins   []ssh.Signer
		err    error
		shown  ssh.Signer
	}{
		"ed25519":                      {all, all[:1], nil, ed},
		"ecdsa":                        {all, all[1:2], nil, ecdsa},
		"rsa":                          {all, all[2:], nil, rsa},
		"all":                          {all, all, nil, ed},
		"old and new":                  {all[:1], []ssh.Signer{other, ed}, nil, ed},
		"one of a type that has gone":  {all[1:], all[:2], nil, ecdsa},
		"another of the type":          {all[:1], []ssh.Signer{other}, errOtherKey, ed},
		"another, right one not asked": {all, []ssh.Signer{other}, errOtherKey, ed},
		"none of the type":             {all[:1], all[2:], errPinType, ed},
		"none of the type, RSA":        {all[2:], all[:2], errPinType, rsa},
		"none pinned":                  {all[1:2], nil, errNoPin, ecdsa},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, deliverytest.Options{HostKeys: tt.server})
			s := newStore(t, server, func(c *Config, _ *Options) { c.HostKeys = pinOf(tt.pins...) })
			key, err := s.Check(t.Context())
			if !errors.Is(err, tt.err) || key != describeKey(tt.shown.PublicKey()) {
				t.Errorf("Check: %v, %v, want %s", key, err, tt.shown.PublicKey().Type())
			}
			found, err := s.List(t.Context())
			if !errors.Is(err, tt.err) || (tt.err == nil) != (len(found.Files) == 1) {
				t.Errorf("List: %d files, %v", len(found.Files), err)
			}
			if again, _ := retry.IsTransient(err); tt.err != nil && (!errors.Is(err, ErrHostKey) || again ||
				server.Counts().SignIns != 0) {
				t.Errorf("error %v, %+v: nothing may be sent to a server that is not known", err, server.Counts())
			}
			checkWords(t, err)
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	want := describeKey(hostEd25519().PublicKey())
	server := newServer(t, deliverytest.Options{Methods: []string{"publickey"}})
	key, err := newStore(t, server).Check(t.Context())
	if key != want || !errors.Is(err, ErrCredentials) {
		t.Errorf("wrong credentials: %v, %v", key, err)
	}
	if !strings.HasPrefix(want.Fingerprint, "SHA256:") || !strings.HasPrefix(want.Pin, "ssh-ed25519 AAAA") {
		t.Errorf("the key is described as %+v", want)
	}
	away := func(_ *Config, o *Options) {
		o.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Name: "sftp.example"}
		}
	}
	key, err = newStore(t, server, away).Check(t.Context())
	if key != (HostKey{}) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("no server: %v, %v", key, err)
	}
	checkWords(t, err)
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		server.Fail(deliverytest.Fault{Phase: deliverytest.Accept, Kind: deliverytest.Freeze, Times: 2})
		began := time.Now()
		for _, pins := range []HostKeys{{}, pinOf(hostEd25519())} {
			s := newStore(t, server, func(c *Config, _ *Options) { c.HostKeys = pins })
			if key, err := s.Check(t.Context()); key != (HostKey{}) || !errors.Is(err, ErrUnavailable) {
				t.Errorf("silence: %v, %v", key, err)
			}
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// What answers in place of an SSH server does not get credentials, and does not exhaust anything.
func TestNotSSH(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "HTTP/1.1 400 Bad Request\r\n\r\n<html>", "SSH-2.0-x\r\n", "SSH-1.5-x\r\n",
		strings.Repeat("x", 1<<20), strings.Repeat("x\r\n", 1<<18), "SSH-2.0-x\r\n\xff\xff\xff\xff\xff",
		"SSH-2.0-x\r\n" + strings.Repeat("\x00", 1<<16)} {
		bubble(t, func(t *testing.T) {
			dials := 0
			s := newStore(t, newServer(t, deliverytest.Options{}), func(_ *Config, o *Options) {
				o.Dial = func(context.Context, string, string) (net.Conn, error) {
					dials++
					mine, its := net.Pipe()
					go func() { _, _ = io.Copy(io.Discard, its) }()
					go func() { _, _ = io.WriteString(its, answer) }()
					return mine, nil
				}
			})
			_, err := s.List(t.Context())
			if !errors.Is(err, ErrUnavailable) || dials != 8 {
				t.Errorf("%.20q: error %v after %d connections", answer, err, dials)
			}
			checkWords(t, err)
		})
	}
}

func TestParseHostKeys(t *testing.T) {
	t.Parallel()
	ed, rsa := describeKey(hostEd25519().PublicKey()).Pin, describeKey(hostRSA().PublicKey()).Pin
	var many []string
	for range maxHostKeys {
		many = append(many, describeKey(deliverytest.NewKey("ed25519").PublicKey()).Pin)
	}
	for list, n := range map[string]int{
		"": 0, " ": 0, ",": 0, ed: 1, ed + "," + rsa: 2, " " + ed + " ,\n\t" + rsa + ",": 2, ed + "," + ed: 1,
		strings.Join(many, ","): maxHostKeys,
	} {
		if keys, err := ParseHostKeys(list); keys.Len() != n || err != nil {
			t.Errorf("%.60q: %d keys, %v, want %d", list, keys.Len(), err, n)
		}
	}
	authority := hostEd25519()
	cert := &ssh.Certificate{Key: hostEd25519().PublicKey(), CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity,
		ValidPrincipals: []string{"sftp.example"}}
	if err := cert.SignCert(strings.NewReader(strings.Repeat("x", 1000)), authority); err != nil {
		t.Fatal(err)
	}
	base64 := strings.Fields(ed)[1]
	for name, list := range map[string]string{
		"the key alone": base64, "a line of known_hosts": "sftp.example " + ed, "with a comment": ed + " root@sftp",
		"a fingerprint": describeKey(hostEd25519().PublicKey()).Fingerprint, "not base64": "ssh-ed25519 ----",
		"not a key": "ssh-ed25519 AAAA", "another algorithm": "ssh-rsa " + base64, "cut off": ed[:len(ed)-8],
		"the name of a signature": "rsa-sha2-512 " + strings.Fields(rsa)[1],
		"a certificate":           cert.Type() + " " + strings.Fields(describeKey(cert).Pin)[1],
		"a certificate, unmarked": "ssh-ed25519 " + strings.Fields(describeKey(cert).Pin)[1],
		"seventeen":               strings.Join(append(slices.Clone(many), ed), ","),
	} {
		keys, err := ParseHostKeys(list)
		if err == nil || keys.Len() != 0 {
			t.Errorf("%s: %d keys", name, keys.Len())
		} else if strings.Contains(err.Error(), "AAAA") || strings.Contains(err.Error(), "example") {
			t.Errorf("%s: the error tells too much: %v", name, err)
		}
	}
}

// FuzzParseHostKeys looks for a list that is read as other keys than it says, or that can't be asked for.
func FuzzParseHostKeys(f *testing.F) {
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBfJnGsDbtEnSJ4vFrBD4wUyNb1EMk8ZCMTQNXvv8bVQ")
	f.Add("ssh-rsa AAAAB3NzaC1yc2E=,ssh-ed25519 AAAA")
	f.Add("ssh-ed25519-cert-v01@openssh.com AAAA,,")
	f.Fuzz(func(t *testing.T, list string) {
		keys, err := ParseHostKeys(list)
		if err != nil {
			if keys.Len() != 0 || len(err.Error()) > 200 {
				t.Errorf("%d keys, %v", keys.Len(), err)
			}
			return
		}
		if keys.Len() > maxHostKeys || keys.Len() > 0 && len(keys.algorithms()) == 0 ||
			slices.Contains(keys.algorithms(), "ssh-rsa") {
			t.Errorf("%d keys, algorithms %v", keys.Len(), keys.algorithms())
		}
		var pins []string
		for _, key := range keys.keys {
			pins = append(pins, describeKey(key).Pin)
		}
		again, err := ParseHostKeys(strings.Join(pins, ","))
		if err != nil || again.Len() != keys.Len() {
			t.Errorf("%d keys, then %d, %v", keys.Len(), again.Len(), err)
		}
	})
}
