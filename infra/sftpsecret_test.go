package infra

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// keyPair returns a private key of ssh-keygen's, with a passphrase or without, and the name of its file.
func keyPair(t *testing.T, passphrase string, more ...string) (text, file string) {
	t.Helper()
	keygen := need(t, "ssh-keygen")
	file = filepath.Join(t.TempDir(), "key")
	args := append([]string{"-q", "-t", "ed25519", "-N", passphrase, "-f", file}, more...)
	if said, err := exec.Command(keygen, args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, said)
	}
	return read(t, file), file
}

// stored returns what was stored under a name, and complains if it was stored in any other number than once, or if a
// line of it is an argument of a program or was printed.
func (r ran) stored(t *testing.T, name string) string {
	t.Helper()
	puts := r.with("--method put", "/vaults/kv1/secrets/"+name+"?")
	if len(puts) != 1 || len(r.with("--method put")) != 1 {
		t.Fatalf("%d times %s was written: %v\n%s", len(puts), name, r.calls, r.out)
	}
	var body struct{ Properties struct{ Value string } }
	if err := json.Unmarshal([]byte(puts[0].Input), &body); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(body.Properties.Value) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "-----") {
			continue
		}
		for _, c := range r.calls {
			if strings.Contains(strings.Join(c.Args, " "), line) {
				t.Errorf("a line of %s is an argument", name)
			}
		}
		if strings.Contains(r.out, line) {
			t.Errorf("a line of %s is printed", name)
		}
	}
	return body.Properties.Value
}

// shownKey is the public half of a key, as it is printed.
var shownKey = regexp.MustCompile(`(?m)^(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/=]+ o2-archiver$`)

