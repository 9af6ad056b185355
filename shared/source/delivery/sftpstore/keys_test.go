package sftpstore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// encryptLegacy returns a PKCS #1 key encrypted as OpenSSL did before PKCS #8.
func encryptLegacy(t *testing.T, key string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(key))
	//lint:ignore SA1019 administrators have such keys
	encrypted, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte(passphrase),
		x509.PEMCipherAES128)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(encrypted))
}

// newECKey returns an ECDSA key as openssl ecparam -genkey writes it, with the parameters of its curve first.
func newECKey(t *testing.T) (key string, public ssh.PublicKey) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, merr := x509.MarshalECPrivateKey(private)
	signer, err := ssh.NewSignerFromKey(private)
	if err := errors.Join(merr, err); err != nil {
		t.Fatal(err)
	}
	curve := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: curve})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), signer.PublicKey()
}

func joinLines(key, by string) string { return strings.ReplaceAll(strings.TrimSpace(key), "\n", by) }

const bag = "Bag Attributes\n    friendlyName: o2\n    localKeyID: 01\nKey Attributes: <No Attributes>\n"

func TestKeysAccepted(t *testing.T) {
	t.Parallel()
	ed, rsaKey := userEd25519(), userRSA()
	ec, ecPublic := newECKey(t)
	for name, tt := range map[string]struct {
		key    string
		public ssh.PublicKey
	}{
		"OpenSSH":                    {ed.openSSH, ed.public},
		"OpenSSH, encrypted":         {ed.encrypted, ed.public},
		"PKCS #8":                    {ed.other, ed.public},
		"PKCS #1":                    {rsaKey.other, rsaKey.public},
		"PKCS #1, encrypted":         {encryptLegacy(t, rsaKey.other), rsaKey.public},
		"the parameters of a curve":  {ec, ecPublic},
		"text before it":             {bag + rsaKey.other, rsaKey.public},
		"a certificate before it":    {certificate + rsaKey.other, rsaKey.public},
		"CRLF":                       {joinLines(ed.openSSH, "\r\n") + "\r\n", ed.public},
		"CR":                         {joinLines(ed.openSSH, "\r"), ed.public},
		"CRLF, encrypted, PKCS #1":   {joinLines(encryptLegacy(t, rsaKey.other), "\r\n"), rsaKey.public},
		"one line with \\n":          {joinLines(ed.openSSH, `\n`) + `\n`, ed.public},
		"one line with \\r\\n":       {joinLines(ed.encrypted, `\r\n`), ed.public},
		"one line with \\n, PKCS #1": {joinLines(encryptLegacy(t, rsaKey.other), `\n`), rsaKey.public},
		"one line with blanks":       {joinLines(rsaKey.other, " "), rsaKey.public},
		"one line":                   {joinLines(rsaKey.other, ""), rsaKey.public},
		"blanks and empty lines":     {"\n  " + strings.TrimSpace(ed.openSSH) + "\n\n ", ed.public},
	} {
		all, err := parseKeys(tt.key, passphrase) // which a key without one does not need
		if err != nil || len(all) != 1 || !bytes.Equal(all[0].PublicKey().Marshal(), tt.public.Marshal()) {
			t.Errorf("%s: %d keys, %v", name, len(all), err)
		}
	}
	if all, err := parseKeys(joinLines(rsaKey.other+ed.openSSH, " "), ""); err != nil || len(all) != 2 {
		t.Errorf("two keys in one line: %d keys, %v", len(all), err)
	}
}

var certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))

func TestKeysRefused(t *testing.T) {
	t.Parallel()
	ed, rsaKey := userEd25519(), userRSA()
	legacy := encryptLegacy(t, rsaKey.other)
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}))
	pkcs8 := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
	block, _ := pem.Decode([]byte(ed.encrypted))
	block.Bytes = bytes.Replace(block.Bytes, []byte("aes256-ctr"), []byte("aes256-gcm"), 1)
	ec, _ := newECKey(t)
	broken := strings.Replace(ed.openSSH, "b3BlbnNzaC1rZXktdjE", "b3BlbnNzaC1rZXktdjI", 1)
	otherCipher := string(pem.EncodeToMemory(block))
	for name, tt := range map[string]struct {
		key, passphrase string
		want            error // nil: any
	}{
		"no passphrase":                {ed.encrypted, "", errNoPassphrase},
		"no passphrase, PKCS #1":       {legacy, "", errNoPassphrase},
		"wrong passphrase":             {ed.encrypted, "wrong", errPassphrase},
		"wrong passphrase, PKCS #1":    {legacy, "wrong", errPassphrase},
		"encrypted PKCS #8":            {pkcs8, passphrase, errPKCS8},
		"encrypted PKCS #8, no phrase": {pkcs8, "", errPKCS8},
		"another cipher":               {otherCipher, passphrase, errCipher},
		"public":                       {string(ssh.MarshalAuthorizedKey(ed.public)), "", errPublicKey},
		"public, PEM":                  {public, "", errPublicKey},
		"public, SSH2":                 {"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA", "", errPublicKey},
		"SSH2":                         {"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nAAAA", "", errSSHCom},
		"certificate":                  {certificate, "", errCertificate},
		"PuTTY":                        {"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none", "", errPuTTY},
		"only parameters":              {ec[:strings.Index(ec, "-----BEGIN EC PRIVATE")], "", errNoKey},
		"DSA":                          {strings.ReplaceAll(rsaKey.other, "RSA PRIVATE", "DSA PRIVATE"), "", errKind},
		"cut off":                      {ed.openSSH[:len(ed.openSSH)/2], "", errNoKey},
		"five":                         {strings.Repeat(ed.openSSH, 5), "", nil},
		"one and rubbish":              {ed.openSSH + "rubbish", "", errNoKey},
		"rubbish":                      {"rubbish", "", errNoKey},
		"broken":                       {broken, "", errKind},
	} {
		all, err := parseKeys(tt.key, tt.passphrase)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %d keys, error %v, want %v", name, len(all), err, tt.want)
		} else if strings.Contains(err.Error(), "ssh:") || strings.Contains(err.Error(), "b3Bl") {
			t.Errorf("%s: the error tells too much: %v", name, err)
		}
	}
}

// The commands that the errors name make a key that is accepted.
func TestConvertKey(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	file := filepath.Join(t.TempDir(), "key")
	command := func(args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "ssh-keygen", append(args, "-f", file)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen %q: %v: %s", args, err, out)
		}
	}
	keys := func() ([]ssh.Signer, error) {
		t.Helper()
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return parseKeys(string(raw), passphrase)
	}
	command("-q", "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", passphrase)
	if _, err := keys(); !errors.Is(err, errPKCS8) {
		t.Errorf("encrypted PKCS #8: %v", err)
	}
	command("-p", "-P", passphrase, "-N", passphrase)
	if all, err := keys(); len(all) != 1 {
		t.Errorf("converted: %v", err)
	}
	command("-p", "-P", passphrase, "-N", passphrase, "-Z", "aes256-gcm@openssh.com")
	if _, err := keys(); !errors.Is(err, errCipher) {
		t.Errorf("another cipher: %v", err)
	}
	command("-p", "-P", passphrase, "-N", passphrase, "-Z", "aes256-ctr")
	if all, err := keys(); len(all) != 1 {
		t.Errorf("converted: %v", err)
	}
}
