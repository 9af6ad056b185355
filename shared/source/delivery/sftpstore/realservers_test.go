package sftpstore

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"o2archiver/shared/arrival"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
)

// The tests of this file run against programs of others: OpenSSH's sftp-server and sshd, and ProFTPD. SFTP_SERVER, SSHD
// and PROFTPD say where they are, if not where Debian has them. With REQUIRE_SSHD=1 the first two must be there.

func findProgram(t *testing.T, variable, usual string, required bool) string {
	t.Helper()
	name := cmp.Or(os.Getenv(variable), usual)
	if _, err := os.Stat(name); err == nil {
		return name
	}
	if required && os.Getenv("REQUIRE_SSHD") == "1" {
		t.Fatalf("%s is missing, and REQUIRE_SSHD=1 demands it", name)
	}
	t.Skipf("LEFT OUT: %s is missing", name)
	return ""
}

// fillFolder makes the folder that every server of this file serves.
func fillFolder(t *testing.T, dir string) {
	t.Helper()
	for name, size := range map[string]int{whole: big, second: 0, second + ".filepart": 10, "notes.txt": 10} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytesOf(size), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "202611280000-TeleMessage_3_x.zip"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(whole, filepath.Join(dir, "202611280000-TeleMessage_4_x.zip")); err != nil {
		t.Fatal(err)
	}
}

// checkFolder reads it.
func checkFolder(t *testing.T, s *Store, dir string) {
	t.Helper()
	found, err := s.List(t.Context())
	want := []arrival.File{{Path: whole, Size: big, ModTime: at}, {Path: second, ModTime: at}}
	if err != nil || len(found.Files) != 2 || found.Files[0] != want[0] || found.Files[1] != want[1] {
		t.Fatalf("files %v, %v, want %v", found.Files, err, want)
	}
	if !slices.Contains(found.NotFiles, "202611280000-TeleMessage_3_x.zip") ||
		!slices.Contains(found.NotFiles, "202611280000-TeleMessage_4_x.zip") {
		t.Errorf("the folder and the link are not among %v", found.NotFiles)
	}
	for name, size := range map[string]int{whole: big, second: 0} {
		if got, err := readAll(t.Context(), s, name); !bytes.Equal(got, bytesOf(size)) || err != nil {
			t.Errorf("%d bytes of %d, %v", len(got), size, err)
		}
	}
	r, err := s.Open(t.Context(), whole, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); !bytes.Equal(got, bytesOf(big)[100_000:]) || err != nil {
		t.Errorf("from 100,000: %d bytes, %v", len(got), err)
	}
	r.Close()
	// A file that grows and one that shrinks after they were listed, one that has gone, and one that may not be read.
	for size, sentinel := range map[int]error{big + 1: arrival.ErrChanged, 100_001: arrival.ErrChanged} {
		if err := os.WriteFile(filepath.Join(dir, whole), bytesOf(size), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(t.Context(), s, whole); !errors.Is(err, sentinel) || len(got) > big {
			t.Errorf("a file that now has %d bytes: %d bytes, %v", size, len(got), err)
		}
	}
	if err := os.Remove(filepath.Join(dir, whole)); err != nil {
		t.Fatal(err)
	}
	_, err = readAll(t.Context(), s, whole)
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("a file that has gone: %v", err)
	}
	checkWords(t, err)
}

// checkMissingFolder lists a folder that is not there, in the home folder: first one that must be there, then one that
// may be missing, then one of which the folder around it is missing as well.
func checkMissingFolder(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.List(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("a folder that is not there: %v", err)
	}
	s.optional = true
	if found, err := s.List(t.Context()); len(found.Files) != 0 || err != nil {
		t.Errorf("a folder that may be missing: %d files, %v", len(found.Files), err)
	}
	s.folder += "/imports"
	if _, err := s.List(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("a folder in one that is not there: %v", err)
	}
}