// The key pair is made by the set-up. Its private half goes to the vault, and only its public half is shown.
func TestNewKey(t *testing.T) {
	need(t, "ssh-keygen")
	for _, tt := range []struct {
		name, kind, script, input string
		args, env                 []string
	}{
		{"by the set-up", "ssh-ed25519", "hooks/postprovision.sh", "", nil,
			[]string{"FETCH_SECRETS=delivery-sftp-key,delivery-sftp-password", "FAKE_SECRETS=delivery-sftp-password"}},
		{"the first", "ssh-ed25519", "sftp-secret", "", []string{"new-key"}, nil},
		{"for an old server", "ssh-rsa", "sftp-secret", "", []string{"new-key", "rsa"}, nil},
		{"in place of another", "ssh-ed25519", "sftp-secret", "yes\n", []string{"new-key"},
			[]string{"FAKE_SECRETS=delivery-sftp-key"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			work := t.TempDir()
			r := script(t, tt.input, append(tt.env, "TMPDIR="+work), tt.script, tt.args...)
			r.good(t)
			private := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(private, []byte(r.stored(t, "delivery-sftp-key")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			public, err := exec.Command("ssh-keygen", "-y", "-P", "", "-f", private).Output()
			shown := strings.TrimSuffix(shownKey.FindString(r.out), " o2-archiver")
			if err != nil || !strings.HasPrefix(string(public), shown) || !strings.HasPrefix(shown, tt.kind+" ") {
				t.Errorf("the public half is %q, of the stored key it is %q (%v)", shown, public, err)
			}
			if !strings.Contains(r.out, "the next run of fetch reads it") {
				t.Errorf("it says\n%s", r.out)
			}
			if left, err := os.ReadDir(work); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	// A key that is there stays until the server knows the new one.
	for _, answer := range []string{"", "no\n", "y\n"} {
		r := script(t, answer, []string{"FAKE_SECRETS=delivery-sftp-key"}, "sftp-secret", "new-key")
		r.bad(t, "the former one stays")
		if !shownKey.MatchString(r.out) || len(r.with("--method put")) != 0 {
			t.Errorf("after %q: %v\n%s", answer, r.calls, r.out)
		}
	}
	r := script(t, "", []string{"FAKE_VAULT_AWAY=1"}, "sftp-secret", "new-key")
	r.bad(t, "does not say what it has")
	if shownKey.MatchString(r.out) {
		t.Error("a pair was made although the vault can't be asked")
	}
	script(t, "", []string{"FAKE_VAULT_READ_ONLY=1"}, "sftp-secret", "new-key").bad(t,
		"the private half was not written")
}

// A key of the administrator's own is stored as it is, with its lines.
func TestKeyFromAFile(t *testing.T) {
	text, file := keyPair(t, "")
	windows := filepath.Join(t.TempDir(), "key")
	pem, pemFile := keyPair(t, "", "-t", "rsa", "-b", "2048", "-m", "PEM")
	locked, lockedFile := keyPair(t, "correct horse")
	lockedPEM, lockedPEMFile := keyPair(t, "correct horse", "-t", "rsa", "-b", "2048", "-m", "PEM")
	if err := os.WriteFile(windows, []byte(strings.ReplaceAll(text, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{file: text, windows: text, pemFile: pem} {
		if got := script(t, "", nil, "sftp-secret", "key", from).stored(t, "delivery-sftp-key"); got+"\n" != want {
			t.Errorf("stored is another text of %d bytes, want %d", len(got), len(want))
		}
	}
	for from, want := range map[string]string{lockedFile: locked, lockedPEMFile: lockedPEM} {
		r := script(t, "", nil, "sftp-secret", "key", from)
		r.bad(t, "has a passphrase")
		if len(r.with("--method put")) != 0 {
			t.Error("a key is stored that fetch can't open")
		}
		both := []string{"FETCH_SECRETS=delivery-sftp-key,delivery-sftp-key-passphrase"}
		if got := script(t, "", both, "sftp-secret", "key", from).stored(t, "delivery-sftp-key"); got+"\n" != want {
			t.Error("a key with a passphrase is stored as another")
		}
	}
	putty, large := filepath.Join(t.TempDir(), "key.ppk"), filepath.Join(t.TempDir(), "large")
	pkcs8 := filepath.Join(t.TempDir(), "pkcs8")
	for name, content := range map[string]string{putty: "PuTTY-User-Key-File-3: ssh-ed25519\n",
		pkcs8: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		large: "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("A", 20_000)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, says := range map[string]string{file + ".pub": "the public half", putty: "puttygen",
		pkcs8: "ssh-keygen -p", large: "too large",
		"sftp-secret": "does not begin as", filepath.Join(t.TempDir(), "none"): "there is no file"} {
		r := script(t, "", nil, "sftp-secret", "key", from)
		r.bad(t, says)
		if len(r.with("--method put")) != 0 {
			t.Errorf("%s: something is stored", says)
		}
	}
}

func TestPasswordAtTheServer(t *testing.T) {
	const password = `p"a\s$s 'w'rd` + "`" + `€`
	for word, name := range map[string]string{"password": "delivery-sftp-password",
		"passphrase": "delivery-sftp-key-passphrase"} {
		r := script(t, password+"\n", []string{"FETCH_SECRETS=" + name}, "sftp-secret", word)
		r.good(t)
		if got := r.stored(t, name); got != password || strings.Contains(r.out, "does not sign in with it") {
			t.Errorf("%s: %q is stored; it says\n%s", word, got, r.out)
		}
		// What fetch is not told to read is of no use yet.
		r = script(t, password+"\n", []string{"FETCH_SECRETS=delivery-sftp-key"}, "sftp-secret", word)
		r.good(t)
		if !strings.Contains(r.out, "does not sign in with it yet: set DELIVERY_SFTP_SIGN_IN") {
			t.Errorf("%s: it says\n%s", word, r.out)
		}
		script(t, "", nil, "sftp-secret", word).bad(t, "no password was given")
		script(t, "a\tb\n", nil, "sftp-secret", word).bad(t, "control character")
		r = script(t, "secret\n", []string{"FAKE_VAULT_AWAY=1"}, "sftp-secret", word)
		r.bad(t, "does not say what it has")
		if len(r.with("--method put")) != 0 {
			t.Errorf("%s: written: %v", word, r.calls)
		}
	}
	for _, args := range [][]string{nil, {"typo"}, {"key"}, {"new-key", "dsa"}, {"password", "x"},
		{"password", "x", "y"}} {
		r := script(t, "secret\n", nil, "sftp-secret", args...)
		if r.err == nil || len(r.calls) != 0 {
			t.Errorf("%q: %v", args, r.calls)
		}
	}
}

// The hook cares for the secrets of the source that is deployed, and for no others.
func TestSecretsOfTheSource(t *testing.T) {
	for _, tt := range []struct {
		secrets, has, says string
		puts               string
	}{
		{"telemessage-password", "", "The password at the TeleMessage site: not set", ""},
		{"", "", "", ""},
		{"delivery-sftp-key", "delivery-sftp-key", "has delivery-sftp-key already", ""},
		{"delivery-sftp-key,delivery-sftp-key-passphrase", "", "not set; run infra/sftp-secret key FILE", ""},
		{"delivery-sftp-password", "", "not set; run infra/sftp-secret password", ""},
		{"delivery-sftp-key,delivery-sftp-password", "", "not set; run infra/sftp-secret password",
			"delivery-sftp-key"},
	} {
		r := withoutTerminal(t, []string{"FETCH_SECRETS=" + tt.secrets, "FAKE_SECRETS=" + tt.has},
			"hooks/postprovision.sh")
		r.good(t)
		if !strings.Contains(r.out, tt.says) || tt.secrets == "" && len(r.calls) != 0 {
			t.Errorf("with %q: %d calls, and it says\n%s", tt.secrets, len(r.calls), r.out)
		}
		if puts := r.with("--method put"); (len(puts) > 0) != (tt.puts != "") {
			t.Errorf("with %q: written: %v", tt.secrets, puts)
		}
	}
}
