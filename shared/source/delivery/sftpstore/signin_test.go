package sftpstore

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"o2archiver/shared/retry"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
)

const passphrase = "staple"

// userKey is a private key as an administrator gives it, in several forms, with its public half.
type userKey struct {
	public                    ssh.PublicKey
	openSSH, encrypted, other string
}

// The form of other is PEM: PKCS #8 for ed25519, PKCS #1 for RSA.
var (
	userEd25519 = sync.OnceValue(func() userKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err)
		}
		all := formsOf(key, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
		encrypted, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
		if err != nil {
			panic(err)
		}
		all.encrypted = string(pem.EncodeToMemory(encrypted))
		return all
	})
	userRSA = sync.OnceValue(func() userKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return formsOf(key, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	})
)

func formsOf(key any, other *pem.Block) userKey {
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		panic(err)
	}
	plain, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		panic(err)
	}
	return userKey{public: signer.PublicKey(), openSSH: string(pem.EncodeToMemory(plain)),
		other: string(pem.EncodeToMemory(other))}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	ed, rsaKey := userEd25519(), userRSA()
	twoKeys := rsaKey.openSSH + "\n" + ed.openSSH
	const right = password
	q := func(texts ...string) (round []deliverytest.Question) {
		for _, text := range texts {
			round = append(round, deliverytest.Question{Text: text, Echo: strings.HasSuffix(text, "!")})
		}
		return round
	}
	rounds := func(all ...[]deliverytest.Question) [][]deliverytest.Question { return all }
	const other, byKey, both, ask = "another-secret", "publickey", "publickey,password", "keyboard-interactive"
	for name, tt := range map[string]struct {
		methods       string // separated by blanks
		public        ssh.PublicKey
		questions     [][]deliverytest.Question
		key, password string
		ok            bool
	}{
		"password":                     {methods: "password", password: right, ok: true},
		"password, wrong":              {methods: "password", password: other},
		"key":                          {methods: byKey, public: ed.public, key: ed.openSSH, ok: true},
		"key, encrypted":               {methods: byKey, public: ed.public, key: ed.encrypted, ok: true},
		"key, PKCS #8":                 {methods: byKey, public: ed.public, key: ed.other, ok: true},
		"key, RSA":                     {methods: byKey, public: rsaKey.public, key: rsaKey.openSSH, ok: true},
		"key, RSA, PKCS #1":            {methods: byKey, public: rsaKey.public, key: rsaKey.other, ok: true},
		"key, another":                 {methods: byKey, public: rsaKey.public, key: ed.openSSH},
		"the second of two keys":       {methods: byKey, public: ed.public, key: twoKeys, ok: true},
		"key where password is wanted": {methods: "password", key: ed.openSSH},
		"key or password":              {methods: "publickey password", key: ed.openSSH, password: right, ok: true},
		"both":                         {methods: both, public: ed.public, key: ed.openSSH, password: right, ok: true},
		"both, no key":                 {methods: both, public: ed.public, password: right},
		"both, no password":            {methods: both, public: ed.public, key: ed.openSSH},
		"both, wrong password":         {methods: both, public: ed.public, key: ed.openSSH, password: other},
		"questions":                    {methods: ask, password: right, ok: true},
		"questions, wrong":             {methods: ask, password: other},
		"questions, no password":       {methods: ask, key: ed.openSSH},
		"questions, one round":         {methods: ask, password: right, questions: rounds(q("?")), ok: true},
		"questions, a note first":      {methods: ask, password: right, questions: rounds(q(), q("?")), ok: true},
		"questions, echoed":            {methods: ask, password: right, questions: rounds(q("code!"))},
		"questions, two":               {methods: ask, password: right, questions: rounds(q("?", "code"))},
		"questions, a second round":    {methods: ask, password: right, questions: rounds(q("?"), q("code"))},
		"questions, notes for ever": {methods: ask, password: right,
			questions: make([][]deliverytest.Question, 100)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, deliverytest.Options{Methods: strings.Fields(tt.methods), Key: tt.public,
				Questions: tt.questions})
			s := newStore(t, server, func(c *Config, _ *Options) {
				c.Password, c.Key = settings.NewSecret(tt.password), settings.NewSecret(tt.key)
				c.KeyPassphrase = settings.NewSecret(passphrase)
			})
			found, err := s.List(t.Context())
			if (err == nil) != tt.ok || tt.ok != (len(found.Files) == 1) {
				t.Fatalf("%d files, %v", len(found.Files), err)
			}
			if tt.ok {
				return
			}
			if again, _ := retry.IsTransient(err); !errors.Is(err, ErrCredentials) || again ||
				server.Counts().Connections != 1 {
				t.Errorf("error %v after %d connections", err, server.Counts().Connections)
			}
			if strings.Contains(err.Error(), "a key") != (tt.key != "") ||
				strings.Contains(err.Error(), "a password") != (tt.password != "") {
				t.Errorf("the error does not name what is configured: %v", err)
			}
			for _, never := range []string{other, passphrase, "code", "PRIVATE"} {
				if strings.Contains(err.Error(), never) {
					t.Errorf("the error tells %q: %v", never, err)
				}
			}
			checkWords(t, err)
		})
	}
}

// A server that refuses by closing the connection, or falls silent after the password came, is not asked again and
// again: the account may be locked.
func TestSignInBreaksOff(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		server.Fail(deliverytest.Fault{Phase: deliverytest.SignIn, Kind: deliverytest.Cut})
		_, err := newStore(t, server).List(t.Context())
		if !errors.Is(err, ErrCredentials) || server.Counts().SignIns != 1 {
			t.Errorf("error %v, %+v", err, server.Counts())
		}
		checkWords(t, err)
	})
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		server.Fail(deliverytest.Fault{Phase: deliverytest.SignIn, Kind: deliverytest.Freeze})
		began := time.Now()
		found, err := newStore(t, server).List(t.Context())
		if took := time.Since(began); len(found.Files) != 1 || err != nil || took > 2*time.Minute {
			t.Errorf("%d files, %v after %v", len(found.Files), err, took)
		}
	})
}

// A sign-in without an answer may have been refused: it is tried once more, and no further time by the same store.
func TestSignInIsNeverAnswered(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		server.Fail(deliverytest.Fault{Phase: deliverytest.SignIn, Kind: deliverytest.Freeze, Times: 10})
		_, err := newStore(t, server).List(t.Context())
		if again, _ := retry.IsTransient(err); !errors.Is(err, ErrCredentials) || again ||
			server.Counts().SignIns != maxSilent {
			t.Errorf("error %v, %+v", err, server.Counts())
		}
		checkWords(t, err)
	})
}

// A server that starts no session is asked again only if it says that it has none left.
func TestNoSession(t *testing.T) {
	t.Parallel()
	server := newServer(t, deliverytest.Options{})
	server.Fail(deliverytest.Fault{Phase: deliverytest.Subsystem, Kind: deliverytest.Refuse})
	_, err := newStore(t, server).List(t.Context())
	if !errors.Is(err, ErrDenied) || server.Counts().Connections != 1 {
		t.Errorf("error %v, %+v", err, server.Counts())
	}
	checkWords(t, err)
}