// OpenSSH's SFTP, behind this project's SSH server.
func TestOpenSSHSFTP(t *testing.T) {
	t.Parallel()
	program := findProgram(t, "SFTP_SERVER", "/usr/lib/openssh/sftp-server", true)
	dir := t.TempDir()
	fillFolder(t, dir)
	for i := range 2000 {
		name := fmt.Sprintf("%d-%s.txt", i, strings.Repeat("x", 200))
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server := newServer(t, deliverytest.Options{Program: func(channel io.ReadWriteCloser) {
		command := exec.Command(program, "-R", "-d", dir)
		in, err := command.StdinPipe()
		if err != nil {
			t.Error(err)
			return
		}
		command.Stdout = channel
		if err := command.Start(); err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(in, channel)
		in.Close()
		_ = command.Wait()
	}})
	checkFolder(t, newStore(t, server), dir)
	checkMissingFolder(t, newStore(t, server, func(c *Config, _ *Options) { c.Folder = "elsewhere" }))
}

// freeAddress returns an address of this machine on which nothing listens.
func freeAddress(t *testing.T) (address, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return l.Addr().String(), port
}

// start runs a server until the test ends. It returns when the server accepts connections.
func start(t *testing.T, command *exec.Cmd, address string) {
	t.Helper()
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("the server's log:\n%s", log.String())
		}
	})
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server does not listen")
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// privateSystem returns a command that runs a server as root, in a mount namespace of its own: there the system has the
// account vendor, with the test's password and the folder out as its home, those that the servers run as, and an empty
// /run. The machine's own files are not touched.
func privateSystem(t *testing.T, dir, out, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("REQUIRE_SSHD") == "1" {
			t.Fatal("the test needs root, and REQUIRE_SSHD=1 demands it")
		}
		t.Skip("LEFT OUT: the test needs root")
	}
	hash, err := exec.Command("openssl", "passwd", "-6", password).Output()
	if err != nil {
		t.Fatal("openssl is missing: ", err)
	}
	passwd := writeFile(t, filepath.Join(dir, "passwd"), `root:x:0:0::/root:/bin/sh
sshd:x:60001:65534::/run/sshd:/bin/false
proftpd:x:60002:65534::/run:/bin/false
`+vendor+":x:60003:65534::"+out+":/bin/sh\n")
	shadow := writeFile(t, filepath.Join(dir, "shadow"), `root:*:::::::
sshd:*:::::::
proftpd:*:::::::
`+vendor+":"+strings.TrimSpace(string(hash))+":::::::\n")
	for name, mode := range map[string]os.FileMode{dir: 0o755, out: 0o755, passwd: 0o644} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	const enter = `mount -t tmpfs none /run && mkdir -p /run/sshd /run/proftpd && mount --bind "$1" /etc/passwd &&
		mount --bind "$2" /etc/shadow && shift 2 && exec "$@"`
	return exec.Command("unshare", append([]string{"-m", "sh", "-c", enter, "sh", passwd, shadow, program},
		arguments...)...)
}

// serverFolder returns a folder for a server's files, and the filled one that it serves.
func serverFolder(t *testing.T) (dir, out string) {
	t.Helper()
	dir = t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out = filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	fillFolder(t, out)
	return dir, out
}

// OpenSSH's sshd, with each way to sign in that needs no PAM.
func TestOpenSSHServer(t *testing.T) {
	t.Parallel()
	program := findProgram(t, "SSHD", "/usr/sbin/sshd", true)
	mine := userRSA()
	for methods, with := range map[string]struct{ key, password bool }{
		"publickey": {true, false}, "password": {false, true}, "publickey,password": {true, true},
	} {
		t.Run(methods, func(t *testing.T) {
			t.Parallel()
			dir, out := serverFolder(t)
			pin, err := ParseHostKeys(describeKey(userEd25519().public).Pin)
			if err != nil {
				t.Fatal(err)
			}
			authorized := writeFile(t, filepath.Join(dir, "authorized"), string(ssh.MarshalAuthorizedKey(mine.public)))
			if err := os.Chmod(authorized, 0o644); err != nil {
				t.Fatal(err)
			}
			address, port := freeAddress(t)
			config := writeFile(t, filepath.Join(dir, "sshd_config"), strings.Join([]string{
				"Port " + port, "ListenAddress 127.0.0.1", "AuthorizedKeysFile " + authorized, "PidFile none",
				"HostKey " + writeFile(t, filepath.Join(dir, "host"), userEd25519().openSSH),
				"StrictModes no", "UsePAM no", "PasswordAuthentication yes", "AuthenticationMethods " + methods,
				"Subsystem sftp internal-sftp", "ForceCommand internal-sftp -R", "",
			}, "\n"))
			start(t, privateSystem(t, dir, out, program, "-D", "-e", "-f", config), address)
			store := func(c Config) *Store {
				c.Host, c.Username = address, vendor
				if c.HostKeys.Len() == 0 {
					c.HostKeys = pin
				}
				if with.key && c.Key == nil {
					c.Key = settings.NewSecret(mine.openSSH)
				}
				if with.password && c.Password == nil {
					c.Password = settings.NewSecret(password)
				}
				s, err := New(c, Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return s
			}
			shown := describeKey(userEd25519().public)
			if key, err := store(Config{}).Check(t.Context()); err != nil || key != shown {
				t.Errorf("Check: %v, %v", key, err)
			}
			key, err := store(Config{HostKeys: pinOf(hostRSA())}).Check(t.Context())
			if !errors.Is(err, errPinType) || key != shown {
				t.Errorf("Check with another key pinned: %v, %v", key, err)
			}
			wrong := Config{Password: settings.NewSecret("wrong")}
			if with.key {
				wrong = Config{Key: settings.NewSecret(userEd25519().openSSH)}
			}
			if _, err = store(wrong).List(t.Context()); !errors.Is(err, ErrCredentials) {
				t.Errorf("with another secret: %v", err)
			}
			checkWords(t, err)
			checkMissingFolder(t, store(Config{Folder: "elsewhere"}))
			checkFolder(t, store(Config{}), out)
		})
	}
}

// ProFTPD's mod_sftp, with a password.
func TestProFTPD(t *testing.T) {
	t.Parallel()
	program := findProgram(t, "PROFTPD", "/usr/sbin/proftpd", false)
	modules := cmp.Or(os.Getenv("PROFTPD_MODULES"), "/usr/lib/proftpd")
	if _, err := os.Stat(filepath.Join(modules, "mod_sftp.so")); err != nil {
		t.Skip("LEFT OUT: ProFTPD has no mod_sftp")
	}
	dir, out := serverFolder(t)
	pin, err := ParseHostKeys(describeKey(userRSA().public).Pin)
	if err != nil {
		t.Fatal(err)
	}
	address, port := freeAddress(t)
	config := writeFile(t, filepath.Join(dir, "proftpd.conf"), fmt.Sprintf(`ModulePath %s
LoadModule mod_sftp.c
ServerType standalone
DefaultAddress 127.0.0.1
Port %s
User proftpd
Group nogroup
PidFile /run/proftpd/pid
ScoreboardFile /run/proftpd/scoreboard
ControlsEngine off
DelayEngine off
WtmpLog none
TransferLog none
AuthOrder mod_auth_unix.c
RequireValidShell off
SFTPEngine on
SFTPLog /run/proftpd/log
SFTPHostKey %s
SFTPAuthMethods password
`, modules, port, writeFile(t, filepath.Join(dir, "host"), userRSA().other)))
	start(t, privateSystem(t, dir, out, program, "-n", "-q", "-c", config), address)
	store := func(secret string) *Store {
		s, err := New(Config{Host: address, Username: vendor, Password: settings.NewSecret(secret), HostKeys: pin},
			Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	_, err = store("wrong").List(t.Context())
	if !errors.Is(err, ErrCredentials) {
		t.Errorf("with a wrong password: %v", err)
	}
	checkWords(t, err)
	checkFolder(t, store(password), out)
}
